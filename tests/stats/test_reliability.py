"""One listener against the rest, and halves against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from clapometer.stats.reliability import against_rest, spearman_brown, split_half


def panel(pairs, truth, seed, most=6):
    """Ratings with a known ICC(1), one to some a pair."""
    rng = np.random.default_rng(seed)
    pair = np.repeat(np.arange(pairs), rng.integers(1, most, pairs))
    return rng.normal(0, math.sqrt(truth), pairs)[pair] + rng.normal(0, math.sqrt(1 - truth), len(pair)), pair


def test_one_against_the_rest_is_what_scipy_has():
    rng = np.random.default_rng(0)
    pair = np.repeat(np.arange(60), rng.integers(1, 6, 60))
    rating = rng.integers(0, 11, len(pair)).astype(float)
    own, rest = [], []
    for number, (value, which) in enumerate(zip(rating, pair, strict=True)):
        others = [rating[other] for other in np.flatnonzero(pair == which) if other != number]
        if others:
            own.append(value)
            rest.append(np.mean(others))
    found = against_rest(rating, pair, resamples=50)
    assert found.ratings == len(own)
    assert found.srcc.value == pytest.approx(stats.spearmanr(own, rest)[0], abs=1e-12)
    assert found.lcc.value == pytest.approx(stats.pearsonr(own, rest)[0], abs=1e-12)
    assert found.ktau == pytest.approx(stats.kendalltau(own, rest)[0], abs=1e-12)
    assert found.srcc.low < found.srcc.value < found.srcc.high


def test_means_that_differ_by_a_rounding_are_ties():
    # 0.1 + 0.2 is not 0.3, but their halves are one mean.
    rating = np.array([0.5, 0.1, 0.2, 0.6, 0.3, 0.0, 0.7, 0.1, 0.9])
    found = against_rest(rating, np.repeat([0, 1, 2], 3), resamples=0)
    exact = against_rest(10 * rating, np.repeat([0, 1, 2], 3), resamples=0)
    assert found.srcc.value == pytest.approx(exact.srcc.value, abs=1e-12)
    assert found.ktau == pytest.approx(exact.ktau, abs=1e-12)


def test_halves_of_two_are_one_against_the_other():
    # With two ratings a pair the split is only which of both is called the first.
    rating, pair = panel(400, 0.5, 1)
    two = np.flatnonzero(np.bincount(pair) > 1)
    chosen = np.concatenate([np.flatnonzero(pair == number)[:2] for number in two])
    rating, pair = rating[chosen], np.repeat(np.arange(len(two)), 2)
    found = split_half(rating, pair, splits=400)
    assert found.pairs == len(two)
    both = np.concatenate([rating[0::2], rating[1::2]]), np.concatenate([rating[1::2], rating[0::2]])
    assert found.lcc.value == pytest.approx(stats.pearsonr(*both)[0], abs=0.005)
    assert found.lcc_corrected.value == pytest.approx(spearman_brown(found.lcc.value))


def test_the_corrected_half_is_the_reliability_of_the_mean():
    truth = 0.4
    rng = np.random.default_rng(3)
    quality = rng.normal(0, math.sqrt(truth), 3000)
    pair = np.repeat(np.arange(3000), 4)
    rating = quality[pair] + rng.normal(0, math.sqrt(1 - truth), 12000)
    found = split_half(rating, pair, splits=60)
    assert found.lcc_corrected.value == pytest.approx(4 * truth / (1 + 3 * truth), abs=0.02)
    assert found.srcc_corrected.value == pytest.approx(found.lcc_corrected.value, abs=0.03)


def test_edges():
    alone = np.array([1.0, 2, 3]), np.array([0, 1, 2])
    assert math.isnan(against_rest(*alone).srcc.value)
    assert math.isnan(split_half(*alone).lcc_corrected.value)
    same = np.array([4.0] * 6), np.repeat([0, 1, 2], 2)
    assert math.isnan(against_rest(*same).ktau)
    assert math.isnan(split_half(*same).srcc.value)
    assert spearman_brown(0.5) == pytest.approx(2 / 3)
    assert spearman_brown(0.5, 4) == pytest.approx(0.8)
    assert math.isnan(spearman_brown(-1))


def test_runs_repeat():
    rating, pair = panel(80, 0.5, 4)
    assert split_half(rating, pair, splits=30) == split_half(rating, pair, splits=30)
    assert against_rest(rating, pair, resamples=30) == against_rest(rating, pair, resamples=30)
