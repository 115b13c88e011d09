"""Tested clips that the model has learned from, left out of the metrics (`clapometer.seen`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clapometer.benchmark.data import Data, Heard
from clapometer.benchmark.splits import Plan
from clapometer.errors import BadOption
from clapometer.seen import Seen, exclusion, has_seen_text
from clapometer.tables.splits import TEST

FEWEST_UNSEEN = 10
"""Clips whose captions were all unseen, below which retrieval among them says nothing."""


@dataclass(frozen=True)
class Excluded:
    """What of a task a model has learned from.

    Attributes:
        reasons: why tested clips were left out, or would be, by their place, such as `audio:train` or
            `dataset:validation`.
        included: whether these clips are tested all the same.
        seen: the list of the model.
    """

    reasons: Mapping[int, str]
    included: bool
    seen: Seen

    @property
    def marks(self) -> bool:
        """Whether the metrics include clips that the model has learned from."""
        return self.included and bool(self.reasons)

    def as_record(self) -> dict[str, Any]:
        """What the record of a benchmark says of it."""
        return {
            **self.seen.as_record(),
            "excluded": dict(Counter(self.reasons.values())),
            "included": self.included,
        }


def by_dataset(data: Data, seen: Seen) -> dict[int, str]:
    """The tested clips whose fold or split is listed by the name of the data set, and why."""
    parts = {place: seen.dataset_part(data.task.name, data.turn(place)) for place in data.tested}
    return {place: f"dataset:{part}" for place, part in parts.items() if part not in (None, TEST)}


def by_content(data: Data, heard: Heard, seen: Seen) -> dict[int, str]:
    """The tested clips whose file, or one of whose captions with a rating, is listed, and why."""
    tested = set(data.tested)
    found = {}
    for place, digest in zip(heard.places, heard.digests, strict=True):
        if place in tested:
            texts = data.clips[place].labels if data.task.metric == "retrieval" else ("",)
            reasons = [exclusion(label) for label in seen.labels([digest] * len(texts), texts)]
            if any(reasons):
                found[place] = next(filter(None, reasons))
    return found


def unseen_texts(data: Data, heard: Heard, seen: Seen) -> tuple[int, ...]:
    """The places of clips none of whose captions was seen in training."""
    clips = [(place, data.clips[place].labels) for place in heard.places]
    return tuple(place for place, texts in clips if not any(map(has_seen_text, seen.labels([""] * len(texts), texts))))


def without(data: Data, plans: Sequence[Plan], places: Collection[int]) -> tuple[Data, tuple[Plan, ...]]:
    """A task without some tested clips; they can still be trained on.

    Raises:
        BadOption: none are left.
    """
    tested = [place for place in data.tested if place not in places]
    if not tested:
        raise BadOption(
            f"all {len(data.tested)} tested clips of {data.task.title} are training or validation data of the model; "
            "metrics on them say nothing about unseen data. Test other folds or clips, or take --include-seen"
        )
    turns = {data.turn(place) for place in tested}
    kept = [replace(plan, tested=[place for place in plan.tested if place not in places]) for plan in plans]
    folds = tuple(fold for fold in data.folds if fold in turns)
    return replace(data, tested=tested, folds=folds), tuple(plan for plan in kept if plan.tested)
