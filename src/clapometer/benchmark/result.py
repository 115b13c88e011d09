"""What measuring a model on a task comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clapometer.benchmark.tasks.task import Clip, Setup, Task
from clapometer.stats.intervals import Estimate

Truth = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """What a model said of clips.

    Attributes:
        clips: those that were asked and could be read, in order.
        labels: all classes, in order.
        scores: (clips, labels): the higher, the more a class fits; the predicted class is the first of the highest.
        folds: for each clip the fold or part in whose turn it was tested.
    """

    clips: list[Clip]
    labels: tuple[str, ...]
    scores: Numbers
    folds: list[str]

    @property
    def groups(self) -> list[str]:
        """For each clip what it shares with others, such as its speaker; empty where that is not known."""
        return [clip.group for clip in self.clips]

    @property
    def truth(self) -> Truth:
        """(clips, labels): which labels a clip has."""
        place = {label: number for number, label in enumerate(self.labels)}
        truth = np.zeros((len(self.clips), len(self.labels)), np.bool_)
        for number, clip in enumerate(self.clips):
            truth[number, [place[label] for label in clip.labels]] = True
        return truth


@dataclass(frozen=True)
class ClassRow:
    """How well one class was told; figures that do not apply are None."""

    label: str
    clips: int
    recall: float | None
    precision: float | None
    f1: float | None
    average_precision: float | None
    taken_for: str
    """The class that it was most often taken for, with the number of clips; empty where there is none."""


@dataclass(frozen=True)
class Figures:
    """The figures of a task.

    Attributes:
        main: the name of the task's metric among `estimates`.
        estimates: figures with intervals, by name.
        folds: the task's metric of each fold.
        classes: a row a class.
        confusion: (labels, labels), true by predicted, where a clip has one label.
        drawn: what the intervals draw, in words.
    """

    main: str
    estimates: dict[str, Estimate]
    folds: dict[str, float]
    classes: list[ClassRow]
    confusion: npt.NDArray[np.int64] | None = None
    drawn: str = ""

    @property
    def value(self) -> Estimate:
        """The task's metric."""
        return self.estimates[self.main]


@dataclass(frozen=True)
class Result:
    """A model on a task.

    Attributes:
        task: the task.
        setup: how the model was used.
        figures: what came of it.
        answers: what the model said; None for retrieval.
        record: how it came about, as JSON: enough to do it again.
        failed: clips that are missing or unreadable, and why.
    """

    task: Task
    setup: Setup
    figures: Figures
    answers: Answers | None
    record: dict[str, Any]
    failed: dict[str, str]
