"""Accuracy, mean recall and mean average precision with intervals, and the table of the classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clapometer.benchmark.result import Answers, ClassRow, Figures, Numbers, Truth
from clapometer.stats.bootstrap import SHARE, Design, Resamples, Way
from clapometer.stats.classes import class_estimates, groups_of
from clapometer.stats.classes import figures as class_figures
from clapometer.stats.intervals import Estimate

RESAMPLES = Resamples(number=1000)
"""Of clips or groups. Those that a class has by chance vary with them."""


def classified(answers: Answers, metric: str, resamples: Resamples = RESAMPLES) -> Figures:
    """Metrics of a task whose clips have one class each.

    The accuracy is the mean of those of the folds, as it is published of tasks with folds; UAR is taken over all clips.
    """
    truth = answers.truth
    true, predicted = truth.argmax(axis=1), answers.scores.argmax(axis=1)
    hits = (true == predicted).astype(np.float64)
    folds = np.array(answers.folds)
    names = list(dict.fromkeys(answers.folds))
    numbers = np.array([names.index(name) for name in answers.folds], np.int64)
    found = class_estimates(true, predicted, resamples, groups=groups_of(answers.groups), folds=numbers)
    estimates = {"accuracy": found.accuracy, "uar": found.uar, "macro_f1": found.macro_f1}
    labels = answers.labels
    confusion = class_figures([labels[n] for n in true], [labels[n] for n in predicted], labels).confusion
    by_fold = {name: _of(metric, hits[folds == name], true[folds == name]) for name in names}
    rows = [_row(label, number, confusion, labels) for number, label in enumerate(labels)]
    return Figures(metric, estimates, by_fold, rows, confusion, drawn(answers.groups))


def tagged(answers: Answers, resamples: Resamples = RESAMPLES) -> Figures:
    """Metrics of a task whose clips have several tags: the mean average precision of those that occur.

    Each right clip counts for the precision at its own rank, which makes the average precision of few clips too high. A
    clip that is drawn twice ranks beside itself, so that resamples are too high once more; the sample was found to be
    so by about twice as much (`bench/coverage.py`). The interval begins where the basic one does after a second
    correction, and so holds the mAP of very many clips; it ends where that of other samples of this size does.
    """
    truth, scores = answers.truth, answers.scores
    occurring = np.flatnonzero(truth.any(axis=0))
    one = np.ones((len(truth), 1))
    each = {int(n): float(average_precision(truth[:, n], scores[:, n], one)[0]) for n in occurring}
    groups = groups_of(answers.groups)
    design = Design("clips or groups", (Way(np.arange(len(truth)) if groups is None else groups),))
    values = []
    for _, weights in resamples.blocks(np.zeros(len(truth)), design):
        some = np.stack([average_precision(truth[:, n], scores[:, n], weights) for n in occurring])
        known = np.isfinite(some)  # a resample may hold no clip of a tag
        values.append(np.where(known, some, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))
    mean = float(np.mean(list(each.values())))
    rows = [
        ClassRow(label, int(truth[:, n].sum()), None, None, None, each.get(n), "")
        for n, label in enumerate(answers.labels)
    ]
    folds = np.array(answers.folds)
    by_fold = {}
    for name in dict.fromkeys(answers.folds):
        mine = folds == name
        mean_of = [average_precision(truth[mine, n], scores[mine, n], one[mine])[0] for n in occurring]
        by_fold[str(name)] = float(np.nanmean(mean_of))
    replicates = np.concatenate(values)
    bias = float(replicates.mean()) - mean
    basic = resamples.estimate(mean, 2 * mean - replicates - bias, SHARE, design=design)
    moved = resamples.estimate(mean, replicates - bias, SHARE, design=design)
    estimate = Estimate(mean, min(basic.low, moved.low), moved.high)
    return Figures("map", {"map": estimate}, by_fold, rows, drawn=drawn(answers.groups))


def drawn(groups: Sequence[str]) -> str:
    """What the intervals draw, in words."""
    numbers = groups_of(groups)
    if numbers is None:
        return f"{len(groups)} clips, taken as independent"
    return f"{int(numbers.max()) + 1} groups of clips that share a speaker or recording"


def average_precision(truth: Truth, scores: Numbers, weights: Numbers) -> Numbers:
    """The area under precision and recall, as a sum over thresholds, as scikit-learn's `average_precision_score`.

    Args:
        truth: (clips,), which ones have the tag.
        scores: (clips,), equal ones share a threshold.
        weights: (clips, resamples), how often each clip counts.

    Returns:
        (resamples,); NaN where no clip has the tag.
    """
    order = np.argsort(-scores, kind="stable")
    right = weights[order] * truth[order, None]
    taken, hits = np.cumsum(weights[order], axis=0), np.cumsum(right, axis=0)
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    taken, hits = taken[last], hits[last]
    gained = np.diff(hits, axis=0, prepend=0)
    precision = np.divide(hits, taken, out=np.zeros_like(hits), where=taken > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((precision * gained).sum(axis=0) / hits[-1])


def _of(metric: str, hits: Numbers, true: npt.NDArray[np.intp]) -> float:
    return float(
        hits.mean() if metric == "accuracy" else np.mean([hits[true == one].mean() for one in np.unique(true)])
    )


def _row(label: str, number: int, confusion: npt.NDArray[np.int64], labels: tuple[str, ...]) -> ClassRow:
    there, said, right = confusion[number].sum(), confusion[:, number].sum(), confusion[number, number]
    others = confusion[number].copy()
    others[number] = 0
    most = int(others.argmax())
    return ClassRow(
        label,
        int(there),
        recall=float(right / there) if there else None,
        precision=float(right / said) if said else None,
        f1=float(2 * right / (there + said)) if there + said else None,
        average_precision=None,
        taken_for=f"{labels[most]} ({others[most]})" if others[most] else "",
    )
