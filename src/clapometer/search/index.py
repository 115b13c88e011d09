"""An opened index, searched by text or by sound."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clapometer.embedding.pipeline import embed_files, embed_texts
from clapometer.embedding.store import VectorStore
from clapometer.errors import BadAudio, BadOption, BadText
from clapometer.search import storage
from clapometer.search.nearest import nearest
from clapometer.search.storage import IndexedFiles, Vectors
from clapometer.types import Window

if TYPE_CHECKING:
    from clapometer.models.clap import Clap

COUNT = 10
"""Default number of results."""


@dataclass(frozen=True)
class SearchResult:
    """A sound that was found."""

    audio: str
    """Its path, relative to the folder of the sounds."""
    score: float
    """max(cosine, 0): the CLAPScore, or the same formula between two sounds."""
    cosine: float
    """-1..1."""


@dataclass(frozen=True)
class SoundIndex:
    """An opened index. It does not change while another process updates the folder.

    Attributes:
        folder: the index.
        root: the folder of its sounds.
        record: provenance: model, window, versions, counts.
        sounds: its table.
        vectors: (sounds with a vector, dimension), mapped from the disk.
    """

    folder: Path
    root: Path
    record: dict[str, Any]
    sounds: IndexedFiles
    vectors: Vectors

    def __len__(self) -> int:
        return len(self.vectors)

    def search(self, query: Vectors, *, count: int = COUNT, min_score: float | None = None) -> list[SearchResult]:
        """Find the sounds nearest to a vector, by comparing it with every vector.

        Args:
            query: (dimension,), unit length, by this index's model.
            count: how many, at most.
            min_score: lower scores are left out.

        Returns:
            The best first; ties are in the order of their paths.

        Raises:
            BadOption: the vector has another length, or `count` is below 1.
        """
        query = np.asarray(query, np.float32)
        dimension = self.record["model"]["embedding_dim"]
        if query.shape != (dimension,):
            raise BadOption(f"the query has shape {query.shape}; the index holds vectors of {dimension} numbers")
        if count < 1:
            raise BadOption(f"the number of sounds to find must be at least 1, not {count}")
        min_cosine = -np.inf if min_score is None or min_score <= 0 else min_score - 1e-12
        rows, cosines = nearest(self.vectors, query, count, min_cosine)
        indices = np.flatnonzero(self.sounds.has_vector)[rows].tolist()
        return [
            SearchResult(self.sounds.paths[index], max(cosine, 0.0), cosine)
            for index, cosine in zip(indices, cosines.tolist(), strict=True)
        ]

    def text_vector(self, clap: Clap, text: str, *, store: VectorStore | None = None) -> Vectors:
        """Embed a text with the index's model: (dimension,), unit length.

        Raises:
            BadText: it is empty.
            BadOption: the model is not that of the index.
        """
        self.check_model(clap)
        embedded = embed_texts(clap, [text], store=store)
        if embedded.errors[0]:
            raise BadText(embedded.errors[0])
        vector: Vectors = embedded.vectors[0]
        return vector

    def sound_vector(self, clap: Clap, path: str | os.PathLike[str], *, store: VectorStore | None = None) -> Vectors:
        """Embed a sound with the index's model and window: (dimension,), unit length.

        Raises:
            BadAudio: it cannot be read.
            BadOption: the model is not that of the index.
        """
        self.check_model(clap)
        found = embed_files(clap, [path], window=self.window, store=store)
        if found.errors[0]:
            raise BadAudio(found.errors[0])
        vector: Vectors = found.vectors[0]
        return vector

    @property
    def window(self) -> Window:
        """The treatment of short and long clips that its vectors were computed with."""
        return Window(**self.record["window"])

    def check_model(self, clap: Clap) -> None:
        """Check that vectors of this model can be compared with those of the index.

        Raises:
            BadOption: the weights differ.
        """
        from clapometer.models.weights.safetensors import weights_hash

        there, here = self.record["model"]["weights"], weights_hash(clap)
        if there != here:
            raise BadOption(
                f"{self.folder}: was made by {self.record['model']['name']} with weights {there}, not by "
                f"{clap.card.name} with {here}; search with the model of the index"
            )


def open_index(folder: str | os.PathLike[str]) -> SoundIndex:
    """Open an index.

    Raises:
        BadOption: there is none, or it is damaged.
    """
    folder = Path(folder)
    record = storage.read_record(folder)
    if record is None:
        raise BadOption(f"{folder}: is not an index; make one: clapometer index SOUNDS -o {folder}")
    try:
        return _open(folder, record)
    except (BadOption, FileNotFoundError):
        current = storage.read_record(folder)  # another run may have replaced the files since the record was read
        if current is None or current["generation"] == record["generation"]:
            raise
        return _open(folder, current)


def _open(folder: Path, record: dict[str, Any]) -> SoundIndex:
    sounds, vectors = storage.read_sounds(folder, record), storage.read_vectors(folder, record)
    return SoundIndex(folder, Path(record["root"]), record, sounds, vectors)
