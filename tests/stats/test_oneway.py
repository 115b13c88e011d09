"""Variance components and intraclass correlations of a one-way design."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clapometer.errors import BadOption
from clapometer.stats.oneway import components, icc, sums

# Shrout and Fleiss, Intraclass correlations (Psychological Bulletin 1979), table 2: 6 targets, 4 judges.
SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)


def long(table):
    """(pairs, ratings) as ratings and numbers of pairs."""
    pairs, ratings = table.shape
    return table.reshape(-1), np.repeat(np.arange(pairs), ratings)


def test_the_published_example():
    found = icc(*long(SHROUT_FLEISS))
    assert found.single.value == pytest.approx(0.1657, abs=5e-5)  # printed as .17
    assert found.mean.value == pytest.approx(0.4428, abs=5e-5)  # printed as .44
    assert found.k == 4
    own = components(sums(*long(SHROUT_FLEISS)))
    assert own.between[0] == pytest.approx(11.24, abs=5e-3)  # table 3: between targets 11.24, within 6.26
    assert own.noise[0] == pytest.approx(6.26, abs=5e-3)


def test_an_unbalanced_design_by_hand():
    # Pairs (1, 3), (6, 8, 10), (5): 6 ratings, mean 5.5, means 2, 8, 5.
    rating, pair = np.array([1, 3, 6, 8, 10, 5.0]), np.array([0, 0, 1, 1, 1, 2])
    own = components(sums(rating, pair))
    between = (2 * 3.5**2 + 3 * 2.5**2 + 0.5**2) / 2
    noise = (1 + 1 + 4 + 4) / 3
    k = (6 - (4 + 9 + 1) / 6) / 2
    signal = (between - noise) / k
    assert own.between[0] == pytest.approx(between)
    assert own.noise[0] == pytest.approx(noise)
    assert own.k[0] == pytest.approx(k)
    assert own.single[0] == pytest.approx(signal / (signal + noise))
    assert own.mean[0] == pytest.approx(1 - noise / between)
    assert own.irreducible[0] == pytest.approx(noise * (1 / 2 + 1 / 3 + 1) / 3)
    assert own.ceiling[0] == pytest.approx(math.sqrt(signal / (signal + own.irreducible[0])))
    # Spearman and Brown's formula with k leads from one to the other.
    assert own.mean[0] == pytest.approx(k * own.single[0] / (1 + (k - 1) * own.single[0]))


def test_weights_are_pairs_that_stand_there_so_often():
    rng = np.random.default_rng(0)
    pair = np.sort(rng.integers(8, size=40))
    pair = np.unique(pair, return_inverse=True)[1]
    rating = rng.normal(5, 2, 40) + pair
    times = rng.integers(4, size=(pair.max() + 1, 3))
    weighted = components(sums(rating, pair), times.astype(float))
    for column in range(3):
        repeated = [(rating[pair == number]) for number in np.repeat(np.arange(len(times)), times[:, column])]
        own = components(sums(np.concatenate(repeated), np.repeat(np.arange(len(repeated)), list(map(len, repeated)))))
        for name in ("between", "noise", "k", "single", "mean", "irreducible", "ceiling"):
            assert getattr(weighted, name)[column] == pytest.approx(getattr(own, name)[0], rel=1e-9)


@pytest.mark.parametrize(
    ("rating", "pair", "single"),
    [
        ([3.0, 4, 5], [0, 1, 2], math.nan),  # no pair has two
        ([3.0, 4, 5], [0, 0, 0], math.nan),  # a single pair
        ([3.0, 3, 3, 3], [0, 0, 1, 1], math.nan),  # all the same
        ([0.1, 0.1, 0.1, 0.7, 0.7], [0, 0, 0, 1, 1], 1.0),  # no noise
        ([1.0, 3, 1, 3], [0, 0, 1, 1], -1.0),  # less than chance
    ],
)
def test_edges(rating, pair, single):
    found = icc(np.array(rating), np.array(pair))
    assert found.single.value == pytest.approx(single, nan_ok=True)


@pytest.mark.parametrize(
    ("rating", "pair", "said"),
    [
        ([], [], "at least one"),
        ([1.0], [0, 1], "one of each"),
        ([1.0, math.nan], [0, 0], "not finite"),
        ([1.0, 2.0], [0, 2], "without gaps"),
    ],
)
def test_input_that_is_none(rating, pair, said):
    with pytest.raises(BadOption, match=said):
        sums(np.array(rating), np.array(pair, np.int64))


def test_intervals_hold_the_truth_and_repeat():
    truth, held = 0.4, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        count = rng.integers(1, 6, 150)
        pair = np.repeat(np.arange(150), count)
        rating = rng.normal(0, math.sqrt(truth), 150)[pair] + rng.normal(0, math.sqrt(1 - truth), len(pair))
        found = icc(rating, pair, resamples=300)
        held += found.single.low <= truth <= found.single.high
    assert held >= 52
    assert found == icc(rating, pair, resamples=300)
    assert math.isnan(icc(rating, pair, resamples=0).single.low)


@given(shift=st.floats(-1e3, 1e3), scale=st.floats(0.01, 1e3), seed=st.integers(0, 50))
def test_units_do_not_matter(shift, scale, seed):
    rng = np.random.default_rng(seed)
    pair = np.repeat(np.arange(9), 3)
    rating = rng.normal(0, 1, 27) + pair / 3
    one, other = icc(rating, pair, resamples=0), icc(shift + scale * rating, pair, resamples=0)
    assert other.single.value == pytest.approx(one.single.value, abs=1e-6)
