"""Ratings without the listeners' habits: each listener's own mean and spread are taken out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from clapometer.stats.estimate import Numbers, Places


@dataclass(frozen=True, eq=False)
class Standardised:
    """Ratings as distances from their listener's mean, in his or her standard deviations."""

    z: Numbers
    """(ratings,); NaN for listeners without a spread: a single rating, or always the same."""
    listener_mean: Numbers
    """(listeners,)"""
    listener_sd: Numbers
    """(listeners,): with n - 1; NaN where there is none."""
    mean: float
    """Mean of the listeners' means, for the way back to the scale: mean + sd * z."""
    sd: float
    """Root of the mean of the listeners' variances."""


def standardise(rating: Numbers, listener: Places) -> Standardised:
    """Standardise ratings listener by listener, as SPO-CLAPScore (Takano et al. 2026) has its targets.

    Unlike there, where they get a standard deviation of 1, listeners without a spread have no standardised ratings and
    no part in `mean` and `sd`: what always says the same says nothing of a pair.

    It takes listeners to have heard pairs of equal merit on average. Where one got the worse half of the pairs, that is
    taken out with the habits: prefer it for designs in which pairs were dealt out at random.

    Args:
        rating: (ratings,), finite.
        listener: (ratings,): the number of the listener, from 0 without gaps.
    """
    count = np.bincount(listener).astype(np.float64)
    mean = np.bincount(listener, rating) / count
    squares = np.bincount(listener, (rating - mean[listener]) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        sd = np.sqrt(squares / (count - 1))
    sd[~(sd > 1e-12 * np.maximum(1, np.abs(mean)))] = math.nan
    spread = ~np.isnan(sd)
    if not spread.any():
        return Standardised(np.full(len(rating), math.nan), mean, sd, math.nan, math.nan)
    own = float(mean[spread].mean())
    return Standardised(
        (rating - mean[listener]) / sd[listener], mean, sd, own, math.sqrt(float((sd[spread] ** 2).mean()))
    )
