"""Predictors that know nothing of sound and text, against which every score has to stand."""

from __future__ import annotations

import numpy as np

from clapometer.evaluation.result import Numbers
from clapometer.tables.ratings import Pairs


def constant(pairs: Pairs) -> Numbers:
    """The mean of the very ratings that are to be predicted: the constant that no other beats."""
    return np.full(len(pairs), pairs.mean.mean())


def systems_mean(pairs: Pairs, training: Pairs | None) -> Numbers | None:
    """For each pair the mean rating of the system that made its sound.

    Args:
        pairs: those to be predicted.
        training: those whose means are taken; a system that is not among them has the mean of all. None: the means of
            the pairs themselves, which flatters it a little.

    Returns:
        (pairs,), or None where fewer than two systems are known.
    """
    if len({*pairs.system} - {""}) < 2:
        return None
    known = pairs if training is None else training
    means = {name: float(known.mean[known.system == name].mean()) for name in {*known.system}}
    overall = float(known.mean.mean())
    return np.array([means.get(name, overall) for name in pairs.system])
