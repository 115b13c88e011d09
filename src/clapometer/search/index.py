"""Questions to an index: which of its sounds are nearest to a text or to a sound."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clapometer.embedding.pipeline import embed_files, embed_texts
from clapometer.embedding.store import VectorStore
from clapometer.errors import BadAudio, BadOption, BadText
from clapometer.search import storage
from clapometer.search.nearest import from_graph, nearest, open_graph, settled
from clapometer.search.storage import Listed, Places, Vectors
from clapometer.types import Window

if TYPE_CHECKING:
    from clapometer.models.clap import Clap

COUNT = 10
"""Sounds that a search gives."""
_MORE = 4
"""Times as many are asked of a graph: their order is settled in full precision."""


@dataclass(frozen=True)
class Found:
    """A sound that was found."""

    audio: str
    """Its path, relative to the folder of the sounds."""
    score: float
    """max(cosine, 0), the CLAPScore; between two sounds the same of theirs."""
    cosine: float
    """-1..1."""


@dataclass(frozen=True)
class SoundIndex:
    """An index that has been opened; it stays as it was opened while a run writes the next one.

    Attributes:
        folder: where it is.
        root: the folder of its sounds.
        record: how it came about: model, window, versions, counts.
        sounds: its table.
        vectors: (sounds with a vector, dimension), mapped from the disk.
    """

    folder: Path
    root: Path
    record: dict[str, Any]
    sounds: Listed
    vectors: Vectors

    def __len__(self) -> int:
        return len(self.vectors)

    def search(
        self, query: Vectors, *, count: int = COUNT, min_score: float | None = None, exact: bool | None = None
    ) -> list[Found]:
        """The sounds nearest to a vector.

        Args:
            query: (dimension,), unit length, of this index's model.
            count: how many, at most.
            min_score: sounds whose score is below are left out.
            exact: compare with every vector; default: unless the index has a graph.

        Returns:
            The best first; equal ones in the order of their paths.

        Raises:
            BadOption: the vector has another length, `count` is below 1, or a graph is wanted and cannot be read.
        """
        query = np.asarray(query, np.float32)
        if query.shape != (self.record["model"]["dimension"],):
            raise BadOption(
                f"a query of shape {query.shape} to an index of {self.record['model']['dimension']} numbers"
            )
        if count < 1:
            raise BadOption(f"the number of sounds to find must be at least 1, not {count}")
        least = -np.inf if min_score is None or min_score <= 0 else min_score - 1e-12
        if exact or (exact is None and not self.record["graph"]):
            rows, cosines = nearest(self.vectors, query, count, least)
        else:
            rows, cosines = settled(self.vectors, self._candidates(query, count), query, count, least)
        places = np.flatnonzero(self.sounds.numbers >= 0)[rows].tolist()
        return [
            Found(self.sounds.paths[place], max(cosine, 0.0), cosine)
            for place, cosine in zip(places, cosines.tolist(), strict=True)
        ]

    def text_vector(self, clap: Clap, text: str, *, store: VectorStore | None = None) -> Vectors:
        """(dimension,), the unit vector of a text by the index's model.

        Raises:
            BadText: it is empty.
            BadOption: the model is another.
        """
        self.check_model(clap)
        found = embed_texts(clap, [text], store=store)
        if found.errors[0]:
            raise BadText(found.errors[0])
        vector: Vectors = found.vectors[0]
        return vector

    def sound_vector(self, clap: Clap, path: str | os.PathLike[str], *, store: VectorStore | None = None) -> Vectors:
        """(dimension,), the unit vector of a sound by the index's model, heard through the index's window.

        Raises:
            BadAudio: it cannot be read.
            BadOption: the model is another.
        """
        self.check_model(clap)
        found = embed_files(clap, [path], window=self.window, store=store)
        if found.errors[0]:
            raise BadAudio(found.errors[0])
        vector: Vectors = found.vectors[0]
        return vector

    @property
    def window(self) -> Window:
        """Treatment of short and long clips that its vectors come from."""
        return Window(**self.record["window"])

    def check_model(self, clap: Clap) -> None:
        """Whether vectors of this model can be held against those of the index.

        Raises:
            BadOption: the weights are others.
        """
        from clapometer.models.weights.safetensors import weights_hash

        there, here = self.record["model"]["weights"], weights_hash(clap)
        if there != here:
            raise BadOption(
                f"{self.folder}: was made by {self.record['model']['name']} with weights {there}, and not by "
                f"{clap.card.name} with {here}; search with the model of the index"
            )

    @cached_property
    def _graph(self) -> Any:
        return open_graph(self.folder / self.record["graph"]["file"])

    def _candidates(self, query: Vectors, count: int) -> Places:
        """Rows that may be among the nearest: what the graph finds, and all that it does not know."""
        about = self.record["graph"]
        if not about:
            raise BadOption(f"{self.folder}: has no graph; index again with --graph, or search exactly")
        numbers = self.sounds.numbers[self.sounds.numbers >= 0]
        found = from_graph(self._graph, query, _MORE * count)
        order = np.argsort(numbers, kind="stable")
        at = np.minimum(np.searchsorted(numbers[order], found), len(numbers) - 1)
        known = order[at][numbers[order][at] == found]
        return np.concatenate([known, np.flatnonzero(numbers >= about["next_number"])])


def open_index(folder: str | os.PathLike[str]) -> SoundIndex:
    """An index as it is now.

    Raises:
        BadOption: there is none, or it is damaged.
    """
    folder = Path(folder)
    record = storage.read_record(folder)
    if record is None:
        raise BadOption(f"{folder}: is not an index; make one: clapometer index SOUNDS -o {folder}")
    try:
        return _opened(folder, record)
    except (BadOption, FileNotFoundError):
        again = storage.read_record(folder)  # another run may have replaced it between the two readings
        if again is None or again["generation"] == record["generation"]:
            raise
        return _opened(folder, again)


def _opened(folder: Path, record: dict[str, Any]) -> SoundIndex:
    sounds, vectors = storage.read_sounds(folder, record), storage.read_vectors(folder, record)
    return SoundIndex(folder, Path(record["root"]), record, sounds, vectors)
