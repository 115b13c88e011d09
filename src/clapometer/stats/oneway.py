"""How much of the spread of ratings lies between pairs, and how much between the ratings of one pair.

The model is the one-way random one: rating = mean of its pair + noise, where the noise holds the listener's level as
well, because the listeners of one pair are others than those of the next. The design may be unbalanced, and pairs with
a single rating count: they say something of the spread between pairs, and nothing of the noise.

Formulas: Searle, Casella and McCulloch, Variance Components (1992), section 3.6 (analysis-of-variance estimators).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from clapometer.errors import BadOption
from clapometer.types import FloatArray, IndexArray


@dataclass(frozen=True, eq=False)
class PairSums:
    """What the components need of each pair."""

    count: FloatArray
    """(pairs,): ratings."""
    mean: FloatArray
    """(pairs,)"""
    within: FloatArray
    """(pairs,): sum of squared differences from the pair's mean."""


@dataclass(frozen=True)
class Components:
    """Variance components of a one-way design; NaN where they cannot be estimated."""

    between: float
    """Mean square between pairs."""
    noise: float
    """Mean square within pairs: the variance of a single rating around its pair's true mean."""
    k: float
    """Ratings per pair, as an unbalanced design counts them: (N - sum n_i^2 / N) / (pairs - 1)."""
    inverse: float
    """Mean of 1 / n_i."""

    @property
    def signal(self) -> float:
        """Variance of the pairs' true means: (between - noise) / k; below 0 where chance has it so."""
        return (self.between - self.noise) / self.k

    @property
    def irreducible(self) -> float:
        """Mean squared difference of the pairs' mean ratings from their true means: noise * mean(1 / n_i)."""
        return self.noise * self.inverse


def sums(rating: FloatArray, pair: IndexArray) -> PairSums:
    """Count, mean and inner spread of each pair.

    Args:
        rating: (ratings,), finite.
        pair: (ratings,): the number of the pair, from 0 without gaps.

    Raises:
        BadOption: shapes that do not match, no ratings, ratings that are not finite, or numbers of pairs with gaps.
    """
    rating, pair = np.asarray(rating, np.float64), np.asarray(pair)
    if rating.ndim != 1 or rating.shape != pair.shape or not len(rating):
        raise BadOption(f"{rating.shape} ratings and {pair.shape} numbers of pairs; give one of each, at least one")
    if not np.isfinite(rating).all():
        raise BadOption("some ratings are not finite; leave them out")
    count = np.bincount(pair).astype(np.float64)
    if not count.all():
        raise BadOption("pairs must be numbered from 0 without gaps; renumber them")
    mean = np.bincount(pair, rating) / count
    within = np.bincount(pair, (rating - mean[pair]) ** 2).astype(np.float64)
    # Of equal ratings the mean may be off by a rounding; that is no spread.
    within[within < 1e-20 * np.maximum(1, mean**2) * count] = 0
    return PairSums(count, mean, within)


def components(pairs: PairSums) -> Components:
    """Variance components; NaN where they cannot be estimated (one pair, no pair with two ratings)."""
    n, m = pairs.count, pairs.mean - pairs.mean.mean()
    a, ratings = len(n), float(n.sum())
    inverse = float((1 / n).mean())
    if a < 2 or ratings <= a:
        return Components(math.nan, math.nan, math.nan, inverse)
    second = float(n @ m**2)
    between = (second - float(n @ m) ** 2 / ratings) / (a - 1)
    # What is left of equal numbers after subtraction is no variance.
    between = 0.0 if between < 1e-13 * (second / ratings) else between
    k = (ratings - float(n @ n) / ratings) / (a - 1)
    return Components(between, float(pairs.within.sum()) / (ratings - a), k, inverse)
