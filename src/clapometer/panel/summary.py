"""What there is to know of a set of ratings before anything is compared with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from clapometer.stats.bootstrap import Estimate
from clapometer.stats.ceiling import Ceiling, noise_ceiling
from clapometer.stats.krippendorff import alpha
from clapometer.stats.oneway import Icc, icc
from clapometer.stats.reliability import AgainstRest, SplitHalf, against_rest, split_half
from clapometer.tables.ratings import Integers, Ratings

FEWEST = 20
"""Pairs with two or more ratings, below which nothing is said about the noise of a group."""
_BINS = 11


@dataclass(frozen=True)
class Group:
    """Some of the ratings."""

    name: str
    """Of the split or the system; empty for all."""
    ratings: int
    pairs: int
    listeners: int | None
    """None where the file does not say who rated."""
    mean: float
    """Mean of the pairs' mean ratings, on the scale of the file."""
    sd: float
    """Standard deviation of the pairs' mean ratings."""


@dataclass(frozen=True)
class Spread:
    """How many ratings fall to each of something."""

    least: int
    median: float
    mean: float
    most: int
    ones: int
    """How many have a single rating."""


@dataclass(frozen=True)
class Reliability:
    """How far the listeners agree with each other."""

    icc: Icc
    alpha_interval: Estimate
    alpha_ordinal: Estimate
    against_rest: AgainstRest
    split_half: SplitHalf


@dataclass(frozen=True)
class Summary:
    """Everything that is said of a set of ratings."""

    all: Group
    splits: tuple[Group, ...]
    systems: tuple[Group, ...]
    per_pair: Spread
    per_listener: Spread | None
    distribution: tuple[tuple[float, float, int], ...]
    """Lowest and highest rating of each bin, the same where it holds one value, and how many ratings it has."""
    reliability: Reliability | None
    """None where fewer than 20 pairs have two ratings."""
    ceilings: tuple[tuple[str, Ceiling | None], ...]
    """Of all pairs, whose name is empty, and of each system; on 0 to 1. None where too few pairs have two ratings."""


def summarise(ratings: Ratings) -> Summary:
    """Summarise ratings; those of anchors must have been left out."""
    pairs = ratings.pairs
    systems = _groups(ratings, "system")
    ceilings = [("", _ceiling(ratings))]
    if len(systems) > 1:
        ceilings += [(group.name, _ceiling(ratings.take(ratings.system == group.name))) for group in systems]
    return Summary(
        all=_group(ratings, ""),
        splits=_groups(ratings, "split"),
        systems=systems,
        per_pair=_spread(pairs.count),
        per_listener=_spread(np.bincount(ratings.listeners[0])) if ratings.has_listeners else None,
        distribution=_distribution(ratings),
        reliability=_reliability(ratings),
        ceilings=tuple(ceilings),
    )


def _groups(ratings: Ratings, column: str) -> tuple[Group, ...]:
    values = ratings.column(column)
    names = [name for name in Counter(values) if name]
    return tuple(_group(ratings.take(values == name), name) for name in sorted(names))


def _group(ratings: Ratings, name: str) -> Group:
    means = ratings.pairs.mean
    listeners = len(ratings.listeners[1]) if ratings.has_listeners else None
    sd = float(means.std(ddof=1)) if len(means) > 1 else float("nan")
    return Group(name, len(ratings), len(means), listeners, float(means.mean()), sd)


def _spread(count: Integers) -> Spread:
    return Spread(
        int(count.min()), float(np.median(count)), float(count.mean()), int(count.max()), int((count == 1).sum())
    )


def _distribution(ratings: Ratings) -> tuple[tuple[float, float, int], ...]:
    values, counts = np.unique(ratings.rating, return_counts=True)
    low, high = ratings.scale
    if len(values) <= 2 * _BINS:
        steps = np.arange(low, high + 1) if high - low < 2 * _BINS and (values % 1 == 0).all() else values
        known = dict(zip(values.tolist(), counts.tolist(), strict=True))
        return tuple((float(step), float(step), known.get(float(step), 0)) for step in steps)
    counts, edges = np.histogram(ratings.rating, _BINS, range=(low, high))
    ends = edges.tolist()
    return tuple((*each, int(count)) for *each, count in zip(ends[:-1], ends[1:], counts, strict=True))


def _several(ratings: Ratings) -> int:
    return int((ratings.pairs.count > 1).sum())


def _ceiling(ratings: Ratings) -> Ceiling | None:
    return noise_ceiling(ratings.target, ratings.pairs.index) if _several(ratings) >= FEWEST else None


def _reliability(ratings: Ratings) -> Reliability | None:
    if _several(ratings) < FEWEST:
        return None
    rating, pair = ratings.rating, ratings.pairs.index
    return Reliability(
        icc(rating, pair),
        alpha(rating, pair),
        alpha(rating, pair, level="ordinal"),
        against_rest(rating, pair),
        split_half(rating, pair),
    )
