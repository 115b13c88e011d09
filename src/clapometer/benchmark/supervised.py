"""Heads on frozen vectors: settings chosen on validation parts, figures on test parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from clapometer.benchmark.data import Data, Heard
from clapometer.benchmark.linear import PENALTIES, Linear
from clapometer.benchmark.metrics import classified, tagged
from clapometer.benchmark.mlp import Mlp, Settings, choices
from clapometer.benchmark.result import Answers, Numbers
from clapometer.benchmark.splits import Plan
from clapometer.errors import BadOption
from clapometer.stats.bootstrap import Resamples

QUICK = Resamples(number=100)
"""Validation needs the figure and not its interval."""


@dataclass(frozen=True)
class Part:
    """Clips of one part of a turn with what they are."""

    vectors: Numbers
    """(clips, dimension)."""
    truth: Numbers
    """(clips, labels), 1 where a clip has a label."""
    places: list[int]


def part_of(data: Data, heard: Heard, places: Sequence[int]) -> Part:
    """The readable ones of some clips.

    Raises:
        BadOption: there are none.
    """
    kept, vectors = heard.of(places)
    if not kept:
        raise BadOption(f"{data.folder.root}: none of {len(places)} clips that are needed can be read")
    answers = Answers([data.clips[place] for place in kept], data.labels, np.zeros((0, 0)), [])
    return Part(vectors.astype(np.float64), answers.truth.astype(np.float64), kept)


def figure_of(data: Data, part: Part, scores: Numbers) -> float:
    """The task's metric of a part, all folds together."""
    answers = Answers([data.clips[place] for place in part.places], data.labels, scores, ["all"] * len(part.places))
    if data.task.metric == "map":
        return float(tagged(answers, QUICK).value.value)
    return float(classified(answers, data.task.metric, QUICK).value.value)


def linear_probe(data: Data, plan: Plan, heard: Heard) -> tuple[Numbers, list[int], dict[str, Any]]:
    """Logits of the tested clips, their places, and what was chosen.

    The penalty is the one with the best figure on the validation part, the strongest of equal ones; the regression is
    then fitted to training and validation part together.
    """
    tags = data.task.metric == "map"
    train, held, tested = (part_of(data, heard, some) for some in (plan.train, plan.validation, plan.tested))
    figures: dict[float, float] = {}
    fit: Linear | None = None
    for penalty in PENALTIES:
        fit = Linear(train.vectors, train.truth, penalty, tags=tags, start=fit)
        figures[penalty] = figure_of(data, held, fit.scores(held.vectors))
    best = max(PENALTIES, key=lambda penalty: (figures[penalty], penalty))
    both = part_of(data, heard, [*plan.train, *plan.validation])
    whole = Linear(both.vectors, both.truth, best, tags=tags)
    chosen = {"penalty": best, "validation": {f"{penalty:g}": round(value, 6) for penalty, value in figures.items()}}
    return whole.scores(tested.vectors), tested.places, chosen


def mlp_head(data: Data, plan: Plan, heard: Heard, seed: int) -> tuple[Numbers, list[int], dict[str, Any]]:
    """As `linear_probe`; rate, decay and number of epochs are those that are best on the validation part."""
    tags = data.task.metric == "map"
    train, held, tested = (part_of(data, heard, some) for some in (plan.train, plan.validation, plan.tested))

    def validate(head: Mlp) -> float:
        return figure_of(data, held, head.scores(held.vectors))

    tried = [
        (settings, Mlp(train.vectors, train.truth, settings, tags=tags, seed=seed, validate=validate))
        for settings in choices()
    ]
    settings, head = max(tried, key=lambda one: one[1].figure)  # the first of equal ones
    best = Settings(settings.rate, settings.decay, head.epochs)
    both = part_of(data, heard, [*plan.train, *plan.validation])
    whole = Mlp(both.vectors, both.truth, best, tags=tags, seed=seed)
    figures = {f"rate {one.rate:g}, decay {one.decay:g}": round(head.figure, 6) for one, head in tried}
    return whole.scores(tested.vectors), tested.places, {**asdict(best), "validation": figures}
