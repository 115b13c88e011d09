"""How much of the spread of ratings lies between pairs, and how much between the listeners of one pair.

The model is the one-way random one: rating = mean of its pair + noise, where the noise holds the listener's habits as
well, because the listeners of one pair are others than those of the next. The design may be unbalanced, and pairs with
a single rating count: they say something of the spread between pairs, and nothing of the noise.

Formulas: Searle, Casella and McCulloch, Variance Components (1992), section 3.6 (analysis-of-variance estimators).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from clapometer.errors import BadOption
from clapometer.stats.bootstrap import Estimate
from clapometer.stats.estimate import Numbers, Places, alone, interval, resampled, resamples_for


@dataclass(frozen=True, eq=False)
class PairSums:
    """What the components need of each pair."""

    count: Numbers
    """(pairs,): ratings."""
    mean: Numbers
    """(pairs,)"""
    within: Numbers
    """(pairs,): sum of squared differences from the pair's mean."""


@dataclass(frozen=True, eq=False)
class Components:
    """Variance components of a study, or of many resamples of it: each an array (resamples,)."""

    between: Numbers
    """Mean square between pairs."""
    noise: Numbers
    """Mean square within pairs: the variance of a single rating around its pair's true mean."""
    k: Numbers
    """Ratings a pair, as an unbalanced design counts them: (N - sum n_i^2 / N) / (pairs - 1)."""
    inverse: Numbers
    """Mean of 1 / n_i."""

    @property
    def signal(self) -> Numbers:
        """Variance of the pairs' true means: (between - noise) / k; below 0 where chance has it so."""
        return (self.between - self.noise) / self.k

    @property
    def single(self) -> Numbers:
        """ICC(1): the share of the variance of a single rating that is the pair's."""
        return self.signal / (self.signal + self.noise)

    @property
    def mean(self) -> Numbers:
        """ICC(k): the same of the mean of k ratings, 1 - noise / between."""
        return 1 - self.noise / self.between

    @property
    def irreducible(self) -> Numbers:
        """Mean squared difference of the pairs' mean ratings from their true means: noise * mean(1 / n_i)."""
        return self.noise * self.inverse

    @property
    def ceiling(self) -> Numbers:
        """Correlation of the true means with the mean ratings: sqrt(signal / (signal + irreducible))."""
        signal = np.where(self.signal < 0, 0.0, self.signal)
        return np.sqrt(signal / (signal + self.irreducible))


@dataclass(frozen=True)
class Icc:
    """Intraclass correlations of a one-way design (Shrout and Fleiss 1979: ICC(1,1) and ICC(1,k))."""

    single: Estimate
    """Of one rating."""
    mean: Estimate
    """Of the mean of k ratings."""
    k: float
    """The k of the unbalanced design."""


def sums(rating: Numbers, pair: Places) -> PairSums:
    """Count, mean and inner spread of each pair.

    Args:
        rating: (ratings,), finite.
        pair: (ratings,): the number of the pair, from 0 without gaps.

    Raises:
        BadOption: shapes that do not fit, no ratings, ratings that are not finite, or numbers of pairs with gaps.
    """
    rating, pair = np.asarray(rating, np.float64), np.asarray(pair)
    if rating.ndim != 1 or rating.shape != pair.shape or not len(rating):
        raise BadOption(f"{rating.shape} ratings and {pair.shape} numbers of pairs; give one of each, at least one")
    if not np.isfinite(rating).all():
        raise BadOption("some ratings are not finite; leave them out")
    count = np.bincount(pair).astype(np.float64)
    if not count.all():
        raise BadOption("pairs must be numbered from 0 without gaps; number them anew")
    mean = np.bincount(pair, rating) / count
    within = np.bincount(pair, (rating - mean[pair]) ** 2).astype(np.float64)
    # Of equal ratings the mean may be off by a rounding; that is no spread.
    within[within < 1e-20 * np.maximum(1, mean**2) * count] = 0
    return PairSums(count, mean, within)


def components(pairs: PairSums, weights: Numbers | None = None) -> Components:
    """Variance components; NaN where they cannot be told (one pair, no pair with two ratings).

    Args:
        pairs: the sums of each pair.
        weights: (pairs, resamples): how often each pair was drawn; None for the study itself, as one resample.
    """
    n, m = pairs.count, pairs.mean - pairs.mean.mean()
    each = np.stack([np.ones_like(n), n, n**2, n * m, n * m**2, pairs.within, 1 / n])
    total = each.sum(axis=1, keepdims=True) if weights is None else each @ weights
    a, ratings, squares, first, second, within, inverse = total
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (second - first**2 / ratings) / (a - 1)
        noise = np.where(ratings > a, within / (ratings - a), math.nan)
        k = (ratings - squares / ratings) / (a - 1)
        # What is left of equal numbers after subtraction is no variance.
        between = np.where(between < 1e-13 * (second / ratings), 0.0, between)
        return Components(np.asarray(between), np.asarray(noise), np.asarray(k), np.asarray(inverse / a))


def icc(rating: Numbers, pair: Places, *, resamples: int | None = None, seed: int = 0) -> Icc:
    """ICC(1) and ICC(k), with intervals from resampled pairs.

    k is that of the unbalanced design, (N - sum n_i^2 / N) / (pairs - 1), a little below the mean number of ratings.
    Both may be below 0, when the ratings of a pair differ more than chance has it; that is left as it is. NaN where no
    pair has two ratings, or all ratings are the same.

    Args:
        rating: (ratings,).
        pair: (ratings,): the number of the pair, from 0 without gaps.
        resamples: how many; default: by the size of the study. 0 for no intervals.
        seed: of the resamples.
    """
    pairs = sums(rating, pair)
    own = components(pairs)
    drawn = [own] if resamples == 0 else drawn_components(pairs, resamples, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        single, mean = float(own.single[0]), float(own.mean[0])
        singles, means = np.concatenate([each.single for each in drawn]), np.concatenate([each.mean for each in drawn])
    if resamples == 0:
        return Icc(alone(single), alone(mean), float(own.k[0]))
    return Icc(interval(single, singles), interval(mean, means), float(own.k[0]))


def drawn_components(pairs: PairSums, resamples: int | None, seed: int) -> list[Components]:
    """The components of resampled pairs, in blocks; the same resamples for the same seed."""
    wanted = resamples_for(int(pairs.count.sum())) if resamples is None else resamples
    rng = np.random.default_rng(seed)
    return [components(pairs, weights) for weights in resampled(len(pairs.count), wanted, rng)]
