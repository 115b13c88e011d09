"""The noise ceiling: what a scorer that knows the true mean of each pair would get against ratings with their noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from clapometer.stats.agreement import ktau, srcc
from clapometer.stats.bootstrap import Estimate
from clapometer.stats.estimate import Numbers, Places, interval
from clapometer.stats.oneway import components, drawn_components, sums

_FITTED = 10_000
"""As many pairs are enough to fit the model of the panel; larger studies are represented by so many of theirs."""
_DRAWN = 20_000
"""Pairs that are drawn from the model for the figure itself."""
_REFITTED = 40
"""Bootstrap samples to which the model is fitted again, each with an eighth of the drawn pairs."""


@dataclass(frozen=True)
class Ceiling:
    """The best that agreement with these mean ratings can be."""

    pairs: int
    """All of them."""
    several: int
    """Those with two or more ratings, which alone tell of the noise."""
    srcc: Estimate
    lcc: Estimate
    ktau: Estimate
    mse: Estimate
    """The mean squared error that is left; in the square of the unit in which ratings were given."""


def noise_ceiling(rating: Numbers, pair: Places, *, resamples: int | None = None, seed: int = 0) -> Ceiling:
    """The ceiling of SRCC, LCC and KTAU, and the floor of MSE, against the mean ratings of pairs.

    LCC and MSE are in closed form, from the variance components of the one-way design (`oneway`), whatever the
    distributions are: with the noise variance of a single rating v, the variance of the true means s and n_i ratings of
    pair i, MSE = mean(v / n_i) and LCC = sqrt(s / (s + MSE)). SRCC and KTAU are those of true and observed means of
    panels that are drawn from a model of this one (`latent`), and their intervals come from fitting it again to
    resampled pairs.

    Pairs with one rating count: their mean is noisier than that of others, and the ceiling for it. NaN where no pair
    has two ratings. Where pairs do not differ by more than noise, LCC is 0.

    The listeners' habits are part of the noise, so that the ceiling is that of means over a few listeners as they come,
    and the resamples take pairs to be independent, which is nearly so where each listener rated few of many pairs.

    Args:
        rating: (ratings,), finite.
        pair: (ratings,): the number of the pair, from 0 without gaps.
        resamples: how many resamples of the pairs for the intervals of LCC and MSE; default: by the size of the study.
            0 for no intervals at all.
        seed: of the resamples and the drawn panels.
    """
    pairs = sums(rating, pair)
    own = components(pairs)
    drawn = [] if resamples == 0 else drawn_components(pairs, resamples, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        lcc, mse = (
            interval(
                float(getattr(own, name)[0]),
                np.concatenate([np.zeros(0), *[getattr(each, name) for each in drawn]]),
            )
            for name in ("ceiling", "irreducible")
        )
    rating, count = np.asarray(rating, np.float64), pairs.count.astype(np.int64)
    order, tau = _of_order(rating, pair, count, 0 if resamples == 0 else _REFITTED, seed)
    return Ceiling(len(count), int((count > 1).sum()), order, lcc, tau, mse)


def _of_order(rating: Numbers, pair: Places, count: Places, refits: int, seed: int) -> tuple[Estimate, Estimate]:
    """SRCC and KTAU between true and observed means of panels like this one."""
    from clapometer.stats.latent import Panel, fit  # scipy.optimize, whose import takes a while

    rng = np.random.default_rng(seed)
    if len(count) > _FITTED:
        chosen = np.sort(rng.choice(len(count), _FITTED, replace=False))
        place = np.full(len(count), -1)
        place[chosen] = np.arange(_FITTED)
        kept = place[pair] >= 0
        rating, pair, count = rating[kept], place[pair[kept]], count[chosen]
    panel = fit(rating, pair)
    if panel is None:
        return interval(math.nan, np.zeros(0)), interval(math.nan, np.zeros(0))

    def figures(panel: Panel, pairs: int) -> tuple[float, float]:
        # As many with one rating, two and so on as there are; the same chance for each, so that only the models differ.
        counts = np.sort(count)[np.linspace(0, len(count) - 1, pairs).round().astype(np.int64)]
        true, observed = panel.drawn(counts, np.random.default_rng(seed))
        return srcc(true, observed), ktau(true, observed)

    value = figures(panel, _DRAWN)
    draws = np.array([figures(panel.redrawn(rng), _DRAWN // 8) for _ in range(refits)]).reshape(-1, 2)
    order, tau = (_within(interval(value[number], draws[:, number])) for number in (0, 1))
    return order, tau


def _within(found: Estimate) -> Estimate:
    """An interval of what lies between 0 and 1."""
    low, high = (float(np.clip(end, 0, 1)) for end in (found.low, found.high))
    return Estimate(found.value, low, high)
