"""A monotone map from one number to another: isotonic regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clapometer.errors import BadOption

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MonotoneMap:
    """A map that never falls: straight between its knots, level beyond the first and the last."""

    x: tuple[float, ...]
    """Where the knots are, rising."""
    y: tuple[float, ...]
    """The values there, never falling."""

    def __post_init__(self) -> None:
        x, y = np.asarray(self.x, np.float64), np.asarray(self.y, np.float64)
        if len(x) != len(y) or not len(x) or not np.isfinite([x, y]).all():
            raise BadOption(f"a monotone map needs as many finite x as y, at least one; it has {len(x)} and {len(y)}")
        if (np.diff(x) <= 0).any() or (np.diff(y) < 0).any():
            raise BadOption("the knots of a monotone map must rise in x and not fall in y")

    @property
    def is_flat(self) -> bool:
        """Whether it maps every value to one: scores that say nothing of the ratings, or run against them."""
        return self.y[-1] - self.y[0] <= 1e-9 * max(1.0, abs(self.y[-1]))

    def __call__(self, values: npt.ArrayLike) -> Numbers:
        """The values mapped; NaN stays NaN."""
        given = np.asarray(values, np.float64)
        return np.where(np.isnan(given), np.nan, np.interp(given, self.x, self.y))


def isotonic(x: npt.ArrayLike, y: npt.ArrayLike) -> MonotoneMap:
    """The map that never falls with the least squared error.

    Pairs of one x are one point with their number as weight; neighbouring points that fall are pooled until none does.

    Args:
        x: (n,), finite, in any order.
        y: (n,), finite.

    Raises:
        BadOption: different lengths, none, or something that is not finite.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 1 or x.shape != y.shape or not len(x) or not np.isfinite([x, y]).all():
        raise BadOption("a monotone map is fitted to as many finite x as y, at least one of each")
    places, level, counts = np.unique(x, return_inverse=True, return_counts=True)
    means = np.bincount(level.reshape(-1), y) / counts
    pooled = _pooled(means.tolist(), counts.tolist())
    # Within a block the value is one: its ends are all that the map needs.
    fitted = np.repeat([value for value, _ in pooled], [length for _, length in pooled])
    same_before = np.append(False, fitted[1:] == fitted[:-1])
    same_after = np.append(fitted[1:] == fitted[:-1], False)
    knots = ~(same_before & same_after)
    return MonotoneMap(tuple(places[knots].tolist()), tuple(fitted[knots].tolist()))


def _pooled(means: list[float], counts: list[int]) -> list[tuple[float, int]]:
    """Value and number of points of each block."""
    blocks: list[tuple[float, int, int]] = []
    for mean, count in zip(means, counts, strict=True):
        value, weight, length = mean, count, 1
        while blocks and blocks[-1][0] >= value:
            before, its_weight, its_length = blocks.pop()
            value = (before * its_weight + value * weight) / (its_weight + weight)
            weight, length = weight + its_weight, length + its_length
        blocks.append((value, weight, length))
    return [(value, length) for value, _, length in blocks]
