"""The clips of a task: read, chosen, embedded."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clapometer.audio.files import check_files
from clapometer.benchmark.tasks.dataset_folder import labels_of, open_folder, read_clips
from clapometer.benchmark.tasks.task import TEST, Clip, Folder, Task
from clapometer.embedding.pipeline import Progress, embed_files
from clapometer.embedding.store import VectorStore
from clapometer.errors import BadOption, first_of
from clapometer.provenance import file_hashes
from clapometer.types import Window

if TYPE_CHECKING:
    from clapometer.models.clap import Clap

Vectors = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


@dataclass(frozen=True)
class Data:
    """The clips of a folder.

    Attributes:
        task: whose data it is.
        folder: where it is.
        labels: all classes, in order; none for retrieval.
        clips: all clips that the folder lists.
        tested: places in `clips` of those that are tested, in order.
        folds: the names of the folds that are tested; empty where there are parts instead.
    """

    task: Task
    folder: Folder
    labels: tuple[str, ...]
    clips: list[Clip]
    tested: list[int]
    folds: tuple[str, ...]

    @property
    def all_folds(self) -> tuple[str, ...]:
        """The names of all folds, in order."""
        return tuple(sorted({clip.fold for clip in self.clips if clip.fold}, key=_in_order))

    def path(self, place: int) -> Path:
        """The file of a clip."""
        return self.folder.root / self.clips[place].audio

    def turn(self, place: int) -> str:
        """The fold or part in whose turn a clip is tested."""
        return self.clips[place].fold or self.clips[place].split


@dataclass(frozen=True)
class Heard:
    """Clips with their vectors.

    Attributes:
        places: places in `Data.clips` of those that could be read.
        vectors: (places, dimension), unit length.
        failed: the others, and why.
        digests: (places,), SHA-256 of the files, hexadecimal.
    """

    places: list[int]
    vectors: Vectors
    failed: dict[str, str]
    digests: tuple[str, ...]

    def only(self, places: Collection[int]) -> Heard:
        """The clips at some places, with the failures of all."""
        rows = [row for row, place in enumerate(self.places) if place in places]
        return Heard(
            [self.places[row] for row in rows],
            self.vectors[rows],
            self.failed,
            tuple(self.digests[row] for row in rows),
        )

    def of(self, places: Sequence[int]) -> tuple[list[int], Vectors]:
        """Those of some places that could be read, with their vectors."""
        row = {place: number for number, place in enumerate(self.places)}
        kept = [place for place in places if place in row]
        return kept, self.vectors[[row[place] for place in kept]]


def read_task(task: Task, root: Path, folds: Sequence[str] = ()) -> Data:
    """The clips of a task.

    Args:
        task: which.
        root: its folder, or the folder that this one is in.
        folds: those that are tested; default: all.

    Raises:
        BadOption: the folder does not look as published, or there is no such fold; in a table of the user's own a sound
            is in two parts or folds, under two names.
    """
    folder = open_folder(task, root)
    clips = read_clips(folder)
    if task.own:
        _check_parts(folder, clips)
    there = {clip.fold for clip in clips if clip.fold}
    if folds:
        strange = [fold for fold in folds if fold not in there]
        if strange:
            known = f"its folds are {', '.join(sorted(there, key=_in_order))}" if there else "it has no folds"
            raise BadOption(f"{task.title} has no fold {strange[0]}; {known}")
        tested = [place for place, clip in enumerate(clips) if clip.fold in folds]
    else:
        tested = [place for place, clip in enumerate(clips) if clip.split == TEST or clip.fold]
    if not tested:
        raise folder.error("it lists no clips to test on")
    labels = () if task.metric == "retrieval" else labels_of(folder)
    turns = tuple(sorted({clips[place].fold for place in tested if clips[place].fold}, key=_in_order))
    return Data(task, folder, labels, clips, tested, turns)


def _check_parts(folder: Folder, clips: Sequence[Clip]) -> None:
    """Check that no content is in two parts or folds; a missing file is told later."""
    part = {folder.root / clip.audio: (clip.audio, clip.fold or clip.split) for clip in clips}
    if len({turn for _, turn in part.values()}) < 2:
        return
    first: dict[str, tuple[str, str]] = {}
    twice = []
    for path, content in sorted(file_hashes(part).items()):
        if isinstance(content, str):
            name, turn = part[path]
            other, before = first.setdefault(content, part[path])
            twice += [f"{name} ({turn}) has the content of {other} ({before})"] * (turn != before)
    if twice:
        raise BadOption(
            f"{folder.root}: {len(twice)} sounds are in two parts, under two names, so that training data would "
            f"be tested; keep each in one part:{first_of(twice)}"
        )


def check_some(data: Data, places: Sequence[int]) -> None:
    """Whether any of the sounds is there, before a model is loaded.

    Raises:
        BadOption: all of them are missing.
    """
    paths = [str(data.path(place)) for place in places]
    bad = check_files(paths)
    if len(bad) == len(set(paths)):
        raise data.folder.error(f"none of its {len(paths)} sounds is there, such as {data.clips[places[0]].audio}")


def hear(
    clap: Clap,
    data: Data,
    places: Sequence[int],
    *,
    window: Window | None,
    batch_size: int | None,
    workers: int | None,
    store: VectorStore | None,
    progress: Progress | None,
) -> Heard:
    """Embed some clips; what is missing or unreadable is told and left out.

    Raises:
        BadOption: none of them can be read.
    """
    embedded = embed_files(
        clap,
        [data.path(place) for place in places],
        window=window,
        batch_size=batch_size,
        workers=workers,
        store=store,
        progress=progress,
    )
    good = [number for number, error in enumerate(embedded.errors) if not error]
    if not good:
        raise BadOption(f"none of the {len(places)} sounds can be read; the first: {embedded.errors[0]}")
    failed = {data.clips[place].audio: why for place, why in zip(places, embedded.errors, strict=True) if why}
    digests = tuple(embedded.digests[number] for number in good)
    return Heard([places[number] for number in good], embedded.vectors[good], failed, digests)


def _in_order(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdigit() else (10**9, name)
