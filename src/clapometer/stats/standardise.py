"""Ratings without the listeners' habits: each listener's own mean and spread are taken out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from clapometer.stats.variance_components import predicted_levels, variances
from clapometer.types import FloatArray, IndexArray

FEWEST_RATINGS = 8
"""Ratings per listener below which taking out means and spreads adds more noise than it removes."""
_CHANCE = 0.001
"""How often listeners who were dealt pairs by chance are taken for listeners who were not."""


@dataclass(frozen=True, eq=False)
class Standardised:
    """Ratings as distances from their listener's mean, in his or her standard deviations."""

    z: FloatArray
    """(ratings,); NaN for listeners without a spread: a single rating, or always the same."""
    listener_mean: FloatArray
    """(listeners,)"""
    listener_sd: FloatArray
    """(listeners,): with n - 1; NaN where there is none."""
    mean: float
    """Mean of the listeners' means, for the way back to the scale: mean + sd * z."""
    sd: float
    """Root of the mean of the listeners' variances."""


def standardise(rating: FloatArray, listener: IndexArray) -> Standardised:
    """Standardise ratings listener by listener, as SPO-CLAPScore (Takano et al. 2026) has its targets.

    Unlike there, where they get a standard deviation of 1, listeners without a spread have no standardised ratings and
    no part in `mean` and `sd`: what always says the same says nothing of a pair.

    It assumes that listeners rated pairs of equal merit on average. Where one got the worse half of the pairs, that is
    taken out with the habits: prefer it for designs in which pairs were dealt out at random.

    Args:
        rating: (ratings,), finite.
        listener: (ratings,): the number of the listener, from 0 without gaps.
    """
    count = np.bincount(listener).astype(np.float64)
    mean = np.bincount(listener, rating) / count
    squares = np.bincount(listener, (rating - mean[listener]) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        sd = np.sqrt(squares / (count - 1))
    sd[~(sd > 1e-12 * np.maximum(1, np.abs(mean)))] = math.nan
    spread = ~np.isnan(sd)
    if not spread.any():
        return Standardised(np.full(len(rating), math.nan), mean, sd, math.nan, math.nan)
    own = float(mean[spread].mean())
    return Standardised(
        (rating - mean[listener]) / sd[listener], mean, sd, own, math.sqrt(float((sd[spread] ** 2).mean()))
    )


def doubts(rating: FloatArray, pair: IndexArray, listener: IndexArray) -> list[str]:
    """Why these ratings should rather not be standardised, in sentences; empty where nothing speaks against it.

    Few ratings per listener make a noisy mean and spread. And where listeners rated pairs of different quality, which
    differ by more than dealing pairs out by chance gives, standardising takes that difference out with their levels.
    What a listener's pairs are worth is judged by their mean ratings without the levels of who rated them; where
    nobody else rated these pairs, quality and level cannot be separated. (One-way analysis of variance, F test.)

    Args:
        rating: (ratings,), finite.
        pair: (ratings,): the number of the pair, from 0 without gaps.
        listener: (ratings,): the number of the listener, from 0 without gaps.
    """
    from scipy.special import fdtrc

    found = []
    median = float(np.median(np.bincount(listener)))
    if median < FEWEST_RATINGS:
        found.append(
            f"half of the listeners gave {median:g} ratings or fewer; below {FEWEST_RATINGS}, standardising adds more "
            "noise than it removes"
        )
    left = rating - predicted_levels(variances(rating, pair, listener), rating, pair, listener)[0][listener]
    values = (np.bincount(pair, left) / np.bincount(pair))[pair]
    size = np.bincount(listener).astype(np.float64)
    groups, total = len(size), len(values)
    if groups > 1 and total > groups:
        means = np.bincount(listener, values) / size
        between = float(size @ (means - values.mean()) ** 2) / (groups - 1)
        within = float(((values - means[listener]) ** 2).sum()) / (total - groups)
        if within == 0 < between or (within > 0 and fdtrc(groups - 1, total - groups, between / within) < _CHANCE):
            found.append(
                "listeners rated pairs of different quality, more so than chance gives; standardising takes that "
                "difference out with their levels"
            )
    return found
