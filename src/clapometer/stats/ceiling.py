"""The noise ceiling: what a scorer that knows the true mean of each pair would get against ratings with their noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clapometer.stats.intervals import Estimate, alone, f_limits, student
from clapometer.stats.variance_components import Design, Variances, inflation, predicted_levels, variances
from clapometer.types import FloatArray, IndexArray

if TYPE_CHECKING:
    from clapometer.stats.latent import Mixture, Model

_FITTED = 10_000
"""Ratings, about, that are enough for the ceilings of SRCC and KTAU; larger studies are represented by some pairs."""
_RESAMPLES = 40
_DRAWN_AT_ENDS = 4_000


@dataclass(frozen=True)
class Ceiling:
    """The best that agreement with these mean ratings can be."""

    pairs: int
    """All of them."""
    several: int
    """Those with two or more ratings, which alone tell of the noise."""
    design: Design
    """How listeners and pairs meet, as found in the ratings."""
    srcc: Estimate
    lcc: Estimate
    ktau: Estimate
    mse: Estimate
    """The mean squared error that is left; in the square of the unit in which ratings were given."""


def noise_ceiling(
    rating: FloatArray,
    pair: IndexArray,
    listener: IndexArray | None = None,
    *,
    found: Variances | None = None,
    intervals: bool = True,
    seed: int = 0,
) -> Ceiling:
    """The ceiling of SRCC, LCC and KTAU, and the floor of MSE, against the mean ratings of pairs.

    LCC and MSE are in closed form, from the variance components of the design, whatever the distributions are. Where
    listeners overlap between pairs, a level that all pairs share moves no correlation: with s the variance of the
    pairs' true means and r that of the errors of mean ratings relative to each other, LCC = sqrt(s / (s + r)) (for a
    crossed design the root of ICC(C,k), corrected for its bias where pairs are few). MSE is the mean squared error
    itself, levels included. SRCC and KTAU come from a model of the panel (`latent`).

    Pairs with one rating count: their mean is noisier than that of others, and the ceiling for it. NaN where no pair
    has two ratings. Where pairs do not differ by more than noise, the ceilings of correlations are 0; where that
    cannot be excluded, their intervals begin at 0.

    Args:
        rating: (ratings,), finite.
        pair: (ratings,): the number of the pair, from 0 without gaps.
        listener: (ratings,): the number of the listener, from 0 without gaps; None where that is unknown.
        found: the variance components of these ratings, where they have been computed.
        intervals: whether to compute 95 % confidence intervals.
        seed: of the draws from the model.
    """
    found = found or variances(rating, pair, listener)
    count = found.pairs.count
    rating = np.asarray(rating, np.float64)
    lcc, mse = _linear(found, float(np.ptp(rating)) ** 2, intervals)
    order, tau = _order(rating, pair, listener, found, lcc, seed)
    return Ceiling(len(count), int((count > 1).sum()), found.design, order, lcc, tau, mse)


def _linear(found: Variances, most: float, intervals: bool) -> tuple[Estimate, Estimate]:
    """LCC, and MSE up to the most that it can be."""
    if math.isnan(found.absolute) or found.observed <= 0:
        return alone(math.nan), alone(found.absolute)
    share, df = found.relative / found.observed, found.pairs_df
    # The mean of 1 / F is df / (df - 2) times its true value.
    value = _root(1 - share * (max(df - 2, 1) / df))
    if not intervals:
        return alone(value), alone(found.absolute)
    between, within = inflation(found)
    upper, lower = f_limits(found.pairs_df / between, found.relative_df / between)
    lcc = Estimate(value, _root(1 - share * upper), _root(1 - share * lower))
    mse = _sum_of_squares(found, within)
    return lcc, Estimate(mse.value, mse.low, min(mse.high, most))


def _sum_of_squares(found: Variances, within: float) -> Estimate:
    """The interval of a weighted sum of mean squares by Graybill and Wang (JASA 1980), which holds for few
    listeners.
    """
    below = above = 0.0
    for part, df in ((found.absolute_levels, found.levels_df), (found.absolute_rest, found.residual_df / within)):
        if part > 0:
            most, least = f_limits(math.inf, df)
            below += (part * (1 - least)) ** 2
            above += (part * (most - 1)) ** 2
    return Estimate(found.absolute, found.absolute - math.sqrt(below), found.absolute + math.sqrt(above))


def _root(reliability: float) -> float:
    return math.sqrt(max(0.0, reliability))


def _order(
    rating: FloatArray, pair: IndexArray, listener: IndexArray | None, found: Variances, lcc: Estimate, seed: int
) -> tuple[Estimate, Estimate]:
    """SRCC and KTAU at the reliability that was found. Their intervals join two sources of chance: which pairs were
    drawn, and how well the noise is known.
    """
    if math.isnan(lcc.value):
        return alone(math.nan), alone(math.nan)
    level = np.zeros(len(rating))
    noise = found.residual
    if found.listener > 0 and listener is not None:
        levels, error = predicted_levels(found, rating, pair, listener)
        level, noise = levels[listener], noise + error
    order = np.argsort(pair, kind="stable")
    rating, pair, level = rating[order], np.asarray(pair)[order], level[order]
    if len(rating) > _FITTED:
        pairs = len(found.pairs.count)
        chosen = np.zeros(pairs, bool)
        chosen[np.random.default_rng(seed).choice(pairs, max(1, pairs * _FITTED // len(rating)), replace=False)] = True
        kept = chosen[pair]
        rating, level = rating[kept], level[kept]
        pair = np.cumsum(np.append(0, np.diff(pair[kept]) > 0))
    from clapometer.stats.latent import Panel, fitted

    def model(lcc: float, start: Mixture | None = None) -> Model:
        scaled = noise * (1 - lcc**2) * found.observed / found.relative
        return fitted(Panel(rating, pair, level, scaled), start)

    rng = np.random.default_rng(seed)
    extremes = {0.0: (0.0, 0.0), 1.0: (1.0, 1.0)}
    ends, halves = (lcc.low, lcc.high), np.zeros(2)
    if lcc.value in extremes:
        value, start = extremes[lcc.value], None
    else:
        own = model(lcc.value)
        value, start = own.order(rng), own.mixture
        # Where 0 cannot be excluded, the reliability's interval is wide enough.
        if lcc.low > 0:
            halves = own.errors(_RESAMPLES, rng) * student(found.pairs_df)
            most, least = f_limits(math.inf, found.relative_df / inflation(found)[1])
            ends = _root(1 - (1 - lcc.value**2) * most), _root(1 - (1 - lcc.value**2) * least)
    if math.isnan(lcc.low):
        return alone(value[0]), alone(value[1])
    low, high = (extremes.get(end) or model(end, start).order(rng, drawn=_DRAWN_AT_ENDS) for end in ends)
    srcc, ktau = (_interval(value[each], low[each], high[each], float(halves[each])) for each in (0, 1))
    return srcc, ktau


def _interval(value: float, low: float, high: float, half: float) -> Estimate:
    """From two independent sources of chance: one reaches from low to high, the other half an interval to both sides on
    Fisher's z, where their squares add up (Zou and Donner 2008, doi 10.1002/sim.3095).
    """
    if half == 0:
        return Estimate(value, min(value, low), max(value, high))
    z, below, above = (math.atanh(min(each, 1 - 1e-12)) for each in (value, low, high))
    below, above = z - math.hypot(max(z - below, 0), half), z + math.hypot(max(above - z, 0), half)
    return Estimate(value, max(0.0, min(value, math.tanh(below))), max(value, math.tanh(above)))
