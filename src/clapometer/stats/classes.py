"""Predicted against true labels: accuracy, balanced accuracy, macro-F1, confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clapometer.errors import BadOption

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Figures:
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


def figures(true: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> Figures:
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
    return Figures(
        n=len(true),
        accuracy=float(hits.sum() / len(true)),
        balanced_accuracy=float((hits[occurring > 0] / occurring[occurring > 0]).mean()),
        macro_f1=float((2 * hits[either] / (occurring + named)[either]).mean()),
        labels=tuple(labels),
        confusion=confusion,
    )
