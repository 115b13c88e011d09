"""What a perfect predictor could reach, given how far listeners differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clapometer.evaluation.groups import SYSTEM, Group
from clapometer.evaluation.result import ALL, CEILING, WITHIN, Row
from clapometer.stats.agreement import METRICS
from clapometer.stats.bootstrap import Estimate
from clapometer.stats.ceiling import noise_ceiling
from clapometer.tables.ratings import Ratings

RESAMPLES = 300
"""For the interval of the overall ceiling; groups have none, which would take minutes."""
FEWEST = 20
"""Pairs with two or more ratings, below which nothing is said about the listeners' noise."""


def ceilings(ratings: Ratings, groups: Sequence[Group]) -> tuple[Row, ...]:
    """Ceilings of SRCC, LCC and KTAU and the floor of the MSE on 0..1, as rows of a predictor.

    Args:
        ratings: those of the evaluated pairs.
        groups: each gets its own, where enough of its pairs were rated twice; from those of all systems comes the
            ceiling within systems, weighted by pairs as the figures within systems are.
    """
    overall = Group(ALL, "", np.arange(len(ratings.pairs)))
    rows = [row for group in (overall, *groups) if (row := _ceiling(ratings, group)) is not None]
    systems = [row for row in rows if row.breakdown == SYSTEM]
    if systems and len(systems) == sum(group.breakdown == SYSTEM for group in groups):
        sizes = [row.n for row in systems]
        means = {
            metric: _alone(float(np.average([getattr(row, metric).value for row in systems], weights=sizes)))
            for metric in METRICS
        }
        rows.append(Row(CEILING, WITHIN, "", sum(sizes), **means))
    return tuple(rows)


def _ceiling(ratings: Ratings, group: Group) -> Row | None:
    pairs = ratings.pairs
    if (pairs.count[group.pairs] > 1).sum() < FEWEST:
        return None
    place = np.full(len(pairs), -1)
    place[group.pairs] = np.arange(len(group.pairs))
    inside = place[pairs.index] >= 0
    found = noise_ceiling(
        ratings.target[inside], place[pairs.index[inside]], resamples=RESAMPLES if group.breakdown == ALL else 0
    )
    return Row(CEILING, group.breakdown, group.name, len(group.pairs), found.srcc, found.lcc, found.ktau, found.mse)


def _alone(value: float) -> Estimate:
    return Estimate(value, float("nan"), float("nan"))
