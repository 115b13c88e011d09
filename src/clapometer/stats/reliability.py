"""How far listeners agree with each other: one against the rest, and one half against the other.

Where listeners rated many of the same pairs, listeners are compared: each with the mean of the others on his or her
pairs, and one half of the listeners with the other half. A listener's level then moves no correlation. Where they did
not, as when every pair has other listeners, the ratings of each pair are dealt out by chance instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clapometer.stats.agreement import ktau, settled
from clapometer.stats.bootstrap import draws
from clapometer.stats.intervals import Estimate, alone, fisher_interval
from clapometer.stats.variance_components import sums
from clapometer.stats.weighted import weighted_correlations
from clapometer.types import FloatArray, IndexArray

_ENOUGH_PAIRS = 20
"""Pairs on which a listener can be compared with the others: below, rank correlations are biased towards 0."""
_FEWEST_PAIRS = 3


@dataclass(frozen=True)
class AgainstRest:
    """Single ratings against the mean of the other ratings of their pairs."""

    ratings: int
    """Ratings of pairs that have two or more."""
    listeners: int | None
    """Listeners that were compared with the others, each on his or her own pairs: metrics are means over them. None
    where all ratings were pooled instead."""
    srcc: Estimate
    lcc: Estimate
    ktau: float


@dataclass(frozen=True)
class SplitHalf:
    """The mean ratings of one half of the listeners against those of the other half, over random halves."""

    pairs: int
    """Pairs with two or more ratings."""
    of_listeners: bool
    """Whether listeners were split; else the ratings of each pair were."""
    srcc: Estimate
    lcc: Estimate
    srcc_corrected: Estimate
    """By Spearman and Brown, 2 r / (1 + r): as for means of all ratings of a pair. Made for Pearson's r, it is used
    for ranks as well. NaN where r is not positive."""
    lcc_corrected: Estimate


def against_rest(
    rating: FloatArray, pair: IndexArray, listener: IndexArray | None = None, *, seed: int = 0
) -> AgainstRest:
    """One listener against the mean of the others: what a scorer would get that is as good as one listener.

    Where most ratings come from listeners who share 20 pairs with others, or half of all pairs, correlations are
    computed for each listener and averaged. Else all ratings of pairs with two or more are pooled, so that a pair
    counts as often as it was rated, and listeners' levels count as noise. NaN where there are none, or all are the
    same.

    Args:
        rating: (ratings,), finite.
        pair: (ratings,): the number of the pair, from 0 without gaps.
        listener: (ratings,): the number of the listener, from 0 without gaps; None where that is unknown.
        seed: of the resamples of pairs, from which the 95 % confidence intervals come.
    """
    pairs = sums(rating, pair)
    several = (pairs.count > 1)[pair]
    if not several.any():
        return AgainstRest(0, None, alone(math.nan), alone(math.nan), math.nan)
    own, unit = np.asarray(rating, np.float64)[several], pair[several]
    # From the sum and not from the mean: of whole numbers it is exact, so that ties stay ties.
    rest = (np.bincount(pair, rating)[unit] - own) / (pairs.count[unit] - 1)
    compared = _compared(unit, None if listener is None else listener[several])
    groups = [np.arange(len(own))] if compared is None else compared
    parts = [_Both(own[group], rest[group], unit[group]) for group in groups]
    value = _known_means([part.correlations(np.ones((len(part.unit), 1))) for part in parts])[:, 0]
    blocks = draws(np.random.default_rng(seed), len(pairs.count), _resamples(len(own)))
    drawn = np.hstack([_known_means([part.correlations(block[part.unit]) for part in parts]) for block in blocks])
    tau = float(_known_means([np.array(part.ktau()) for part in parts]))
    return AgainstRest(
        len(own),
        None if compared is None else len(compared),
        fisher_interval(float(value[0]), drawn[0]),
        fisher_interval(float(value[1]), drawn[1]),
        tau,
    )


def split_half(
    rating: FloatArray,
    pair: IndexArray,
    listener: IndexArray | None = None,
    *,
    splits: int | None = None,
    seed: int = 0,
) -> SplitHalf:
    """One half of the listeners against the other.

    Listeners are split under the same condition as they are compared in `against_rest`; a pair that has ratings from
    one half only does not count in that split. Else each split divides the ratings of each pair at random. The value is
    the mean over splits. The 95 % confidence interval comes from as many resamples of the pairs, each with halves of
    its own, on Fisher's z; the variance between splits, which the mean does not have, is taken off.

    Args:
        rating: (ratings,), finite.
        pair: (ratings,): the number of the pair, from 0 without gaps.
        listener: (ratings,): the number of the listener, from 0 without gaps; None where that is unknown.
        splits: how many; default: by the size of the study.
        seed: of the splits.
    """
    pairs = sums(rating, pair)
    several = np.flatnonzero(pairs.count > 1)
    if not len(several):
        nothing = alone(math.nan)
        return SplitHalf(0, False, nothing, nothing, nothing, nothing)
    chosen = (pairs.count > 1)[pair]
    values = np.asarray(rating, np.float64)[chosen]
    unit = np.unique(pair[chosen], return_inverse=True)[1].reshape(-1).astype(np.int64)
    who = None if listener is None else np.unique(listener[chosen], return_inverse=True)[1].reshape(-1)
    of_listeners = _compared(unit, who) is not None
    halves: Callable[[np.random.Generator], tuple[FloatArray, FloatArray]] = (
        _HalvesOfPairs(values, unit) if who is None or not of_listeners else _HalvesOfListeners(values, unit, who)
    )
    rng = np.random.default_rng(seed)
    wanted = _resamples(len(values)) if splits is None else splits
    found = []  # (splits) of (SRCC and LCC, of all pairs and of resampled ones)
    for block in draws(rng, len(several), wanted):
        for weights in block.T:
            one, other = halves(rng)
            known = np.flatnonzero(np.isfinite(one) & np.isfinite(other))
            both = _Both(one[known], other[known], known)
            found.append(both.correlations(np.stack([np.ones(len(known)), weights[known]], axis=1)))
    plain, drawn = np.moveaxis(np.array(found), 2, 0)
    value = _known_means(found)[:, 0]
    srcc, lcc = (fisher_interval(float(value[number]), drawn[:, number], without=plain[:, number]) for number in (0, 1))
    return SplitHalf(len(several), of_listeners, srcc, lcc, _longer(srcc), _longer(lcc))


def spearman_brown(r: float, times: float = 2) -> float:
    """The reliability of a test that is some times as long: times r / (1 + (times - 1) r). NaN where r is not positive:
    the formula is that of parallel halves, which do not correlate negatively.
    """
    return times * r / (1 + (times - 1) * r) if r > 0 else math.nan


def _longer(r: Estimate) -> Estimate:
    """With bounds from -1: a half of the interval may be negative where the value is not."""
    value = spearman_brown(r.value)
    if math.isnan(value):
        return alone(math.nan)
    low, high = (max(-1.0, 2 * end / (1 + end)) if end > -1 else -1.0 for end in (r.low, r.high))
    return Estimate(value, low, high)


def _resamples(ratings: int) -> int:
    """Enough for a standard deviation; of a large study fewer are as good."""
    return int(np.clip(4_000_000 // max(ratings, 1), 20, 300))


def _compared(unit: IndexArray, listener: IndexArray | None) -> list[IndexArray] | None:
    """The ratings of each listener who can be compared with the others; None where most ratings are of none such.

    Args:
        unit: (ratings,): the number of the pair, of pairs with two ratings or more.
        listener: (ratings,): who rated.
    """
    if listener is None:
        return None
    shared = np.bincount(listener)
    enough = max(_FEWEST_PAIRS, min(_ENOUGH_PAIRS, np.count_nonzero(np.bincount(unit)) / 2))
    able = shared >= enough
    if shared[able].sum() < len(listener) / 2:
        return None
    order = np.argsort(listener, kind="stable")
    ends = np.cumsum(shared)
    return [order[end - size : end] for end, size, is_able in zip(ends, shared, able, strict=True) if is_able]


class _Both:
    """Two numbers of each of some ratings or pairs."""

    def __init__(self, one: FloatArray, other: FloatArray, unit: IndexArray) -> None:
        self.one, self.other, self.unit = settled(one), settled(other), unit

    def correlations(self, weights: FloatArray) -> FloatArray:
        """(2, resamples): SRCC and LCC for (ratings, resamples) weights."""
        return weighted_correlations(self.one, self.other, weights)

    def ktau(self) -> float:
        return ktau(self.one, self.other)


def _known_means(found: list[FloatArray]) -> FloatArray:
    """The mean over the list, NaN left out; NaN where all are."""
    stacked = np.stack(found)
    known = np.isfinite(stacked)
    with np.errstate(invalid="ignore"):
        means: FloatArray = np.where(known, stacked, 0).sum(axis=0) / known.sum(axis=0)
    return means


class _HalvesOfPairs:
    """Means of two random halves of each pair's ratings; which one gets the odd rating is chance too."""

    def __init__(self, values: FloatArray, unit: IndexArray) -> None:
        self._values, self._unit, self._count = values, unit, np.bincount(unit)

    def __call__(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        count, unit = self._count, self._unit
        order = np.argsort(unit + rng.random(len(unit)))
        first = np.concatenate([[0], np.cumsum(count)[:-1]])
        size = (count + rng.integers(2, size=len(count))) // 2
        # `unit + random` lies between unit and unit + 1, so that the order keeps the units together.
        ordered, values = unit[order], self._values[order]
        mine = np.arange(len(unit)) - first[ordered] < size[ordered]
        one = np.bincount(ordered[mine], values[mine], minlength=len(count)) / size
        other = np.bincount(ordered[~mine], values[~mine], minlength=len(count)) / (count - size)
        return one, other


class _HalvesOfListeners:
    """Means of the ratings of two random halves of the listeners; NaN where a half has not rated a pair."""

    def __init__(self, values: FloatArray, unit: IndexArray, listener: IndexArray) -> None:
        self._values, self._unit, self._listener = values, unit, listener
        self._pairs, self._listeners = int(unit.max()) + 1, int(listener.max()) + 1

    def __call__(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        order = rng.permutation(self._listeners)
        mine = (order < (self._listeners + rng.integers(2)) // 2)[self._listener]
        return self._means(mine), self._means(~mine)

    def _means(self, which: npt.NDArray[np.bool_]) -> FloatArray:
        unit = self._unit[which]
        with np.errstate(invalid="ignore"):
            means: FloatArray = np.bincount(unit, self._values[which], minlength=self._pairs) / np.bincount(
                unit, minlength=self._pairs
            )
        return means
