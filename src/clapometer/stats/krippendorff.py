"""Krippendorff's alpha for interval and ordinal ratings, with missing ones.

Formulas: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), sections D and E. Two of its sums are done
in closed form here:

- Interval: the sum of squared differences over the ordered pairs of the m ratings of a unit is 2 m times their sum of
  squares around the mean, so that no table of coincidences is needed.
- Ordinal: its difference, the number of ratings from c to k less half of those at both ends, is the difference of the
  middle ranks of c and k. So the ordinal alpha is the interval alpha of the middle ranks of all pairable ratings.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from clapometer.errors import BadOption
from clapometer.stats.bootstrap import Estimate
from clapometer.stats.estimate import Numbers, Places, alone, interval, levels, midranks, resampled, resamples_for
from clapometer.stats.oneway import sums

Level = Literal["interval", "ordinal"]


def alpha(
    rating: Numbers, pair: Places, *, level: Level = "interval", resamples: int | None = None, seed: int = 0
) -> Estimate:
    """Krippendorff's alpha: 1 - observed / expected disagreement.

    1 is full agreement, 0 what chance gives, below 0 less than chance. Pairs with one rating are left out, as the
    definition has it. NaN where nothing can be said: no pair with two ratings, or all of them the same.

    Args:
        rating: (ratings,), finite.
        pair: (ratings,): the number of the pair, from 0 without gaps.
        level: `interval` where differences count, `ordinal` where only the order does.
        resamples: how many resamples of the pairs for the interval; default: by the size of the study. 0 for none.
        seed: of the resamples.

    Raises:
        BadOption: an unknown level, or input as in `oneway.sums`.
    """
    if level not in ("interval", "ordinal"):
        raise BadOption(f"level {level!r}: there are interval and ordinal")
    count = sums(rating, pair).count
    pairable = (count > 1)[pair]
    if not pairable.any():
        return alone(math.nan)
    values = np.asarray(rating, np.float64)[pairable]
    unit = np.unique(pair[pairable], return_inverse=True)[1].reshape(-1).astype(np.int64)
    places = levels(values)
    units = int(unit.max()) + 1
    value = _alpha(values, places, unit, np.ones(units), level)
    wanted = resamples_for(len(values)) if resamples is None else resamples
    blocks = resampled(units, wanted, np.random.default_rng(seed))
    draws = [_alpha(values, places, unit, weights, level) for block in blocks for weights in block.T]
    return interval(value, np.array(draws))


def _alpha(values: Numbers, places: Places, unit: Places, weights: Numbers, level: Level) -> float:
    each = weights[unit]
    scaled = values if level == "interval" else midranks(places, each)
    n = each.sum()
    scaled = scaled - (each @ scaled) / n
    count = np.bincount(unit)
    within = np.bincount(unit, scaled**2) - np.bincount(unit, scaled) ** 2 / count
    observed = float(weights @ (count * within / (count - 1)) / n)
    expected = float(each @ scaled**2 / (n - 1))
    return 1 - observed / expected if expected > 1e-13 * max(1.0, float(np.abs(values).max())) ** 2 else math.nan
