"""A panel of listeners as a model, from which other panels of the same kind can be drawn.

An ordered probit with random effects: a pair has a hidden quality, a listener perceives it with normal noise of
variance 1, and says the step of the scale that this falls into. The steps have any width, so that ratings may crowd at
the ends of the scale as they do. The qualities have a smooth distribution of any shape, an exponential family with
polynomials (Efron, Empirical Bayes deconvolution estimates, Biometrika 2016), on a grid. Both are found by maximum
likelihood, with a small penalty on the polynomials.

It is needed where a formula for means and variances says too little: the rank correlation of true and observed means
depends on how many pairs crowd where the scale ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import ndtr, ndtri

from clapometer.stats.estimate import Numbers, Places
from clapometer.stats.oneway import components, sums

MOST_LEVELS = 21
"""Ratings of finer scales are put into as many steps, with as many ratings each."""
_GRID = 41
_REACH = 4.0
"""How far the grid goes, in standard deviations of the quality as a first guess has them."""
_DEGREE = 7
_PENALTY = 0.5
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class Panel:
    """The model of a study, and what it was fitted to."""

    values: Numbers
    """(levels,): the ratings that occur."""
    grid: Numbers
    """(grid,): hidden qualities."""
    shape: Numbers
    """(grid, 1 + polynomials): logarithm of the first guess of their distribution, and what may be added to it."""
    told: Numbers
    """The parameters: first limit between steps, logarithms of the distances of the others, weights of polynomials."""
    table: Numbers
    """(kinds, levels): how often pairs of a kind were given each rating."""
    repeats: Numbers
    """(kinds,): pairs of the kind."""

    @property
    def limits(self) -> Numbers:
        """(levels - 1,): where one step of the scale ends and the next begins."""
        steps = np.exp(self.told[1 : len(self.values) - 1])
        found: Numbers = np.cumsum(np.concatenate([self.told[:1], steps]))
        return found

    @property
    def share(self) -> Numbers:
        """(grid,): logarithm of the share of the pairs that have each quality."""
        logs = self.shape[:, 0] + self.shape[:, 1:] @ self.told[len(self.values) - 1 :]
        logs = logs - logs.max()
        shares: Numbers = logs - np.log(np.exp(logs).sum())
        return shares

    def drawn(self, count: Places, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
        """Another study of this kind: true and observed mean of pairs with so many ratings each."""
        upto = np.cumsum(np.exp(self.share))
        place = np.searchsorted(upto / upto[-1], rng.random(len(count))).clip(0, _GRID - 1)
        # Between the points of the grid too: no two pairs are quite alike.
        quality = self.grid[place] + (rng.random(len(count)) - 0.5) * (self.grid[1] - self.grid[0])
        above = 1 - ndtr(self.limits - quality[:, None])
        true = self.values[0] + above @ np.diff(self.values)
        pair = np.repeat(np.arange(len(count)), count)
        level = np.searchsorted(self.limits, quality[pair] + rng.standard_normal(len(pair)))
        return true, np.bincount(pair, self.values[level]) / count

    def fitted(self, *, most: int) -> Panel:
        """This model with the parameters that fit its table best, in so many steps at most."""
        inner = len(self.values) - 1
        bounds = [(-12.0, 12.0)] + [(-14.0, 3.0)] * (inner - 1) + [(-15.0, 15.0)] * _DEGREE
        start = np.clip(self.told, *np.transpose(bounds))
        found = minimize(self._loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": most})
        return replace(self, told=np.asarray(found.x, np.float64))

    def redrawn(self, rng: np.random.Generator) -> Panel:
        """This model fitted to a bootstrap sample of the pairs."""
        total = self.repeats.sum()
        repeats = rng.multinomial(int(total), self.repeats / total).astype(np.float64)
        drawn = repeats > 0
        return replace(self, table=self.table[drawn], repeats=repeats[drawn]).fitted(most=15)

    def _loss(self, told: Numbers) -> tuple[float, Numbers]:
        """Penalised negative log-likelihood and its gradient."""
        here = replace(self, told=told)
        limits, share, inner = here.limits, here.share, len(self.values) - 1
        upto = ndtr(limits - self.grid[:, None])
        ends = np.zeros((_GRID, 1)), np.ones((_GRID, 1))
        said = np.maximum(np.diff(np.concatenate([ends[0], upto, ends[1]], axis=1), axis=1), _LEAST)
        joint = self.table @ np.log(said).T + share
        most = joint.max(axis=1, keepdims=True)
        belongs = np.exp(joint - most)
        whole = belongs.sum(axis=1, keepdims=True)
        belongs *= self.repeats[:, None] / whole
        weight = (belongs.T @ self.table) / said
        density = np.exp(-0.5 * (limits - self.grid[:, None]) ** 2) / math.sqrt(2 * math.pi)
        by_limit = ((weight[:, :-1] - weight[:, 1:]) * density).sum(axis=0)
        behind = np.cumsum(by_limit[::-1])[::-1]
        by_told = np.concatenate([behind[:1], behind[1:] * np.exp(told[1:inner])])
        by_shape = self.shape[:, 1:].T @ (belongs.sum(axis=0) - self.repeats.sum() * np.exp(share))
        bend = told[inner:]
        loss = -float(self.repeats @ (most + np.log(whole))[:, 0]) + _PENALTY * float(bend @ bend) / 2
        return loss, np.concatenate([-by_told, _PENALTY * bend - by_shape])


def fit(rating: Numbers, pair: Places) -> Panel | None:
    """Fit the model; None where there is nothing to fit: no pair with two ratings, or all ratings the same.

    Args:
        rating: (ratings,), finite.
        pair: (ratings,): the number of the pair, from 0 without gaps.
    """
    values, level = _levels(np.asarray(rating, np.float64))
    single = float(components(sums(rating, pair)).single[0]) if len(values) > 1 else math.nan
    if math.isnan(single):
        return None
    table = np.zeros((int(pair.max()) + 1, len(values)))
    np.add.at(table, (pair, level), 1)
    table, repeats = np.unique(table, axis=0, return_counts=True)  # pairs that were rated alike are one kind
    single = float(np.clip(single, 0.02, 0.98))
    spread = math.sqrt(single / (1 - single))
    place = np.linspace(-1, 1, _GRID)
    guess = -0.5 * (_REACH * place) ** 2
    polynomials = np.polynomial.legendre.legvander(place, _DEGREE)[:, 1:]
    size = np.sqrt((polynomials**2 * np.exp(guess / 4)[:, None]).sum(axis=0) / np.exp(guess / 4).sum())
    share = repeats @ table
    limits = ndtri(np.cumsum(share)[:-1] / share.sum()) * math.sqrt(1 + spread**2)
    told = np.concatenate([limits[:1], np.log(np.maximum(np.diff(limits), 1e-6)), np.zeros(_DEGREE)])
    shape = np.column_stack([guess, polynomials / size])
    start = Panel(values, _REACH * spread * place, shape, told, table, repeats.astype(np.float64))
    return start.fitted(most=200)


def _levels(rating: Numbers) -> tuple[Numbers, Places]:
    values, level = np.unique(rating, return_inverse=True)
    level = level.reshape(-1)
    if len(values) > MOST_LEVELS:
        edges = np.unique(np.quantile(rating, np.linspace(0, 1, MOST_LEVELS + 1)[1:-1]))
        level = np.unique(np.searchsorted(edges, rating), return_inverse=True)[1].reshape(-1)
        values = np.bincount(level, rating) / np.bincount(level)
    return values, level
