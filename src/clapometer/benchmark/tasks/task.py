"""What a task is."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from clapometer.errors import BadOption

Metric = Literal["accuracy", "uar", "map", "retrieval"]
Sure = Literal["primary", "secondary"]
Setup = Literal["zeroshot", "linear", "mlp", "finetune", "retrieval"]
SETUP_NAMES: Mapping[Setup, str] = {
    "zeroshot": "zero-shot",
    "linear": "linear probe",
    "mlp": "MLP head",
    "finetune": "fine-tuned",
    "retrieval": "retrieval",
}
"""How a reader calls the set-ups."""
TRAIN, VALIDATION, TEST = "train", "validation", "test"


@dataclass(frozen=True)
class Clip:
    """A sound of a data set and what is known of it."""

    audio: str
    """Its path, relative to the folder of the data set, with forward slashes."""
    labels: tuple[str, ...]
    """Its class; or its tags; or its captions, of a task of retrieval."""
    fold: str = ""
    """The published fold, where there is cross-validation."""
    split: str = ""
    """`train`, `validation` or `test`, where the data set is divided like that."""
    group: str = ""
    """What other clips may share, so that their errors are alike: the speaker, or the recording that a clip was cut
    from. Intervals draw the clips of a group together."""


@dataclass(frozen=True)
class Layout:
    """A folder as a data set is published, or as a well-known collection repacks it."""

    name: str
    drawing: str
    """What the folder looks like, for a user whose folder does not."""
    marks: tuple[str, ...]
    """Paths by which it is recognised: all of them are there. Patterns such as `fold*.json` are allowed."""
    read: Callable[[Folder], list[Clip]]
    """The clips of a folder, in a fixed order."""


@dataclass(frozen=True)
class Template:
    """The text of a class, with `{}` where its words go."""

    text: str
    source: str
    """Who uses it."""


@dataclass(frozen=True)
class Published:
    """A figure that others have measured."""

    model: str
    value: float
    """In the task's metric, 0..1."""
    source: str
    sure: Sure
    """`primary`: read in the authors' own paper, code or poster; `secondary`: in another paper, or on a third party's
    page."""
    setup: Setup = "zeroshot"
    figure: str = ""
    """Which one, where it is not the task's metric, such as `text_to_audio R@1`."""
    prompt: str = ""
    """The template, where it is known."""
    note: str = ""
    """What else stands between this figure and one measured here."""


@dataclass(frozen=True)
class Task:
    """A data set with a question.

    Attributes:
        name: what a user types.
        title: what a reader reads.
        domain: as the paper of Microsoft CLAP groups its tasks.
        metric: `accuracy`; `uar`, the mean recall of the classes; `map`, the mean average precision of the tags; or
            `retrieval`, several of them.
        labels: all classes, as the data set writes them; empty for retrieval, and where `listed` reads them.
        words: how a label is written in a prompt; a label that is not here is written as it is, underscores as spaces.
        templates: the first one is the default; all together are the ensemble.
        counts: as published, by name, such as `clips`; a folder that holds other numbers is told.
        protocol: which clips are trained and tested on, in words.
        layouts: folders that can be read, the published one first.
        folders: names that the folder usually has.
        where: where to get the data.
        licence: of the data.
        listed: reads the classes from the folder, where it lists them and they are many.
        published: figures of others.
        own: whether its parts are the user's, who can correct them: a sound in two of them is refused. In published
            data a tested copy of a sound that is trained on is left out and counted.
    """

    name: str
    title: str
    domain: str
    metric: Metric
    labels: tuple[str, ...]
    templates: tuple[Template, ...]
    counts: Mapping[str, int]
    protocol: str
    layouts: tuple[Layout, ...]
    folders: tuple[str, ...]
    where: str
    licence: str
    words: Mapping[str, str] = field(default_factory=dict)
    listed: Callable[[Folder], tuple[str, ...]] | None = None
    published: tuple[Published, ...] = ()
    own: bool = False

    def word(self, label: str) -> str:
        """How a label is written in a prompt."""
        return self.words.get(label, " ".join(label.replace("_", " ").split()))


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


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip("\n").splitlines())
