"""Reading the folder of a data set: what is not as it should be is told with the layout that was expected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from clapometer.benchmark.tasks.task import Clip, Folder, Task, expected
from clapometer.errors import BadOption


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
