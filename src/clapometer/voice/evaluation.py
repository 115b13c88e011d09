"""How well labels of speech are told: figures whose intervals are of other speakers, and splits that share none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clapometer.errors import BadOption
from clapometer.stats.bootstrap import Estimate, Numbers, Resamples
from clapometer.stats.classes import Figures, figures

SHOWN = 10
"""Names that a message lists."""


@dataclass(frozen=True)
class SpeechFigures:
    """How well predicted labels agree with true ones, and what other speakers would have given."""

    figures: Figures
    accuracy: Estimate
    uar: Estimate
    """Unweighted average recall: the mean of the recalls of the classes."""
    speakers: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "n": self.figures.n,
            "speakers": self.speakers,
            **{
                name: {"value": round(one.value, 6), "low": round(one.low, 6), "high": round(one.high, 6)}
                for name, one in (("uar", self.uar), ("accuracy", self.accuracy))
            },
            "confusion": {"labels": list(self.figures.labels), "true_by_predicted": self.figures.confusion.tolist()},
        }


def figures_of(
    true: Sequence[str],
    predicted: Sequence[str],
    speakers: Sequence[str],
    labels: Sequence[str],
    resamples: Resamples | None = None,
) -> SpeechFigures:
    """UAR and accuracy, with intervals by drawing speakers, with replacement, and all their clips with them.

    Clips of one speaker are alike, so that an interval that drew clips would promise too much of other speakers. A
    resample without any clip of a class has the mean of the recalls of the others.

    Args:
        true: one label a clip.
        predicted: one label a clip.
        speakers: who speaks in each clip.
        labels: all that may occur.
        resamples: how many, and of which seed and level.

    Returns:
        The figures; their intervals are NaN where there is one speaker only.

    Raises:
        BadOption: different lengths, no clips, a speaker without a name, or a label that is not among `labels`.
    """
    found = figures(true, predicted, labels)
    if len(speakers) != len(true) or not all(speaker.strip() for speaker in speakers):
        raise BadOption(
            f"{len(speakers)} speakers for {len(true)} clips, or one without a name; name each clip's speaker"
        )
    resamples = resamples or Resamples()
    who, of = np.unique(np.asarray(speakers), return_inverse=True)
    place = {label: number for number, label in enumerate(labels)}
    # (speakers, true, predicted): a resample is a weighted sum of these.
    counts = np.zeros((len(who), len(labels), len(labels)))
    rows, columns = (np.array([place[one] for one in some]) for some in (true, predicted))
    np.add.at(counts, (of, rows, columns), 1)
    if len(who) < 2:
        nan = float("nan")
        alone = [Estimate(value, nan, nan) for value in (found.accuracy, found.balanced_accuracy)]
        return SpeechFigures(found, alone[0], alone[1], len(who))
    drawn = np.random.default_rng(resamples.seed).multinomial(len(who), [1 / len(who)] * len(who), resamples.number)
    tables = np.einsum("rs,stp->rtp", drawn.astype(np.float64), counts)
    accuracy, uar = _accuracy(tables), _uar(tables)
    return SpeechFigures(
        found,
        resamples.estimate(found.accuracy, accuracy),
        resamples.estimate(found.balanced_accuracy, uar),
        len(who),
    )


def check_apart(one: Sequence[str], other: Sequence[str], what: str = "speaker") -> None:
    """Refuse two parts of a corpus that share a speaker: what is learned of a voice would pass for what is learned.

    Raises:
        BadOption: some stand in both; they are named.
    """
    shared = sorted({*one} & {*other})
    if shared:
        more = f" and {len(shared) - SHOWN} more" if len(shared) > SHOWN else ""
        raise BadOption(
            f"{len(shared)} {what}{'s' * (len(shared) > 1)} in both parts ({', '.join(shared[:SHOWN])}{more}); "
            f"split by {what}, never by clip"
        )


def speaker_folds(speakers: Sequence[str], folds: int) -> list[int]:
    """A fold for each clip, all clips of a speaker in one, and the folds about equally large.

    The speakers with the most clips are placed first, each into the fold that is smallest by then; nothing is random.

    Args:
        speakers: who speaks in each clip.
        folds: how many, 2 or more; as many as speakers leaves one speaker out at a time.

    Raises:
        BadOption: fewer than two folds, or fewer speakers than folds.
    """
    often = Counter(speakers)
    if not 2 <= folds <= len(often):
        raise BadOption(
            f"{folds} folds of {len(often)} speakers: there must be 2 folds or more, and a speaker for each"
        )
    sizes, fold_of = [0] * folds, dict[str, int]()
    for speaker, clips in sorted(often.items(), key=lambda item: (-item[1], item[0])):
        fold_of[speaker] = sizes.index(min(sizes))
        sizes[fold_of[speaker]] += clips
    return [fold_of[speaker] for speaker in speakers]


def _accuracy(tables: Numbers) -> Numbers:
    return np.asarray(np.trace(tables, axis1=1, axis2=2) / tables.sum(axis=(1, 2)))


def _uar(tables: Numbers) -> Numbers:
    hits, occurring = np.diagonal(tables, axis1=1, axis2=2), tables.sum(axis=2)
    recalls = np.where(occurring > 0, hits / np.maximum(occurring, 1), 0.0)
    return np.asarray(recalls.sum(axis=1) / (occurring > 0).sum(axis=1))
