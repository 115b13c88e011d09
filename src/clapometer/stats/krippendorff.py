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
from clapometer.stats.agreement import ranks, settled
from clapometer.stats.intervals import Estimate, alone, f_limits
from clapometer.stats.variance_components import Variances, inflation, variances
from clapometer.types import FloatArray, IndexArray

Level = Literal["interval", "ordinal"]


def alpha(
    rating: FloatArray, pair: IndexArray, listener: IndexArray | None = None, *, level: Level = "interval"
) -> Estimate:
    """Krippendorff's alpha: 1 - observed / expected disagreement.

    1 is full agreement, 0 what chance gives, below 0 less than chance. Pairs with one rating are left out, as the
    definition has it. NaN where nothing can be said: no pair with two ratings, or all of them the same.

    Args:
        rating: (ratings,), finite.
        pair: (ratings,): the number of the pair, from 0 without gaps.
        listener: (ratings,): the number of the listener, from 0 without gaps, so that the interval includes the chance
            of who listened; None where that is unknown.
        level: `interval` where differences count, `ordinal` where only the order does.

    Raises:
        BadOption: an unknown level, or input as in `variances`.
    """
    return alpha_of(variances(rating, pair, listener), rating, pair, level=level)


def alpha_of(found: Variances, rating: FloatArray, pair: IndexArray, *, level: Level = "interval") -> Estimate:
    """The same with the variance components of these ratings, from which the interval comes."""
    if level not in ("interval", "ordinal"):
        raise BadOption(f"level {level!r}: there are interval and ordinal")
    pairable = (found.pairs.count > 1)[pair]
    if not pairable.any():
        return alone(math.nan)
    values = np.asarray(rating, np.float64)[pairable]
    unit = np.unique(pair[pairable], return_inverse=True)[1].reshape(-1).astype(np.int64)
    units = int(unit.max()) + 1
    value = _alpha(values, unit, level)
    return alone(value) if math.isnan(value) or units < 2 else _by_f(value, len(values), units, found)


def _by_f(value: float, ratings: int, units: int, found: Variances) -> Estimate:
    """The F interval of the intraclass correlation, carried over.

    Of a balanced one-way design with mean squares' ratio F, 1 - alpha = (N - 1) / ((units - 1) F + N - units), and an
    unbalanced one is taken for balanced.
    """
    if value >= 1:
        return Estimate(value, value, value)
    within, (ratio, _) = ratings - units, inflation(found)
    f = ((ratings - 1) / (1 - value) - within) / (units - 1)
    limits = f_limits((units - 1) / ratio, found.absolute_df / ratio)
    low, high = (1 - (ratings - 1) / ((units - 1) * f / limit + within) for limit in limits)
    return Estimate(value, low, high)


def _alpha(values: FloatArray, unit: IndexArray, level: Level) -> float:
    scaled = values if level == "interval" else ranks(settled(values))
    n = len(values)
    size = float(np.abs(scaled).max())
    scaled = scaled / size if size > 0 else scaled  # squares of very large ratings would not be numbers
    scaled = scaled - scaled.mean()
    count = np.bincount(unit)
    within = np.bincount(unit, scaled**2) - np.bincount(unit, scaled) ** 2 / count
    observed = float((count * within / (count - 1)).sum() / n)
    expected = float(scaled @ scaled / (n - 1))
    return 1 - observed / expected if expected > 1e-13 else math.nan
