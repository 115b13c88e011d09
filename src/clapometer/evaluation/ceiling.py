"""What a perfect predictor could reach, given how far listeners differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clapometer.evaluation.groups import Group
from clapometer.stats.bootstrap import Estimate
from clapometer.stats.ceiling import noise_ceiling
from clapometer.tables.ratings import Ratings

OVERALL = ""
RESAMPLES = 300
"""For the interval of the overall ceiling; groups have none, which would take minutes."""
FEWEST = 20
"""Pairs with two or more ratings, below which nothing is said about the listeners' noise."""


def ceilings(ratings: Ratings, groups: Sequence[Group]) -> dict[str, dict[str, Estimate]]:
    """Ceilings of SRCC, LCC and KTAU and the floor of the MSE, on 0..1, by name of the group; all pairs as ``""``.

    Args:
        ratings: those of the evaluated pairs.
        groups: each gets its own, where enough of its pairs were rated twice.
    """
    pairs = ratings.pairs
    found = {}
    for name, members in ((OVERALL, np.arange(len(pairs))), *((group.name, group.pairs) for group in groups)):
        if (pairs.count[members] > 1).sum() < FEWEST:
            continue
        place = np.full(len(pairs), -1)
        place[members] = np.arange(len(members))
        inside = place[pairs.index] >= 0
        ceiling = noise_ceiling(
            ratings.target[inside], place[pairs.index[inside]], resamples=RESAMPLES if name == OVERALL else 0
        )
        found[name] = {"srcc": ceiling.srcc, "lcc": ceiling.lcc, "ktau": ceiling.ktau, "mse": ceiling.mse}
    return found
