"""Habits of listeners taken out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from clapometer.stats.standardise import standardise


def test_by_hand():
    rating = np.array([2.0, 4, 6, 9, 9, 1, 3, 5])
    listener = np.array([0, 0, 0, 1, 1, 2, 3, 3])
    found = standardise(rating, listener)
    root = math.sqrt(2)
    assert found.z[:3].tolist() == [-1, 0, 1]
    assert np.isnan(found.z[3:6]).all()  # always the same, and a single rating
    assert found.z[6:] == pytest.approx([-1 / root, 1 / root])
    assert found.listener_mean.tolist() == [4, 9, 1, 4]
    assert found.listener_sd[[0, 3]] == pytest.approx([2, root])
    assert np.isnan(found.listener_sd[[1, 2]]).all()
    assert found.mean == 4
    assert found.sd == pytest.approx(math.sqrt((4 + 2) / 2))


def test_habits_of_level_and_spread_leave_no_trace():
    rng = np.random.default_rng(0)
    quality = rng.normal(0, 1, 50)
    level, spread = rng.normal(5, 2, 20), rng.uniform(0.5, 3, 20)
    listener, pair = np.repeat(np.arange(20), 50), np.tile(np.arange(50), 20)
    found = standardise(level[listener] + spread[listener] * quality[pair], listener)
    expected = (quality - quality.mean()) / quality.std(ddof=1)
    assert found.z == pytest.approx(expected[pair], abs=1e-9)


def test_nobody_with_a_spread():
    found = standardise(np.array([0.1, 0.1, 0.1, 5]), np.array([0, 0, 0, 1]))
    assert np.isnan(found.z).all()
    assert math.isnan(found.mean)
    assert math.isnan(found.sd)
