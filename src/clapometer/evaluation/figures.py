"""Agreement of several predictors on several groups, from one set of resamples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from clapometer.evaluation.groups import ORIGIN, SMALL, SYSTEM, Group
from clapometer.evaluation.result import ALL, BETWEEN, WITHIN, Difference, Numbers, Row, SystemMean
from clapometer.stats.agreement import agreement
from clapometer.stats.bootstrap import NAN, Estimate, Resamples, Votes
from clapometer.stats.weighted import agreement_of_columns, weighted_agreement

FEWEST_SYSTEMS = 3
"""Of which a correlation says something: that of two is 1 or -1."""
Key = tuple[str, str, str]
"""Predictor, breakdown, group."""


@dataclass(frozen=True, eq=False)
class Figures:
    """Figures of the pairs and of their resamples, from which rows and differences are made."""

    n: Mapping[Key, int]
    values: Mapping[Key, Numbers]
    """(4,)"""
    replicates: Mapping[Key, Numbers]
    """(4, resamples)"""
    rating_means: tuple[Numbers, Numbers]
    """(systems,) and (systems, resamples)"""
    score_means: Mapping[str, tuple[Numbers, Numbers]]
    systems: tuple[Group, ...]
    resamples: Resamples

    def rows(self) -> tuple[Row, ...]:
        """One for each predictor and group."""
        return tuple(Row(*key, self.n[key], *self._estimates(key)) for key in self.values)

    def differences(self, predictors: Sequence[str], others: Sequence[str]) -> tuple[Difference, ...]:
        """Of every two predictors in every group, and of each against the others on all pairs and within systems."""
        pairs = [*combinations(predictors, 2), *((one, other) for one in predictors for other in others)]
        found = []
        for first, second in pairs:
            for name, breakdown, group in self.values:
                if name == first and (second, breakdown, group) in self.values:
                    one, other = (first, breakdown, group), (second, breakdown, group)
                    found.append(Difference(first, second, breakdown, group, *self._estimates(one, other)))
        return tuple(found)

    def system_means(self, unit: float, low: float, score_unit: float, score_low: float) -> tuple[SystemMean, ...]:
        """Means of the systems, on the scales from which ratings and scores were mapped to 0..1."""
        means = []
        for number, group in enumerate(self.systems):
            rating = self._mean(self.rating_means, number, unit, low)
            scores = {
                name: self._mean(found, number, score_unit, score_low) for name, found in self.score_means.items()
            }
            means.append(SystemMean(group.name, len(group.pairs), rating, scores))
        return tuple(means)

    def _mean(self, found: tuple[Numbers, Numbers], number: int, unit: float, low: float) -> Estimate:
        values, replicates = found
        return self.resamples.estimate(float(values[number]) * unit + low, replicates[number] * unit + low)

    def _estimates(self, one: Key, other: Key | None = None) -> tuple[Estimate, Estimate, Estimate, Estimate]:
        values, replicates = self.values[one], self.replicates[one]
        if other is not None:
            values, replicates = values - self.values[other], replicates - self.replicates[other]
        if self.n[one] < SMALL and one[1] != BETWEEN:
            figures = [Estimate(float(value), NAN.low, NAN.high) for value in values]
        else:
            figures = [self.resamples.estimate(float(values[m]), replicates[m]) for m in range(4)]
        srcc, lcc, ktau, mse = figures
        return srcc, lcc, ktau, mse


def figures(
    predictors: Mapping[str, Numbers],
    ratings: Numbers,
    groups: Sequence[Group],
    resamples: Resamples,
    votes: Votes | None,
    trivial: Sequence[str],
    progress: Callable[[int], None] | None = None,
) -> Figures:
    """Agreement on all pairs, in every group, within and between systems.

    Args:
        predictors: (pairs,) each, on 0..1.
        ratings: (pairs,), means on 0..1.
        groups: as for the breakdowns; those of systems also make the figures within and between systems.
        resamples: how intervals are made.
        votes: the single ratings on 0..1, to draw listeners.
        trivial: the predictors that are not looked at in groups, where they say nothing.
        progress: told how many resamples are done, some at a time.
    """
    systems = tuple(group for group in groups if group.breakdown == SYSTEM)
    everything = Group(ALL, "", np.arange(len(ratings)))
    values: dict[Key, Numbers] = {}
    n: dict[Key, int] = {}
    blocks: dict[Key, list[Numbers]] = {}
    asked = [(name, group) for name in predictors for group in (everything, *groups) if _is_asked(name, group, trivial)]
    for name, group in asked:
        key = (name, group.breakdown, group.name)
        n[key], blocks[key] = len(group.pairs), []
        values[key] = np.array(agreement(predictors[name][group.pairs], ratings[group.pairs]).values)
    rating_means: list[Numbers] = []
    score_means: dict[str, list[Numbers]] = {name: [] for name in predictors if name not in trivial}
    for drawn, weights in resamples.blocks(ratings, votes):
        for name, group in asked:
            few = group.pairs
            blocks[name, group.breakdown, group.name].append(
                weighted_agreement(predictors[name][few], drawn[few], weights[few])
            )
        if systems:
            rating_means.append(_means(drawn, weights, systems))
            for name, means in score_means.items():
                means.append(_means(predictors[name], weights, systems))
        if progress is not None:
            progress(weights.shape[1])
    replicates = {key: np.concatenate(some, axis=1) for key, some in blocks.items()}
    one = np.ones((len(ratings), 1))
    rated = _means(ratings, one, systems)[:, 0], _joined(rating_means, len(systems))
    scored = {
        name: (_means(predictors[name], one, systems)[:, 0], _joined(means, len(systems)))
        for name, means in score_means.items()
    }
    found = Figures(n, values, replicates, rated, scored, systems, resamples)
    return _with_systems(found, [name for name in predictors if name not in trivial]) if systems else found


def _is_asked(name: str, group: Group, trivial: Sequence[str]) -> bool:
    return name not in trivial or group.breakdown in (ALL, ORIGIN)


def _joined(blocks: list[Numbers], rows: int) -> Numbers:
    return np.concatenate(blocks, axis=1) if blocks else np.zeros((rows, 0))


def _means(values: Numbers, weights: Numbers, systems: Sequence[Group]) -> Numbers:
    """(systems, resamples); NaN where nothing of a system was drawn."""
    values = values if values.ndim > 1 else values[:, None]
    with np.errstate(invalid="ignore"):
        means = [
            (weights[group.pairs] * values[group.pairs]).sum(axis=0) / weights[group.pairs].sum(axis=0)
            for group in systems
        ]
    return np.stack(means) if means else np.zeros((0, weights.shape[1]))


def _with_systems(found: Figures, names: Sequence[str]) -> Figures:
    """With the mean figures within systems, each weighted by its pairs, and those of the systems' means."""
    values, replicates, n = dict(found.values), dict(found.replicates), dict(found.n)
    for name in names:
        keys = [(name, SYSTEM, group.name) for group in found.systems]
        sizes = np.array([n[key] for key in keys], np.float64)[:, None]
        key = (name, WITHIN, "")
        n[key] = int(sizes.sum())
        values[key] = _weighted([values[one][:, None] for one in keys], sizes)[:, 0]
        replicates[key] = _weighted([replicates[one] for one in keys], sizes)
        key = (name, BETWEEN, "")
        n[key] = len(found.systems)
        scores, score_replicates = found.score_means[name]
        ratings, rating_replicates = found.rating_means
        values[key] = np.array(agreement(scores, ratings).values)
        replicates[key] = agreement_of_columns(score_replicates, rating_replicates)
        if len(found.systems) < FEWEST_SYSTEMS:
            values[key][:3] = replicates[key][:3] = np.nan
    return Figures(n, values, replicates, found.rating_means, found.score_means, found.systems, found.resamples)


def _weighted(figures: list[Numbers], sizes: Numbers) -> Numbers:
    """(4, resamples): a system without a figure, as one whose ratings are all alike, does not count."""
    stacked = np.stack(figures)  # (systems, 4, resamples)
    known = np.isfinite(stacked)
    weights = known * sizes[:, :, None]
    with np.errstate(invalid="ignore"):
        mean: Numbers = (np.where(known, stacked, 0) * weights).sum(axis=0) / weights.sum(axis=0)
    return mean
