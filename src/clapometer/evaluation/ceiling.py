"""What a perfect predictor could reach, given how far listeners differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clapometer.evaluation.groups import SYSTEM, Group
from clapometer.evaluation.result import ALL, CEILING, WITHIN, Row
from clapometer.stats.agreement import METRICS
from clapometer.stats.bootstrap import Estimate
from clapometer.stats.ceiling import Ceiling, noise_ceiling
from clapometer.tables.ratings import Ratings

FEWEST = 10
"""Pairs with two or more ratings, below which nothing is said about the listeners' noise."""


def ceilings(ratings: Ratings, groups: Sequence[Group]) -> tuple[Row, ...]:
    """Ceilings of SRCC, LCC and KTAU and the floor of the MSE on 0..1, as rows of a predictor.

    Args:
        ratings: those of the evaluated pairs.
        groups: each gets its own, where enough of its pairs were rated twice; from those of all systems comes the
            ceiling within systems, weighted by pairs as the metrics within systems are. Only all pairs have intervals.
    """
    overall = Group(ALL, "", np.arange(len(ratings.pairs)))
    rows = [row for group in (overall, *groups) if (row := _row(ratings, group)) is not None]
    systems = [row for row in rows if row.breakdown == SYSTEM]
    if systems and len(systems) == sum(group.breakdown == SYSTEM for group in groups):
        sizes = [row.n for row in systems]
        means = {
            metric: _alone(float(np.average([getattr(row, metric).value for row in systems], weights=sizes)))
            for metric in METRICS
        }
        rows.append(Row(CEILING, WITHIN, "", sum(sizes), **means))
    return tuple(rows)


def overall_ceiling(ratings: Ratings, *, intervals: bool = True) -> Ceiling | None:
    """The ceiling of all pairs, with the design that was found; None where fewer than 10 pairs have two ratings."""
    if (ratings.pairs.count > 1).sum() < FEWEST:
        return None
    ordered = ratings.sorted()  # draws must not depend on the order of rows
    who = ordered.listeners[0] if ordered.has_listeners else None
    return noise_ceiling(ordered.target, ordered.pairs.index, who, intervals=intervals)


def _row(ratings: Ratings, group: Group) -> Row | None:
    chosen = np.zeros(len(ratings.pairs), bool)
    chosen[group.pairs] = True
    found = overall_ceiling(ratings.take(chosen[ratings.pairs.index]), intervals=group.breakdown == ALL)
    if found is None:
        return None
    return Row(CEILING, group.breakdown, group.name, len(group.pairs), found.srcc, found.lcc, found.ktau, found.mse)


def _alone(value: float) -> Estimate:
    return Estimate(value, float("nan"), float("nan"))
