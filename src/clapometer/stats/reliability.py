"""How far listeners agree with each other: one against the rest, and one half against the other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from clapometer.stats.agreement import ktau
from clapometer.stats.bootstrap import Estimate
from clapometer.stats.estimate import (
    Numbers,
    Places,
    alone,
    correlation,
    interval,
    levels,
    midranks,
    resampled,
    resamples_for,
)
from clapometer.stats.oneway import sums


@dataclass(frozen=True)
class AgainstRest:
    """A single rating against the mean of the other ratings of its pair, over all ratings that have such."""

    ratings: int
    """Ratings of pairs that have two or more."""
    srcc: Estimate
    lcc: Estimate
    ktau: float


@dataclass(frozen=True)
class SplitHalf:
    """The means of one half of each pair's ratings against those of the other half, over random halves."""

    pairs: int
    """Pairs with two or more ratings; of an odd number one half has one more."""
    srcc: Estimate
    lcc: Estimate
    srcc_corrected: Estimate
    """By Spearman and Brown, 2 r / (1 + r): as for means of all ratings of a pair. Made for Pearson's r, it is used
    for ranks as well."""
    lcc_corrected: Estimate


def against_rest(rating: Numbers, pair: Places, *, resamples: int | None = None, seed: int = 0) -> AgainstRest:
    """One listener against the mean of the others: what a scorer would get that is as good as one listener.

    All ratings of pairs with two or more are pooled, so that a pair counts as often as it was rated. NaN where there
    are none, or all are the same.

    Args:
        rating: (ratings,), finite.
        pair: (ratings,): the number of the pair, from 0 without gaps.
        resamples: how many resamples of the pairs for the intervals; default: by the size of the study. 0 for none.
        seed: of the resamples.
    """
    pairs = sums(rating, pair)
    several = (pairs.count > 1)[pair]
    if not several.any():
        return AgainstRest(0, alone(math.nan), alone(math.nan), math.nan)
    own, unit = np.asarray(rating, np.float64)[several], pair[several]
    # From the sum and not from the mean: of whole numbers it is exact, so that ties stay ties.
    rest = (np.bincount(pair, rating)[unit] - own) / (pairs.count[unit] - 1)
    own_level, rest_level = levels(own), levels(rest)

    def both(weights: Numbers) -> tuple[float, float]:
        ranked = correlation(midranks(own_level, weights), midranks(rest_level, weights), weights)
        return ranked, correlation(own, rest, weights)

    value = both(np.ones(len(own)))
    wanted = resamples_for(len(own)) if resamples is None else resamples
    blocks = resampled(len(pairs.count), wanted, np.random.default_rng(seed))
    draws = np.array([both(weights[unit]) for block in blocks for weights in block.T]).reshape(-1, 2)
    order = ktau(own_level.astype(np.float64), rest_level.astype(np.float64))
    return AgainstRest(len(own), interval(value[0], draws[:, 0]), interval(value[1], draws[:, 1]), order)


def split_half(rating: Numbers, pair: Places, *, splits: int | None = None, seed: int = 0) -> SplitHalf:
    """Halves of the listeners of each pair against each other.

    Each split deals the ratings of each pair out anew. The value is the mean over splits; the interval comes from as
    many resamples of the pairs, each with halves of its own, so that it holds the chance of both.

    Args:
        rating: (ratings,), finite.
        pair: (ratings,): the number of the pair, from 0 without gaps.
        splits: how many; default: by the size of the study.
        seed: of the splits.
    """
    pairs = sums(rating, pair)
    several = np.flatnonzero(pairs.count > 1)
    if not len(several):
        nothing = alone(math.nan)
        return SplitHalf(0, nothing, nothing, nothing, nothing)
    chosen = (pairs.count > 1)[pair]
    values = np.asarray(rating, np.float64)[chosen]
    unit = np.unique(pair[chosen], return_inverse=True)[1].reshape(-1).astype(np.int64)
    rng = np.random.default_rng(seed)
    wanted = max(20, resamples_for(len(values)) // 2) if splits is None else splits
    plain, drawn = np.empty((wanted, 2)), np.empty((wanted, 2))
    number = 0
    for block in resampled(len(several), wanted, rng):
        for weights in block.T:
            halves = _halves(values, unit, pairs.count[several].astype(np.int64), rng)
            places = levels(halves[0]), levels(halves[1])
            for into, each in ((plain, np.ones(len(several))), (drawn, weights)):
                into[number] = (
                    correlation(midranks(places[0], each), midranks(places[1], each), each),
                    correlation(halves[0], halves[1], each),
                )
            number += 1
    value = plain.mean(axis=0)
    srcc, lcc_ = (interval(float(value[column]), drawn[:, column]) for column in (0, 1))
    return SplitHalf(len(several), srcc, lcc_, _longer(srcc), _longer(lcc_))


def spearman_brown(r: float, times: float = 2) -> float:
    """The reliability of a test that is some times as long: times r / (1 + (times - 1) r). NaN where r is too low."""
    below = 1 + (times - 1) * r
    return times * r / below if below > 0 else math.nan


def _longer(r: Estimate) -> Estimate:
    return Estimate(spearman_brown(r.value), spearman_brown(r.low), spearman_brown(r.high))


def _halves(values: Numbers, unit: Places, count: Places, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    """Means of two random halves of each unit; which one gets the odd rating is chance too."""
    order = np.argsort(unit + rng.random(len(unit)))
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    size = (count + rng.integers(2, size=len(count))) // 2
    # `unit + random` lies between unit and unit + 1, so that the order keeps the units together.
    ordered = unit[order]
    mine = np.arange(len(unit)) - first[ordered] < size[ordered]
    one = np.bincount(ordered[mine], values[order][mine], minlength=len(count)) / size
    other = np.bincount(ordered[~mine], values[order][~mine], minlength=len(count)) / (count - size)
    return one, other
