"""Agreement of scores with ratings: SRCC, LCC, KTAU and MSE, as scipy computes them.

NaN stays NaN: a correlation with something constant, or of fewer than two pairs, is not 0 but unknown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clapometer.errors import BadOption
from clapometer.types import FloatArray

METRICS = ("srcc", "lcc", "ktau", "mse")
"""In the order in which they are always given."""


@dataclass(frozen=True)
class Agreement:
    """How far scores agree with ratings."""

    n: int
    """Pairs of a score and a rating."""
    srcc: float
    """Spearman's rank correlation; ties have the mean of their ranks."""
    lcc: float
    """Pearson's linear correlation."""
    ktau: float
    """Kendall's tau-b."""
    mse: float
    """Mean squared difference, in the unit in which both were given."""

    @property
    def values(self) -> tuple[float, float, float, float]:
        """The four metrics in the order of METRICS."""
        return self.srcc, self.lcc, self.ktau, self.mse


def agreement(scores: npt.ArrayLike, ratings: npt.ArrayLike) -> Agreement:
    """All four metrics.

    Args:
        scores: (pairs,).
        ratings: (pairs,), in the same order.

    Raises:
        BadOption: not as many of both.
    """
    x, y = checked(scores, ratings)
    return Agreement(len(x), srcc(x, y), lcc(x, y), ktau(x, y), mse(x, y))


def srcc(scores: npt.ArrayLike, ratings: npt.ArrayLike) -> float:
    """Spearman's rank correlation, as `scipy.stats.spearmanr`."""
    x, y = checked(scores, ratings)
    return lcc(ranks(x), ranks(y)) if _known(x, y) else float("nan")


def lcc(scores: npt.ArrayLike, ratings: npt.ArrayLike) -> float:
    """Pearson's correlation, as `scipy.stats.pearsonr`."""
    x, y = checked(scores, ratings)
    if not _known(x, y) or (x == x[0]).all() or (y == y[0]).all():
        return float("nan")
    x, y = _unit(x), _unit(y)
    return float(np.clip(x @ y, -1, 1))


def ktau(scores: npt.ArrayLike, ratings: npt.ArrayLike) -> float:
    """Kendall's tau-b, as `scipy.stats.kendalltau`."""
    x, y = checked(scores, ratings)
    if not _known(x, y):
        return float("nan")
    pairs = len(x) * (len(x) - 1) // 2
    untied = [pairs - _tied(np.unique(values, return_counts=True)[1]) for values in (x, y)]
    if 0 in untied:
        return float("nan")
    # The square roots apart, as scipy has it: their product does not overflow.
    return float(np.clip(_concordant_less_discordant(x, y) / np.sqrt(untied[0]) / np.sqrt(untied[1]), -1, 1))


def mse(scores: npt.ArrayLike, ratings: npt.ArrayLike) -> float:
    """Mean squared difference."""
    x, y = checked(scores, ratings)
    return float(np.mean((x - y) ** 2)) if len(x) else float("nan")


def ranks(values: npt.ArrayLike) -> FloatArray:
    """Ranks from 1, ties with the mean of theirs, as `scipy.stats.rankdata`."""
    _, level, counts = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle: FloatArray = last - (counts - 1) / 2
    return middle[level.reshape(-1)]


def settled(means: npt.ArrayLike) -> FloatArray:
    """Means, rounded so that equal ones are equal, whatever the order in which they were summed.

    (0.1 + 0.2 + 0.3) / 3 and (0.3 + 0.2 + 0.1) / 3 differ in the last bit, which is no difference between pairs. Twelve
    significant digits of the largest mean stay.
    """
    means = np.asarray(means, np.float64)
    size = float(np.abs(means).max(initial=0))
    rounded: FloatArray = means if size == 0 else np.round(means, 11 - math.floor(math.log10(size)))
    return rounded


def checked(scores: npt.ArrayLike, ratings: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Both as numbers, if there are as many of one as of the other.

    Raises:
        BadOption: there are not.
    """
    x, y = np.asarray(scores, np.float64), np.asarray(ratings, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise BadOption(f"scores of shape {x.shape} and ratings of shape {y.shape}; give one of each a pair, in a row")
    return x, y


def _known(x: FloatArray, y: FloatArray) -> bool:
    return len(x) > 1 and bool(np.isfinite(x).all() and np.isfinite(y).all())


def _unit(values: FloatArray) -> FloatArray:
    centred = values - values.mean()
    # Brought to the size of 1 first: squares of very large or very small numbers would not be numbers.
    centred = centred / np.abs(centred).max()
    unit: FloatArray = centred / np.sqrt(centred @ centred)
    return unit


def _tied(counts: npt.NDArray[np.int64]) -> int:
    return int((counts * (counts - 1) // 2).sum())


def _concordant_less_discordant(x: FloatArray, y: FloatArray) -> int:
    """Pairs that x and y order alike, less those that they order differently; pairs tied in either count nowhere."""
    order = np.lexsort((y, x))
    x, y = x[order], y[order]
    n = len(x)
    both = np.flatnonzero(np.append(True, (x[1:] != x[:-1]) | (y[1:] != y[:-1])))
    tied_both = _tied(np.diff(np.append(both, n)))
    tied_x, tied_y = (_tied(np.unique(values, return_counts=True)[1]) for values in (x, y))
    # Sorted by x and, where that is tied, by y: what is out of order in y is discordant, and nothing else is.
    discordant = _inversions(np.unique(y, return_inverse=True)[1].reshape(-1))
    return n * (n - 1) // 2 - tied_x - tied_y + tied_both - 2 * discordant


def _inversions(levels: npt.NDArray[np.int64]) -> int:
    """Pairs of which the earlier is larger, counted block against neighbouring block, in blocks ever twice as long."""
    n, count, length = len(levels), 0, 1
    places = np.arange(n)
    while length < n:
        block = places // (2 * length)
        order = np.lexsort((places, levels, block))  # stable: of equals the earlier first
        left = (order // length) % 2 == 0
        lefts = np.cumsum(left)
        # Of the left halves, all up to and with one's own block, less those that are not larger than oneself.
        upto = np.append(0, lefts)[np.minimum((block[order] + 1) * 2 * length, n)]
        count += int((upto - lefts)[~left].sum())
        length *= 2
    return count
