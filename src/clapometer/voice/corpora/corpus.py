"""What the adapters of speech corpora have in common."""

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
"""What a speaker is who has an emotion; one that is not here is called by its own name."""


ENDINGS = (".wav", ".flac", ".mp3", ".ogg")
"""Of the names of sounds: a corpus may have been converted."""


@dataclass(frozen=True)
class SpeechClip:
    """One clip; an empty field is what the corpus does not tell."""

    audio: str
    """Its path, from the folder of the corpus."""
    speaker: str
    emotion: str
    """A noun, the same in all corpora: `anger`, `sadness`, `neutral`, ..."""
    gender: str = ""
    """`female` or `male`."""
    age: str = ""
    """Years."""
    intensity: str = ""
    """How strongly it is felt, in the words of the corpus."""
    arousal: str = ""
    valence: str = ""
    dominance: str = ""
    sentence: str = ""
    """What is said, or its code."""
    split: str = ""
    """`train` or `test`, where the corpus comes divided; no speaker is in both."""

    @property
    def label(self) -> str:
        """The emotion as a word for the speaker, such as `angry`: a candidate of zero-shot classification."""
        return WORDS.get(self.emotion, self.emotion)


@dataclass(frozen=True)
class SpeechTable:
    """The clips of a corpus.

    Attributes:
        corpus: its name.
        folder: where the paths of the clips begin.
        clips: in the order of their paths.
        skipped: sounds that were found and left out, by path, and why.
    """

    corpus: str
    folder: Path
    clips: tuple[SpeechClip, ...]
    skipped: Mapping[str, str]

    @property
    def columns(self) -> list[str]:
        """`audio`, `label`, and what the corpus tells of some clip at least."""
        known = [field.name for field in fields(SpeechClip)[1:]]
        return ["audio", "label", *(name for name in known if any(getattr(clip, name) for clip in self.clips))]

    def rows(self, root: Path | None = None) -> Iterator[dict[str, str]]:
        """A dictionary a clip, by column; paths begin in `root`, by default in the folder of the corpus."""
        for clip in self.clips:
            row = {name: str(getattr(clip, name)) for name in self.columns}
            if root is not None:
                row["audio"] = os.path.relpath(self.folder / clip.audio, root)
            yield row


@dataclass(frozen=True)
class Corpus:
    """How a published corpus is laid out.

    Attributes:
        name: by which it is asked for.
        layout: an example of its paths, for messages.
        prepare: given the folder of the corpus, reads what stands in files of its own, and returns what is known of a
            sound by its path, relative to that folder: None where the name is not one of the corpus; a text where it
            is, and is left out, and that says why.
        marks: paths, of which one at least must be there, that tell the folder of the corpus from one above it.
    """

    name: str
    layout: str
    prepare: Callable[[Path], Callable[[Path], SpeechClip | str | None]]
    marks: tuple[str, ...] = ()

    def read(self, folder: Path) -> SpeechTable:
        """As `read_corpus`."""
        if not folder.is_dir():
            raise BadOption(f"{folder}: no such folder; name the one in which {self.name} is unpacked")
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
            strange = f"; {len(skipped)} sounds have other names, first {next(iter(skipped))}" if skipped else ""
            raise BadOption(f"{folder}: holds no clip of {self.name}; they are called {self.layout}{strange}")
        return SpeechTable(self.name, root, tuple(clips), skipped)

    def _root(self, folder: Path) -> Path:
        """The folder of the corpus: this one, or one below it that has the marks."""
        if not self.marks:
            return folder
        for root in (folder, *sorted(path for path in folder.glob("*/") if path.is_dir())):
            if any(next(root.glob(mark), None) for mark in self.marks):
                return root
        raise BadOption(
            f"{folder}: holds no {' or '.join(self.marks)}, which {self.name} has; its clips: {self.layout}"
        )


def write_corpus(table: SpeechTable, output: Path) -> None:
    """Write the clips as a table whose paths begin in its own folder.

    Raises:
        BadTable: the ending is not that of a table.
        BadOption: it cannot be written.
    """
    form, columns = format_of(output), table.columns
    with atomic_write(output) as file:
        write_rows(file, form, columns, list(table.rows(output.parent)), dict.fromkeys(columns, str))


def _sounds(root: Path) -> list[Path]:
    """Paths of sounds below a folder, relative to it, in order; hidden ones, such as macOS leaves, are left out."""
    found = []
    for parent, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        found += [
            (Path(parent) / name).relative_to(root)
            for name in files
            if name.lower().endswith(ENDINGS) and not name.startswith(".")
        ]
    return sorted(found)
