"""Common parts of the readers of speech corpora."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from clapometer.errors import BadOption
from clapometer.tables import atomic_write, format_of, write_rows

WORDS = {
    "anger": "angry",
    "boredom": "bored",
    "contempt": "contemptuous",
    "disgust": "disgusted",
    "excitement": "excited",
    "fear": "fearful",
    "frustration": "frustrated",
    "happiness": "happy",
    "sadness": "sad",
    "surprise": "surprised",
}
"""Adjectives for emotions; an emotion that is not here is its own adjective."""

ENDINGS = (".wav", ".flac", ".mp3", ".ogg")
"""Extensions of sounds: a corpus may have been converted."""


@dataclass(frozen=True)
class SpeechClip:
    """One clip; fields that the corpus does not give are empty."""

    audio: str
    """Path relative to the folder of the corpus."""
    speaker: str
    emotion: str
    """A noun, the same in all corpora: `anger`, `sadness`, `neutral`, ..."""
    gender: str = ""
    """`female` or `male`."""
    age: str = ""
    """Years."""
    intensity: str = ""
    """As the corpus names it."""
    arousal: str = ""
    valence: str = ""
    dominance: str = ""
    sentence: str = ""
    """The spoken text, or its code."""
    split: str = ""
    """`train` or `test`, where the corpus has published splits; no speaker is in both."""

    @property
    def label(self) -> str:
        """The emotion as an adjective, such as `angry`, for zero-shot classification."""
        return WORDS.get(self.emotion, self.emotion)


@dataclass(frozen=True)
class SpeechTable:
    """The clips of a corpus.

    Attributes:
        corpus: its name.
        folder: the paths of the clips are relative to it.
        clips: sorted by path.
        skipped: sounds that were left out, by path, and why.
    """

    corpus: str
    folder: Path
    clips: tuple[SpeechClip, ...]
    skipped: Mapping[str, str]

    @property
    def columns(self) -> list[str]:
        """`audio`, `label`, and the fields that at least one clip has."""
        known = [field.name for field in fields(SpeechClip)[1:]]
        return ["audio", "label", *(name for name in known if any(getattr(clip, name) for clip in self.clips))]

    def rows(self, root: Path | None = None) -> Iterator[dict[str, str]]:
        """One dictionary per clip; paths are relative to `root`, by default the folder of the corpus."""
        for clip in self.clips:
            row = {name: str(getattr(clip, name)) for name in self.columns}
            if root is not None:
                row["audio"] = os.path.relpath(self.folder / clip.audio, root)
            yield row


@dataclass(frozen=True)
class Corpus:
    """The layout of a published corpus.

    Attributes:
        name: identifier on the command line.
        layout: an example of its paths, for messages.
        prepare: given the folder of the corpus, reads its label files and returns a function from the path of a sound,
            relative to that folder, to its clip: None if the name does not match the corpus; a text, the reason, if the
            sound is left out.
        marks: paths, at least one of which must exist, that identify the folder of the corpus.
    """

    name: str
    layout: str
    prepare: Callable[[Path], Callable[[Path], SpeechClip | str | None]]
    marks: tuple[str, ...] = ()

    def read(self, folder: Path) -> SpeechTable:
        """As `read_corpus`."""
        if not folder.is_dir():
            raise BadOption(f"{folder}: no such folder; name the folder of {self.name}")
        root = self._root(folder)
        clip_of = self.prepare(root)
        clips, skipped = [], {}
        for path in _sounds(root):
            found = clip_of(path)
            if isinstance(found, SpeechClip):
                clips.append(found)
            else:
                skipped[path.as_posix()] = found or f"its name is not one of {self.name}, such as {self.layout}"
        if not clips:
            others = f"; {len(skipped)} sounds have other names, the first: {next(iter(skipped))}" if skipped else ""
            raise BadOption(f"{folder}: holds no clip of {self.name}, such as {self.layout}{others}")
        return SpeechTable(self.name, root, tuple(clips), skipped)

    def _root(self, folder: Path) -> Path:
        """The folder of the corpus: this one, or a subfolder with the marks."""
        if not self.marks:
            return folder
        for root in (folder, *sorted(path for path in folder.glob("*/") if path.is_dir())):
            if any(next(root.glob(mark), None) for mark in self.marks):
                return root
        raise BadOption(
            f"{folder}: holds no {' or '.join(self.marks)} of {self.name}, whose clips are such as {self.layout}"
        )


def write_corpus(table: SpeechTable, output: Path) -> None:
    """Write the clips as a table, with paths relative to the folder of the table.

    Raises:
        BadTable: the extension is not that of a table.
        BadOption: the table cannot be written.
    """
    form, columns = format_of(output), table.columns
    with atomic_write(output) as file:
        write_rows(file, form, columns, list(table.rows(output.parent)), dict.fromkeys(columns, str))


def _sounds(root: Path) -> list[Path]:
    """Sorted relative paths of the sounds in a folder and its subfolders, without hidden ones as macOS leaves them."""
    found = []
    for parent, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        found += [
            (Path(parent) / name).relative_to(root)
            for name in files
            if name.lower().endswith(ENDINGS) and not name.startswith(".")
        ]
    return sorted(found)
