"""Trivial baselines that use neither audio nor text, with which every score is compared.

Both predict a pair from the ratings of others, never from its own.
"""

from __future__ import annotations

import numpy as np

from clapometer.ratings.table import Pairs
from clapometer.types import FloatArray, IndexArray

FOLDS = 2
"""Parts of which each is predicted from the other, where there is no training split."""


def constant(pairs: Pairs, training: Pairs | None) -> FloatArray:
    """For each pair the mean rating of the training pairs; without any, that of all other pairs.

    Args:
        pairs: those to be predicted, two or more.
        training: those whose mean is taken.
    """
    if training is not None:
        return np.full(len(pairs), training.mean.mean())
    others: FloatArray = (pairs.mean.sum() - pairs.mean) / (len(pairs) - 1)
    return others


def systems_mean(pairs: Pairs, training: Pairs | None) -> tuple[FloatArray, IndexArray | None] | None:
    """For each pair the mean rating of the system that made its sound.

    Args:
        pairs: those to be predicted.
        training: those whose means are taken; a system that is not among them has the mean of all. None: each half of
            the pairs of every system is predicted from the other.

    Returns:
        (pairs,), and the half of each pair where there is no training split: within a half nothing is known of it,
        while the halves together would make a predictor that knows nothing look reversed. None where fewer than two
        systems are known.
    """
    if len({*pairs.system} - {""}) < 2:
        return None
    if training is not None:
        return _predicted(pairs, training, np.ones(len(training), bool), np.ones(len(pairs), bool)), None
    fold, predicted = np.empty(len(pairs), np.int64), np.empty(len(pairs))
    by_system = np.argsort(pairs.system.astype(str), kind="stable")
    fold[by_system] = np.arange(len(pairs)) % FOLDS
    for number in range(FOLDS):
        here = fold == number
        predicted[here] = _predicted(pairs, pairs, ~here, here)
    return predicted, fold


def _predicted(pairs: Pairs, known: Pairs, taken: np.ndarray, wanted: np.ndarray) -> FloatArray:
    system, mean = known.system[taken], known.mean[taken]
    means = {name: float(mean[system == name].mean()) for name in {*system}}
    overall = float(mean.mean()) if len(mean) else float("nan")
    return np.array([means.get(name, overall) for name in pairs.system[wanted]])
