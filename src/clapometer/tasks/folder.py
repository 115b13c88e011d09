"""Reading the folder of a data set: what is not as it should be is told with the layout that was expected."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from clapometer.errors import BadOption
from clapometer.tasks.task import Clip, Layout, Task


class Folder:
    """The folder of a data set.

    Args:
        root: where.
        task: whose data it holds, for messages.
        layout: how it is laid out.
    """

    def __init__(self, root: Path, task: Task, layout: Layout) -> None:
        self.root = root
        self.task = task
        self.layout = layout

    def has(self, path: str) -> bool:
        """Whether there is such a path, or something that a pattern fits."""
        return any(self.root.glob(path)) if "*" in path else (self.root / path).exists()

    def files(self, pattern: str) -> list[str]:
        """Files that a pattern fits, relative to the folder, in the order of their names.

        Raises:
            BadOption: there are none.
        """
        found = sorted(path.relative_to(self.root).as_posix() for path in self.root.glob(pattern) if path.is_file())
        if not found:
            raise self.wrong(f"there is no {pattern}")
        return found

    def text(self, path: str) -> str:
        """A text file.

        Raises:
            BadOption: it is missing or cannot be read.
        """
        try:
            return (self.root / path).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise self.wrong(f"{path} cannot be read ({getattr(error, 'strerror', None) or error})") from error

    def rows(self, path: str, columns: Sequence[str], *, delimiter: str = ",") -> list[dict[str, str]]:
        """A table with a header.

        Raises:
            BadOption: it cannot be read, or lacks one of these columns.
        """
        reader = csv.DictReader(self.text(path).splitlines(), delimiter=delimiter)
        missing = [name for name in columns if name not in (reader.fieldnames or [])]
        if missing:
            raise self.wrong(f"{path} has no column {missing[0]!r} but {', '.join(reader.fieldnames or ['nothing'])}")
        return [{name: (row[name] or "").strip() for name in columns} for row in reader]

    def lines(self, path: str, *, delimiter: str = "\t") -> list[list[str]]:
        """A table without a header, empty lines left out."""
        return [row for row in csv.reader(self.text(path).splitlines(), delimiter=delimiter) if any(row)]

    def json(self, path: str) -> Any:
        """A JSON file.

        Raises:
            BadOption: it cannot be read.
        """
        try:
            return json.loads(self.text(path))
        except ValueError as error:
            raise self.wrong(f"{path} is not JSON ({error})") from error

    def wrong(self, what: str) -> BadOption:
        """The error that says what is wrong with the folder and what it should look like."""
        return BadOption(f"{self.root}: is not {self.task.title} as published: {what}\n{expected(self.task)}")


def expected(task: Task) -> str:
    """What a folder of a task looks like and where to get the data, in words."""
    drawings = [f"{layout.name}:\n{_indented(layout.drawing)}" for layout in task.layouts]
    return "Expected is " + "\nor ".join(drawings) + f"\nGet it from {task.where}"


def open_folder(task: Task, root: Path) -> Folder:
    """The folder of a task: the given one, or one in it that is called as the data set's usually is.

    Raises:
        BadOption: neither looks like it.
    """
    if not root.is_dir():
        raise BadOption(f"{root}: no such folder; name the folder of {task.title}\n{expected(task)}")
    places = [*(place for name in task.folders if (place := root / name).is_dir()), root]
    for place in places:
        for layout in task.layouts:
            folder = Folder(place, task, layout)
            if all(folder.has(mark) for mark in layout.marks):
                return folder
    first = Folder(root, task, task.layouts[0])
    missing = [mark for mark in task.layouts[0].marks if not first.has(mark)]
    raise first.wrong(f"there is no {' and no '.join(missing)}")


def read_clips(folder: Folder) -> list[Clip]:
    """The clips of a folder, each once, checked.

    Raises:
        BadOption: there are none, or one has a label that the task does not know.
    """
    clips = folder.layout.read(folder)
    if not clips:
        raise folder.wrong("it lists no clips")
    known = set(labels_of(folder))
    for clip in clips if known else ():
        strange = [label for label in clip.labels if label not in known]
        if strange:
            raise folder.wrong(f"{clip.audio} is called {strange[0]!r}, which is none of its {len(known)} classes")
    return clips


def labels_of(folder: Folder) -> tuple[str, ...]:
    """All classes of the task, in their order."""
    return folder.task.labels if folder.task.listed is None else folder.task.listed(folder)


def in_folds(clips: Iterable[Clip], number: int, *, group: Sequence[str] | None = None) -> list[Clip]:
    """Clips with folds made here, where none were published: always the same ones.

    With groups, such as speakers, those are dealt out in the order of their names, so that none is in two folds;
    without, the clips of each class are, in the order of theirs.
    """
    clips = list(clips)
    if group is not None:
        order = {name: place for place, name in enumerate(sorted(set(group)))}
        return [replace(clip, fold=str(1 + order[one] % number)) for clip, one in zip(clips, group, strict=True)]
    dealt: dict[tuple[str, ...], int] = defaultdict(int)
    folds: dict[str, str] = {}
    for clip in sorted(clips, key=lambda clip: clip.audio):
        folds[clip.audio] = str(1 + dealt[clip.labels] % number)
        dealt[clip.labels] += 1
    return [replace(clip, fold=folds[clip.audio]) for clip in clips]


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip("\n").splitlines())
