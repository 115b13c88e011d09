"""Classification metrics whose intervals resample groups such as speakers, and splits without shared groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clapometer.errors import BadOption
from clapometer.stats.bootstrap import Resamples
from clapometer.stats.classes import ClassificationMetrics, class_estimates, classification_metrics
from clapometer.stats.intervals import Estimate

SHOWN = 10
"""Names that a message lists."""


@dataclass(frozen=True)
class GroupedMetrics:
    """How well predicted labels agree with true ones, and what other speakers would have given."""

    values: ClassificationMetrics
    accuracy: Estimate
    uar: Estimate
    """Unweighted average recall: the mean of the recalls of the classes."""
    macro_f1: Estimate
    speakers: int | None
    """How many were drawn with all their clips; None where the clips were taken as independent."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "n": self.values.n,
            "speakers": self.speakers,
            **{
                name: {"value": round(one.value, 6), "low": round(one.low, 6), "high": round(one.high, 6)}
                for name, one in (("uar", self.uar), ("accuracy", self.accuracy), ("macro_f1", self.macro_f1))
            },
            "confusion": {"labels": list(self.values.labels), "true_by_predicted": self.values.confusion.tolist()},
        }


def grouped_metrics(
    true: Sequence[str],
    predicted: Sequence[str],
    speakers: Sequence[str] | None,
    labels: Sequence[str],
    resamples: Resamples | None = None,
) -> GroupedMetrics:
    """UAR, accuracy and macro-F1 with intervals over speakers, drawn with all their clips, as `class_estimates`.

    Clips of one speaker are alike, so that an interval that drew clips would promise too much of other speakers.

    Args:
        true: one label per clip.
        predicted: one label per clip.
        speakers: who speaks in each clip; None takes all clips as independent.
        labels: all that may occur.
        resamples: how many, and of which seed and level.

    Returns:
        The metrics; their intervals are NaN where there are fewer than three speakers, and Student's below twenty.

    Raises:
        BadOption: different lengths, no clips, a speaker without a name, or a label that is not among `labels`.
    """
    found = classification_metrics(true, predicted, labels)
    if speakers is not None and (len(speakers) != len(true) or not all(speaker.strip() for speaker in speakers)):
        raise BadOption(
            f"{len(speakers)} speakers for {len(true)} clips, or one without a name; name each clip's speaker"
        )
    who, of = (None, None) if speakers is None else np.unique(np.asarray(speakers), return_inverse=True)
    place = {label: number for number, label in enumerate(labels)}
    rows, columns = (np.array([place[one] for one in some]) for some in (true, predicted))
    estimates = class_estimates(
        rows, columns, resamples or Resamples(), groups=None if of is None else of.reshape(-1).astype(np.int64)
    )
    number = None if who is None else len(who)
    return GroupedMetrics(found, estimates.accuracy, estimates.uar, estimates.macro_f1, number)


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
