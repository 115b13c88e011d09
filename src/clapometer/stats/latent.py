"""Rank correlation of true and observed mean ratings, from a model of the panel.

Formulas for variances give the linear correlation; the rank correlations depend on the shapes of distributions as well:
on pairs that crowd at an end of the scale, on two peaks. The model is a hidden quality of each pair, normal noise, and
a scale on which what is perceived is rounded and clipped. The qualities have a mixture of up to three normal
distributions, chosen by AIC (Akaike 1974) and fitted by maximum likelihood with the EM algorithm (Dempster, Laird and
Rubin 1977) on a grid, and the noise is as large as the variance components of the ratings say. True means are then
drawn from their posterior distribution, given each pair's ratings, and correlated with the very means that were
observed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from clapometer.stats.agreement import ktau, ranks
from clapometer.types import FloatArray, IndexArray

MOST_LEVELS = 41
"""A scale on which more different ratings occur is taken for a continuous one."""
MOST_COMPONENTS = 3
_DRAWN = 12_000
"""Pairs of true and observed mean that are drawn, in as many draws as that takes, but 4 at least and 200 at most."""
_RESAMPLED = 4_000
"""The same of each resample, with 40 draws at most."""
_COMPARED = 400
"""Pairs of which every two are compared."""
_LARGE = 1_000
"""As many pairs are resampled at most; the error of more is computed from theirs."""
_ROUNDS = 5
"""In which the noise before clipping is found at most."""
_STEPS = 200
"""Of the EM algorithm, at most: where there is hardly a signal it does not settle, and need not."""
_LEAST = 1e-12
"""Probability of a rating, at least, so that a single slip does not decide on its pair."""
_ALIKE = 0.5
"""Pairs that the assumption of equal variances of the components counts as much as; without it some would shrink to
points, and with much of it a peak at the end of the scale would be blurred."""
Mixture = tuple[FloatArray, FloatArray, FloatArray]
"""Weights, centres and variances of the components, (components,) each."""


@dataclass(frozen=True, eq=False)
class Panel:
    """Ratings that the model is fitted to."""

    rating: FloatArray
    """(ratings,), in the order of their pairs."""
    pair: IndexArray
    """(ratings,): the number of the pair, from 0 without gaps, rising."""
    level: FloatArray
    """(ratings,): what is known of the listener's level, as a difference from the mean."""
    noise: float
    """Variance of a single rating around its pair's true mean and the listener's level."""


