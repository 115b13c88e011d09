"""Estimates with intervals from resampled pairs, and what a resample needs: weighted ranks and correlations."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from clapometer.stats.bootstrap import Estimate

Numbers = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
LEVEL = 0.95
"""Share of the studies whose interval is to hold the true value."""
NORMAL = 1.959964
"""Standard deviations of a normal distribution to both sides of its mean within which that share lies."""
_BLOCK = 4_000_000


def alone(value: float) -> Estimate:
    """An estimate without an interval; NaN where there is none."""
    return Estimate(value, math.nan, math.nan)


def f_limits(df: float, other: float) -> tuple[float, float]:
    """What a ratio of mean squares is divided by for the lower and the upper end of its confidence interval."""
    from scipy.special import fdtri

    df, other = min(df, 1e9), min(other, 1e9)
    return float(fdtri(df, other, (1 + LEVEL) / 2)), float(fdtri(df, other, (1 - LEVEL) / 2))


def student(df: float) -> float:
    """Standard deviations to both sides where these were estimated with so many degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(df, (1 + LEVEL) / 2))


def fisher_interval(value: float, draws: Numbers, *, without: Numbers | None = None) -> Estimate:
    """A correlation with a normal interval on Fisher's z, which stays between -1 and 1.

    Args:
        value: the correlation of the study itself.
        draws: (resamples,): those of its resamples; NaN ones are left out.
        without: (resamples,): what varies in the draws but not in the value, such as random halves of the same data;
            its variance is taken off that of the draws.
    """
    if math.isnan(value) or len(draws[np.isfinite(draws)]) < 2:
        return alone(value)
    if abs(value) > 1 - 1e-12:
        return Estimate(value, value, value)
    variance, less = (
        0.0
        if found is None
        else float(np.arctanh(np.clip(found[np.isfinite(found)], -1 + 1e-12, 1 - 1e-12)).var(ddof=1))
        for found in (draws, without)
    )
    half = NORMAL * math.sqrt(max(variance - less, 0.1 * variance))
    return Estimate(value, math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half))


def resampled(pairs: int, resamples: int, rng: np.random.Generator) -> Iterator[Numbers]:
    """Blocks of bootstrap weights, (pairs, resamples of the block): how often each pair was drawn, with replacement."""
    step = max(1, _BLOCK // max(pairs, 1))
    for start in range(0, resamples, step):
        columns = min(step, resamples - start)
        drawn = rng.integers(pairs, size=(columns, pairs)) + pairs * np.arange(columns)[:, None]
        yield np.bincount(drawn.reshape(-1), minlength=pairs * columns).reshape(columns, pairs).T.astype(np.float64)


def midranks(level: Places, weights: Numbers) -> Numbers:
    """Ranks of repeated values, ties in the middle of theirs, less one half.

    Args:
        level: (values,): the place of each value among the distinct ones.
        weights: (values,): how often each occurs.
    """
    counts = np.bincount(level, weights)
    middle: Numbers = np.cumsum(counts) - counts / 2
    return middle[level]


def levels(values: Numbers) -> Places:
    """The place of each value among the distinct ones; what differs by a rounding of means is one value."""
    size = float(np.abs(values).max()) if len(values) else 0.0
    settled = np.round(values / size, 11) if size > 0 else values
    return np.unique(settled, return_inverse=True)[1].reshape(-1).astype(np.int64)


def correlation(x: Numbers, y: Numbers, weights: Numbers) -> float:
    """Pearson's correlation of repeated values; NaN where one is constant."""
    total = weights.sum()
    if total <= 0:
        return math.nan
    x, y = x - (weights @ x) / total, y - (weights @ y) / total
    below = math.sqrt(float(weights @ x**2) * float(weights @ y**2))
    return float(np.clip((weights * x) @ y / below, -1, 1)) if below > 1e-12 * total else math.nan
