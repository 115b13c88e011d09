"""Intervals by resampling: clips, listeners, or both drawn anew, with replacement.

Everything that is asked of a set of pairs is asked of the same resamples, so that the difference of two figures is a
paired one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from clapometer.errors import BadOption

Numbers = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Drawn = Literal["clips", "listeners", "both"]
_AT_A_TIME, _FEWEST_AT_A_TIME, _NUMBERS_AT_A_TIME = 250, 20, 2_500_000
"""Resamples in a block, fewer of many pairs, so that memory stays bounded. Part of the seed's meaning."""
_ENOUGH = 0.9
"""Share of the resamples that must have a figure before an interval is made of them."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval."""

    value: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out: for a difference, whether it is more than chance."""
        return self.low > 0 or self.high < 0


NAN = Estimate(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class Votes:
    """The single ratings of some pairs, on the scale of their means."""

    pair: Places
    """(votes,): which pair was rated, from 0."""
    listener: Places
    """(votes,): by whom, from 0."""
    rating: Numbers
    """(votes,)."""


@dataclass(frozen=True)
class Resamples:
    """What is drawn, how often, and from which seed.

    `clips`: other clips of the same kind, each with its own listeners. `listeners`: the same clips heard by other
    listeners; a pair counts as much as the share of its ratings that is drawn, and its mean is that of those. `both`:
    both at once, which is on the careful side.
    """

    number: int = 2000
    drawn: Drawn = "clips"
    level: float = 0.95
    """What share of such intervals holds the truth."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.number < 100:
            raise BadOption(f"{self.number} resamples are too few for an interval; take 1000 or more")
        if self.drawn not in get_args(Drawn):
            raise BadOption(f"what is drawn must be one of {', '.join(get_args(Drawn))}, not {self.drawn!r}")
        if not 0.5 <= self.level < 1:
            raise BadOption(f"the level of an interval must be from 0.5 to less than 1, such as 0.95, not {self.level}")
        if self.seed < 0:
            raise BadOption(f"the seed must be 0 or more, not {self.seed}")

    def blocks(self, ratings: Numbers, votes: Votes | None = None) -> Iterator[tuple[Numbers, Numbers]]:
        """Ratings and weights of the resamples, some at a time.

        Args:
            ratings: (pairs,), their means.
            votes: the single ratings, without which listeners cannot be drawn.

        Yields:
            Ratings, (pairs,) or (pairs, resamples), and weights, (pairs, resamples).

        Raises:
            BadOption: listeners are to be drawn and there are no votes.
        """
        if self.drawn != "clips" and votes is None:
            raise BadOption("listeners can only be drawn where the ratings say whose they are; draw clips")
        random = np.random.default_rng(self.seed)
        block = min(max(_NUMBERS_AT_A_TIME // max(len(ratings), 1), _FEWEST_AT_A_TIME), _AT_A_TIME)
        for start in range(0, self.number, block):
            size = min(block, self.number - start)
            if self.drawn == "clips" or votes is None:
                yield ratings, _draw(random, len(ratings), size)
                continue
            means, weights = _of_other_listeners(random, ratings, votes, size)
            yield means, weights * _draw(random, len(ratings), size) if self.drawn == "both" else weights

    def estimate(self, value: float, replicates: Numbers) -> Estimate:
        """The figure with its interval; NaN where too few resamples have one.

        Clips: percentiles of the resamples. Listeners: the same, moved to the figure, since means of fewer different
        listeners are noisier, and their figures lower, than the one whose interval is wanted.
        """
        known = replicates[np.isfinite(replicates)]
        if not np.isfinite(value) or len(known) < _ENOUGH * len(replicates):
            return Estimate(value, float("nan"), float("nan"))
        tail = (1 - self.level) / 2
        low, high = np.quantile(known, (tail, 1 - tail)).tolist()
        shift = 0.0 if self.drawn == "clips" else value - float(known.mean())
        return Estimate(value, low + shift, high + shift)


def _draw(random: np.random.Generator, n: int, resamples: int) -> Numbers:
    """(n, resamples): how often each of n is drawn when n are, with replacement."""
    numbers = random.integers(0, n, (n, resamples), dtype=np.int64) * resamples + np.arange(resamples)
    return np.bincount(numbers.ravel(), minlength=n * resamples).reshape(n, resamples).astype(np.float64)


def _of_other_listeners(
    random: np.random.Generator, ratings: Numbers, votes: Votes, resamples: int
) -> tuple[Numbers, Numbers]:
    """Means of the drawn ratings, and the drawn share of each pair's ratings, both (pairs, resamples)."""
    order = np.argsort(votes.pair, kind="stable")
    pairs, starts, counts = np.unique(votes.pair[order], return_index=True, return_counts=True)
    listeners = np.unique(votes.listener, return_inverse=True)[1].reshape(-1)
    drawn = _draw(random, int(listeners.max()) + 1, resamples)[listeners[order]]
    often = np.add.reduceat(drawn, starts, axis=0)
    sums = np.add.reduceat(drawn * votes.rating[order, None], starts, axis=0)
    means, weights = np.repeat(ratings[:, None], resamples, axis=1), np.zeros((len(ratings), resamples))
    # Rounded, so that equal means from different sums are tied as they should be.
    means[pairs] = np.where(often > 0, np.round(sums / np.maximum(often, 1), 12), means[pairs])
    weights[pairs] = often / counts[:, None]
    return means, weights
