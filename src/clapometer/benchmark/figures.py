"""Accuracy, mean recall and mean average precision with intervals, and the table of the classes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clapometer.benchmark.result import Answers, ClassRow, Figures, Numbers, Truth
from clapometer.stats.bootstrap import Estimate, Resamples
from clapometer.stats.classes import figures as class_figures

RESAMPLES = Resamples(number=1000)
"""Of clips. Those that a class has by chance vary with them."""


def classified(answers: Answers, metric: str, resamples: Resamples = RESAMPLES) -> Figures:
    """Figures of a task whose clips have one class each.

    The accuracy is the mean of those of the folds, as it is published of tasks with folds; UAR is taken over all clips.
    """
    truth = answers.truth
    true, predicted = truth.argmax(axis=1), answers.scores.argmax(axis=1)
    hits = (true == predicted).astype(np.float64)
    folds = np.array(answers.folds)
    names = list(dict.fromkeys(answers.folds))
    values: dict[str, list[Numbers]] = {"accuracy": [], "uar": []}
    for _, weights in resamples.blocks(np.zeros(len(hits))):
        values["accuracy"].append(_fold_means(hits, weights, folds, names))
        values["uar"].append(_mean_recall(hits, true, weights))
    one = np.ones((len(hits), 1))
    estimates = {
        "accuracy": resamples.estimate(_fold_means(hits, one, folds, names)[0], np.concatenate(values["accuracy"])),
        "uar": resamples.estimate(_mean_recall(hits, true, one)[0], np.concatenate(values["uar"])),
    }
    labels = answers.labels
    found = class_figures([labels[n] for n in true], [labels[n] for n in predicted], labels)
    estimates["macro_f1"] = Estimate(found.macro_f1, float("nan"), float("nan"))
    by_fold = {name: _of(metric, hits[folds == name], true[folds == name]) for name in names}
    rows = [_row(label, number, found.confusion, labels) for number, label in enumerate(labels)]
    return Figures(metric, estimates, by_fold, rows, found.confusion)


def tagged(answers: Answers, resamples: Resamples = RESAMPLES) -> Figures:
    """Figures of a task whose clips have several tags: the mean average precision of those that occur."""
    truth, scores = answers.truth, answers.scores
    occurring = np.flatnonzero(truth.any(axis=0))
    one = np.ones((len(truth), 1))
    each = {int(n): float(average_precision(truth[:, n], scores[:, n], one)[0]) for n in occurring}
    values = []
    for _, weights in resamples.blocks(np.zeros(len(truth))):
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
    return Figures("map", {"map": resamples.estimate(mean, np.concatenate(values))}, by_fold, rows)


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


def _fold_means(hits: Numbers, weights: Numbers, folds: npt.NDArray[np.str_], names: list[str]) -> Numbers:
    """(resamples,): the mean of the accuracies of the folds."""
    means = []
    for name in names:
        mine = weights[folds == name]
        with np.errstate(invalid="ignore"):
            means.append((hits[folds == name] @ mine) / mine.sum(axis=0))
    return np.asarray(np.mean(means, axis=0))


def _mean_recall(hits: Numbers, true: npt.NDArray[np.intp], weights: Numbers) -> Numbers:
    """(resamples,): the mean recall of the classes that occur."""
    classes = np.unique(true)
    members = (true[None] == classes[:, None]).astype(np.float64)
    there = members @ weights
    with np.errstate(invalid="ignore"):
        recalls = (members * hits) @ weights / there
    known = there > 0
    return np.asarray(np.where(known, recalls, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def _of(metric: str, hits: Numbers, true: npt.NDArray[np.intp]) -> float:
    return float(hits.mean() if metric == "accuracy" else _mean_recall(hits, true, np.ones((len(hits), 1)))[0])


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
