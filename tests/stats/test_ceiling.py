"""The noise ceiling of panels whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr

from clapometer.stats.ceiling import noise_ceiling
from clapometer.stats.latent import MOST_LEVELS, fit

COUNTS, SHARES = np.arange(1, 7), (0.2, 0.2, 0.22, 0.2, 0.12, 0.06)
"""Ratings a pair, and how many pairs have so many: about as RELATE has them."""


def qualities(kind, pairs, rng):
    if kind == "normal":
        return rng.normal(5, 2, pairs)
    if kind == "top-heavy":
        return 11 - rng.gamma(1.2, 3, pairs)
    return np.where(rng.random(pairs) < 0.35, rng.normal(1, 1.5, pairs), rng.normal(9.5, 1.5, pairs))


def panel(kind, pairs, noise, rng):
    """Ratings, their pairs, and the true mean of each pair."""
    quality = qualities(kind, pairs, rng)
    pair = np.repeat(np.arange(pairs), rng.choice(COUNTS, pairs, p=SHARES))
    heard = quality[pair] + rng.normal(0, noise, len(pair))
    if kind == "normal":
        return heard, pair, quality
    # Said in whole numbers from 0 to 10, so that the truth is the mean of that.
    true = 10 - ndtr((np.arange(10) + 0.5 - quality[:, None]) / noise).sum(axis=1)
    return np.clip(np.round(heard), 0, 10), pair, true


def truth(kind, noise):
    """What a scorer that knows the true means gets against the mean ratings of many such pairs."""
    rating, pair, true = panel(kind, 40_000, noise, np.random.default_rng(99))
    mean = np.bincount(pair, rating) / np.bincount(pair)
    return (
        stats.spearmanr(true, mean)[0],
        stats.pearsonr(true, mean)[0],
        stats.kendalltau(true, mean)[0],
        np.mean((true - mean) ** 2),
    )


@pytest.mark.parametrize(("kind", "noise"), [("normal", 3), ("normal", 1.5), ("top-heavy", 3), ("two heaps", 3)])
def test_the_ceiling_is_within_two_hundredths_of_the_truth(kind, noise):
    known = truth(kind, noise)
    found = [
        noise_ceiling(*panel(kind, 2500, noise, np.random.default_rng(seed))[:2], resamples=0) for seed in range(4)
    ]
    for name, value, slack in zip(("srcc", "lcc", "ktau"), known, (0.02, 0.02, 0.025), strict=False):
        assert np.mean([getattr(each, name).value for each in found]) == pytest.approx(value, abs=slack), name
    assert np.mean([each.mse.value for each in found]) == pytest.approx(known[3], rel=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "noise", "pairs"), [("normal", 3, 600), ("top-heavy", 3, 600)])
def test_intervals_hold_the_truth(kind, noise, pairs):
    known, held, studies = truth(kind, noise), np.zeros(4), 40
    for seed in range(studies):
        found = noise_ceiling(*panel(kind, pairs, noise, np.random.default_rng(seed))[:2], resamples=200)
        every = (found.srcc, found.lcc, found.ktau, found.mse)
        held += [each.low <= value <= each.high for each, value in zip(every, known, strict=True)]
    assert (held >= 0.85 * studies).all(), held / studies


def test_the_interval_is_around_the_value_and_repeats():
    rating, pair, _ = panel("top-heavy", 200, 3, np.random.default_rng(0))
    found = noise_ceiling(rating, pair, resamples=200)
    assert found == noise_ceiling(rating, pair, resamples=200)
    assert (found.pairs, found.several) == (200, int((np.bincount(pair) > 1).sum()))
    for each in (found.srcc, found.lcc, found.ktau, found.mse):
        assert 0 <= each.low < each.value < each.high <= 1 or each is found.mse


def test_more_ratings_raise_the_ceiling():
    rng = np.random.default_rng(1)
    quality = rng.normal(0, 1, 800)
    few, many = (
        noise_ceiling(quality[pair] + rng.normal(0, 1, len(pair)), pair, resamples=0)
        for pair in (np.repeat(np.arange(800), 2), np.repeat(np.arange(800), 8))
    )
    assert few.lcc.value == pytest.approx(math.sqrt(1 / 1.5), abs=0.03)
    assert many.lcc.value == pytest.approx(math.sqrt(1 / 1.125), abs=0.02)
    assert few.srcc.value < many.srcc.value
    assert few.ktau.value < many.ktau.value
    assert few.mse.value == pytest.approx(0.5, abs=0.05)


def test_edges():
    alone = noise_ceiling(np.array([1.0, 2, 3]), np.array([0, 1, 2]))
    assert all(math.isnan(each.value) for each in (alone.srcc, alone.lcc, alone.ktau, alone.mse))
    assert alone.several == 0
    same = noise_ceiling(np.array([4.0] * 6), np.repeat([0, 1, 2], 2))
    assert math.isnan(same.lcc.value)
    assert math.isnan(same.srcc.value)
    assert same.mse.value == 0
    # Pairs that do not differ: nobody can do better than chance.
    rng = np.random.default_rng(2)
    chance = noise_ceiling(rng.normal(0, 1, 3000), np.repeat(np.arange(1000), 3), resamples=0)
    assert chance.lcc.value < 0.2
    # No noise: a perfect scorer is perfect.
    clear = noise_ceiling(np.repeat(np.arange(30.0), 2), np.repeat(np.arange(30), 2), resamples=0)
    assert clear.lcc.value == pytest.approx(1)
    assert clear.srcc.value > 0.95


def test_the_model_draws_panels_like_the_one_it_was_fitted_to():
    rng = np.random.default_rng(3)
    rating, pair, _ = panel("top-heavy", 1500, 3, rng)
    model = fit(rating, pair)
    assert model is not None
    true, observed = model.drawn(np.bincount(pair), rng)
    own = np.bincount(pair, rating) / np.bincount(pair)
    assert observed.mean() == pytest.approx(own.mean(), abs=0.25)
    assert observed.std() == pytest.approx(own.std(), rel=0.06)
    assert np.exp(model.share).sum() == pytest.approx(1)
    assert (np.diff(model.limits) > 0).all()
    assert len(fit(rng.normal(0, 1, len(pair)), pair).values) <= MOST_LEVELS
    assert (true >= 0).all()
    assert (true <= 10).all()
    gradient = model._loss(model.told)[1]
    step = 1e-5
    for number in range(len(model.told)):
        moved = [model.told.copy(), model.told.copy()]
        moved[0][number] += step
        moved[1][number] -= step
        slope = (model._loss(moved[0])[0] - model._loss(moved[1])[0]) / (2 * step)
        assert gradient[number] == pytest.approx(slope, abs=0.02)
