"""Predicted against true labels: accuracy, balanced accuracy, macro-F1 with intervals, confusion matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from clapometer.errors import BadOption
from clapometer.stats.bootstrap import SHARE, Design, Resamples, Way, pairs_drawn
from clapometer.stats.intervals import Estimate
from clapometer.types import FloatArray, IndexArray

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClassificationMetrics:
    """How well predicted labels agree with true ones."""

    n: int
    """Clips that have both."""
    accuracy: float
    """Share of the clips whose most probable label is the true one."""
    balanced_accuracy: float
    """Unweighted average recall (UAR): the mean recall of the labels that occur among the true ones."""
    macro_f1: float
    """Mean F1 of the labels that occur among the true or the predicted ones; a label never hit counts 0."""
    labels: tuple[str, ...]
    """Rows and columns of the confusion matrix."""
    confusion: Counts
    """(labels, labels): clips by true label (row) and predicted label (column)."""


def classification_metrics(
    true: Sequence[str], predicted: Sequence[str], labels: Sequence[str]
) -> ClassificationMetrics:
    """Agreement of predicted with true labels.

    As scikit-learn's `accuracy_score`, `balanced_accuracy_score` and `f1_score(average="macro", zero_division=0)`
    called without `labels`: a label that occurs neither among the true nor among the predicted ones counts nowhere.

    Args:
        true: one label a clip.
        predicted: one label a clip, in the same order.
        labels: all that may occur; rows and columns of the confusion matrix.

    Raises:
        BadOption: different lengths, no clips, or a label that is not among `labels`.
    """
    if len(true) != len(predicted) or not true:
        raise BadOption(f"{len(true)} true and {len(predicted)} predicted labels; give as many of both, at least one")
    place = {label: number for number, label in enumerate(labels)}
    unknown = sorted({*true, *predicted} - place.keys())
    if unknown:
        raise BadOption(f"labels that were not announced: {', '.join(map(repr, unknown))}; add them to `labels`")
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(confusion, ([place[label] for label in true], [place[label] for label in predicted]), 1)
    hits, occurring, named = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    either = (occurring + named) > 0
    return ClassificationMetrics(
        n=len(true),
        accuracy=float(hits.sum() / len(true)),
        balanced_accuracy=float((hits[occurring > 0] / occurring[occurring > 0]).mean()),
        macro_f1=float((2 * hits[either] / (occurring + named)[either]).mean()),
        labels=tuple(labels),
        confusion=confusion,
    )


@dataclass(frozen=True)
class ClassEstimates:
    """Metrics of predicted labels with their intervals."""

    accuracy: Estimate
    uar: Estimate
    """Unweighted average recall, the balanced accuracy."""
    macro_f1: Estimate


def class_estimates(
    true: IndexArray,
    predicted: IndexArray,
    resamples: Resamples,
    *,
    groups: IndexArray | None = None,
    folds: IndexArray | None = None,
) -> ClassEstimates:
    """Accuracy, UAR and macro-F1 with intervals.

    Clips on their own: Wilson's interval; that of macro-F1 is of the number of clips of which a share would vary as
    much as macro-F1 does over resampled clips.
    Groups, such as speakers: they are drawn with all their clips; fewer than 20 have Student's interval, fewer than 3
    none. An interval over groups is never narrower than if all clips were independent, which groups without any error
    would make it.

    Args:
        true: (clips,): the number of each true label.
        predicted: (clips,).
        resamples: of clips or groups.
        groups: (clips,): which group each clip is of, from 0 without gaps; None where clips are independent.
        folds: (clips,): the accuracy is the mean of those of the folds; None for one fold.
    """
    folds = np.zeros(len(true), np.int64) if folds is None else folds
    hits = (true == predicted).astype(np.float64)
    alone = [mean_of_shares(*_counted(hits, of), resamples.level) for of in (folds, true)]
    values = _metrics(true, predicted, folds, np.ones((len(true), 1)))[:, 0].tolist()

    def replicates(design: Design) -> FloatArray:
        blocks = resamples.blocks(np.zeros(len(true)), design)
        return np.concatenate([_metrics(true, predicted, folds, weights) for _, weights in blocks], axis=1)

    variance = float(replicates(pairs_drawn(len(true)))[2].var())
    if 0 < values[2] < 1 and variance > 0:
        clips = np.array([values[2] * (1 - values[2]) / variance])
        alone.append(mean_of_shares(values[2] * clips, clips, resamples.level))
    else:  # resamples of clips without any error have none either
        alone.append(replace(alone[1], value=values[2]))
    if groups is None:
        return ClassEstimates(*alone)
    design = Design("groups", (Way(groups),))
    drawn = zip(values, replicates(design), alone, strict=True)
    return ClassEstimates(
        *(widened(resamples.estimate(value, some, SHARE, design=design), one) for value, some, one in drawn)
    )


def mean_of_shares(hits: FloatArray, n: FloatArray, level: float) -> Estimate:
    """The mean of several shares, such as recalls, with Wilson's interval (1927, doi 10.1080/01621459.1927.10502953).

    Its number of clips is that of one share which varies as much as the mean does. For that, each share is drawn
    towards all of them by one clip, so that shares of 0 and 1 vary too.

    Args:
        hits: (shares,).
        n: (shares,), 1 or more each.
        level: of the interval.
    """
    z = float(stats.norm.isf((1 - level) / 2))
    value = float((hits / n).mean())
    overall = (value * n.sum() + z**2 / 2) / (n.sum() + z**2)
    likely = (hits + overall) / (n + 1)
    variance = float((likely * (1 - likely) / n).mean()) / len(n)
    clips = float(likely.mean() * (1 - likely.mean())) / variance
    middle = (value + z**2 / (2 * clips)) / (1 + z**2 / clips)
    half = z / (1 + z**2 / clips) * math.sqrt(value * (1 - value) / clips + z**2 / (4 * clips**2))
    # At 0 and 1 the bound is the value itself, but for the rounding.
    return Estimate(value, min(max(middle - half, 0.0), value), max(min(middle + half, 1.0), value))


def groups_of(names: Sequence[str]) -> IndexArray | None:
    """(clips,): the number of each clip's group; a clip without a name is one of its own. None where no two share one.

    Args:
        names: one per clip; empty where it has none.
    """
    named = [f"g{name}" if name else f"c{number}" for number, name in enumerate(names)]
    if len({*named}) == len(named):
        return None
    return np.unique(named, return_inverse=True)[1].reshape(-1).astype(np.int64)


def widened(one: Estimate, other: Estimate) -> Estimate:
    """The first, if it has an interval, with what both intervals hold."""
    if not one.has_interval:
        return one
    return Estimate(one.value, min(one.low, other.low), max(one.high, other.high))


def _counted(hits: FloatArray, of: IndexArray) -> tuple[FloatArray, FloatArray]:
    """Hits and clips of each fold, or of each class."""
    _, places = np.unique(of, return_inverse=True)
    clips = np.bincount(places.reshape(-1)).astype(np.float64)
    return np.bincount(places.reshape(-1), hits).astype(np.float64), clips


def _metrics(true: IndexArray, predicted: IndexArray, folds: IndexArray, weights: FloatArray) -> FloatArray:
    """(3, resamples): accuracy, UAR and macro-F1; what does not occur in a resample counts nowhere."""
    right = weights * (true == predicted)[:, None]
    of_fold, in_fold = _sums(right, folds), _sums(weights, folds)
    labels = int(max(true.max(), predicted.max())) + 1
    hit, there, said = _sums(right, true, labels), _sums(weights, true, labels), _sums(weights, predicted, labels)
    return np.stack([_mean(of_fold, in_fold), _mean(hit, there), _mean(2 * hit, there + said)])


def _sums(weights: FloatArray, of: IndexArray, number: int | None = None) -> FloatArray:
    """(number, resamples): the weights of each fold or label."""
    order = np.argsort(of, kind="stable")
    names, starts = np.unique(of[order], return_index=True)
    sums = np.zeros((int(of.max()) + 1 if number is None else number, weights.shape[1]))
    sums[names] = np.add.reduceat(weights[order], starts, axis=0)
    return sums


def _mean(above: FloatArray, below: FloatArray) -> FloatArray:
    """(resamples,): the mean of those quotients that there are."""
    known = below > 0
    quotients = np.divide(above, below, out=np.zeros_like(above), where=known)
    mean: FloatArray = quotients.sum(axis=0) / known.sum(axis=0)
    return mean