@dataclass(frozen=True, eq=False)
class Model:
    """The model of a panel."""

    grid: FloatArray
    """(grid,): qualities."""
    likelihood: FloatArray
    """(pairs, grid): of each pair's ratings at each quality, up to a factor per pair."""
    mean: FloatArray
    """(pairs,): the observed means."""
    mixture: Mixture
    """Distribution of the qualities."""

    def order(self, rng: np.random.Generator, *, drawn: int = _DRAWN, most: int = 200) -> tuple[float, float]:
        """SRCC and KTAU between the true and the observed mean ratings of these pairs."""
        upto = (self.likelihood * _density(self.grid, self.mixture).sum(axis=0)).cumsum(axis=1)
        upto /= upto[:, -1:]
        row = np.arange(len(upto))
        steps = (upto + row[:, None]).reshape(-1)
        draws = int(np.clip(-(-drawn // len(upto)), 4, most))
        place = np.searchsorted(steps, rng.random((draws, len(upto))) + row).clip(max=len(steps) - 1) % len(self.grid)
        # Between the points of the grid too: no two pairs are quite alike. A rating rises with its quality, so that
        # their ranks are the same.
        quality = self.grid[place] + (rng.random(place.shape) - 0.5) * (self.grid[1] - self.grid[0])
        return _srcc(quality, self.mean), _ktau(quality, self.mean)

    def errors(self, resamples: int, rng: np.random.Generator) -> FloatArray:
        """(2,): standard errors of Fisher's z of SRCC and KTAU, from resampled pairs."""
        pairs = len(self.mean)
        size = min(pairs, _LARGE)
        found = np.empty((resamples, 2))
        for number in range(resamples):
            chosen = rng.integers(pairs, size=size)
            likelihood, mean = self.likelihood[chosen], self.mean[chosen]
            mixture = _maximised(likelihood, self.grid, self.mixture)[1]
            found[number] = Model(self.grid, likelihood, mean, mixture).order(rng, drawn=_RESAMPLED, most=40)
        z = np.arctanh(np.clip(found, -1 + 1e-9, 1 - 1e-9))
        errors: FloatArray = np.nanstd(z, axis=0, ddof=1) * math.sqrt(size / pairs)
        return errors


def fitted(panel: Panel, start: Mixture | None = None) -> Model:
    """The model that fits a panel best.

    Args:
        panel: with noise above 0, and pairs of different mean ratings.
        start: a mixture from which to start, whose number of components stays; None to choose that by AIC.
    """
    count = np.bincount(panel.pair)
    # Rounded, so that equal means are tied whatever the order of their ratings.
    mean = np.round(np.bincount(panel.pair, panel.rating) / count, 11)
    values = np.unique(panel.rating)
    lowest, highest = float(values[0]), float(values[-1])
    if len(values) > MOST_LEVELS:
        values = np.linspace(lowest, highest, MOST_LEVELS)
        half = float(values[1] - values[0]) / 2
        below = np.where(panel.rating <= lowest, -math.inf, panel.rating - half) - panel.level
        above = np.where(panel.rating >= highest, math.inf, panel.rating + half) - panel.level
        edges = np.concatenate([[-math.inf], (values[1:] + values[:-1]) / 2, [math.inf]])
    else:
        edges = np.concatenate([[-math.inf], (values[1:] + values[:-1]) / 2, [math.inf]])
        step = np.searchsorted(values, panel.rating)
        below, above = edges[step] - panel.level, edges[step + 1] - panel.level
    own = panel.rating - panel.level
    wide = 1.5 * float(own.std())
    fine = math.sqrt(panel.noise / float(np.median(count))) / 2
    points = int(np.clip((highest - lowest + 2 * wide) / max(fine, 1e-9 * wide), 121, 401))
    grid = np.linspace(lowest - wide, highest + wide, points)
    first = np.cumsum(count) - count
    centres = np.bincount(panel.pair, own) / count
    spread = math.sqrt(panel.noise)
    for _ in range(_ROUNDS):
        said = ndtr((above[:, None] - grid) / spread)
        said -= ndtr((below[:, None] - grid) / spread)
        logs = np.add.reduceat(np.log(np.maximum(said, _LEAST, out=said), out=said), first, axis=0)
        likelihood = np.exp(logs - logs.max(axis=1, keepdims=True))
        mixture = _chosen(likelihood, grid, centres) if start is None else _maximised(likelihood, grid, start)[1]
        share = _density(grid, mixture).sum(axis=0)
        chance = np.diff(ndtr((edges - grid[:, None]) / spread), axis=1)
        modelled = float(share @ (chance @ values**2 - (chance @ values) ** 2) / share.sum())
        if abs(modelled / panel.noise - 1) < 0.02:
            break
        spread *= math.sqrt(panel.noise / max(modelled, 1e-3 * panel.noise))
    # Maximum likelihood divides by the number of pairs, and not by one less for each centre that it estimates.
    weight, centre, variance = mixture
    lost = len(weight) / max(len(mean) - len(weight), 1)
    variance = variance + lost * (variance + spread**2 / float(np.median(count)))
    return Model(grid, likelihood, mean, (weight, centre, variance))


def _chosen(likelihood: FloatArray, grid: FloatArray, mean: FloatArray) -> Mixture:
    """The mixture of as many components as AIC chooses."""
    best, lowest = None, math.inf
    for number in range(1, MOST_COMPONENTS + 1):
        spread = np.full(number, float(mean.var()) / number**2)
        start = np.full(number, 1 / number), np.quantile(mean, (np.arange(number) + 0.5) / number), spread
        fit, mixture = _maximised(likelihood, grid, start)
        criterion = 2 * (3 * number - 1) - 2 * fit
        if best is not None and criterion >= lowest:
            break
        best, lowest = mixture, criterion
    assert best is not None  # one number of components at least was tried
    return best


def _maximised(likelihood: FloatArray, grid: FloatArray, mixture: Mixture) -> tuple[float, Mixture]:
    """Log-likelihood and mixture, from a start, by the EM algorithm."""
    least = (grid[1] - grid[0]) ** 2 / 4
    last = -math.inf
    for _ in range(_STEPS):
        parts = _density(grid, mixture)
        whole = parts.sum(axis=0)
        share = whole / whole.sum()
        each = likelihood @ share
        fit = float(np.log(each).sum())
        if fit - last < 1e-6 * len(likelihood):
            break
        last = fit
        expected = parts / whole * (share * (likelihood.T @ (1 / each)))
        total = expected.sum(axis=1) + 1e-300
        centre = (expected @ grid) / total
        squares = (expected * (grid - centre[:, None]) ** 2).sum(axis=1)
        variance = (squares + _ALIKE * squares.sum() / len(likelihood)) / (total + _ALIKE)
        mixture = total / len(likelihood), centre, np.maximum(variance, least)
    return fit, mixture


def _density(grid: FloatArray, mixture: Mixture) -> FloatArray:
    """(components, grid): their shares of the qualities, up to a common factor."""
    weight, centre, variance = (each[:, None] for each in mixture)
    density: FloatArray = weight * np.exp(-0.5 * (grid - centre) ** 2 / variance) / np.sqrt(variance) + 1e-300
    return density


def _srcc(quality: FloatArray, mean: FloatArray) -> float:
    """Mean SRCC of qualities, (draws, pairs), all different, with mean ratings."""
    rank = quality.argsort(axis=1).argsort(axis=1) - (len(mean) - 1) / 2
    other = ranks(mean) - (len(mean) + 1) / 2
    below = math.sqrt(float(rank[0] @ rank[0]) * float(other @ other))
    return float((rank @ other).mean()) / below if below > 0 else math.nan


def _ktau(quality: FloatArray, mean: FloatArray) -> float:
    """The same of KTAU: of few pairs by comparing every two, which is quicker than to sort them."""
    if len(mean) > _COMPARED:
        return float(np.mean([ktau(each, mean) for each in quality]))
    one, other = np.triu_indices(len(mean), 1)
    order = np.sign(mean[one] - mean[other])
    agreed = np.sign(quality[:, one] - quality[:, other]) @ order
    below = math.sqrt(len(one) * float(np.count_nonzero(order)))
    return float(agreed.mean()) / below if below > 0 else math.nan
