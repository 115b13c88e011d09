from __future__ import annotations

import math
import time

import numpy as np
import pytest

from clapometer.errors import BadOption
from clapometer.stats.agreement import agreement
from clapometer.stats.bootstrap import Estimate, Resamples, Votes
from clapometer.stats.weighted import weighted_agreement


def estimates(x, y, resamples, votes=None):
    replicates = np.concatenate([weighted_agreement(x, r, w) for r, w in resamples.blocks(y, votes)], axis=1)
    assert replicates.shape == (4, resamples.number)
    return [resamples.estimate(v, some) for v, some in zip(agreement(x, y).values, replicates, strict=True)]


def coverage(studies: int, n: int, resamples: int, correlation: float = 0.5) -> np.ndarray:
    """In what share of simulated studies the interval of each figure holds the truth."""
    truth = (
        6 / math.pi * math.asin(correlation / 2),
        correlation,
        2 / math.pi * math.asin(correlation),
        2 - 2 * correlation,
    )
    rng, hits = np.random.default_rng(5), np.zeros(4)
    for study in range(studies):
        x = rng.normal(size=n)
        y = correlation * x + math.sqrt(1 - correlation**2) * rng.normal(size=n)
        found = estimates(x, y, Resamples(resamples, seed=study))
        hits += [one.low <= true <= one.high for one, true in zip(found, truth, strict=True)]
    return hits / studies


def test_intervals_hold_the_truth():
    shares = coverage(120, 200, 300)
    assert (shares > 0.88).all()
    assert (shares < 0.995).all()


@pytest.mark.slow
def test_intervals_hold_the_truth_in_92_to_98_of_100_studies():
    shares = coverage(500, 300, 500)
    assert (shares >= 0.92).all(), shares
    assert (shares <= 0.98).all(), shares


def panel(rng, quality, listeners=40, each=6):
    """Votes of listeners who have habits of their own, and their means."""
    n = len(quality)
    pair = np.concatenate([rng.permutation(n) for _ in range(listeners * each // n)])
    listener = np.repeat(np.arange(listeners), each)
    habit = rng.normal(size=listeners)[listener]
    rating = np.round(2 * (quality[pair] + 0.7 * habit + 0.7 * rng.normal(size=len(pair))))
    return Votes(pair, listener, rating), np.round(np.bincount(pair, rating, n) / np.bincount(pair, minlength=n), 12)


def test_intervals_of_other_listeners_hold_the_truth_and_are_not_endless():
    rng = np.random.default_rng(2)
    quality = rng.normal(size=40)
    x = 0.7 * quality + 0.7 * rng.normal(size=40)
    studies = [panel(rng, quality) for _ in range(100)]
    found = [estimates(x, y, Resamples(250, "listeners"), votes)[0] for votes, y in studies]
    truth = np.mean([agreement(x, y).srcc for _, y in studies])
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.92
    spread = np.std([one.value for one in found])
    assert np.mean([one.high - one.low for one in found]) < 2.2 * 3.92 * spread


def test_drawing_both_is_on_the_careful_side():
    rng = np.random.default_rng(3)
    quality = rng.normal(size=60)
    votes, y = panel(rng, quality, listeners=60)
    x = quality + rng.normal(size=60)
    widths = [
        [one.high - one.low for one in estimates(x, y, Resamples(500, drawn), votes)[:3]]
        for drawn in ("clips", "listeners", "both")
    ]
    assert (np.array(widths[2]) > widths[0]).all()
    assert (np.array(widths[2]) > widths[1]).all()


def test_one_seed_one_interval_and_another_seed_another():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=50), rng.normal(size=50)
    first = estimates(x, y, Resamples(300, seed=1))
    assert first == estimates(x, y, Resamples(300, seed=1))
    assert first != estimates(x, y, Resamples(300, seed=2))


def test_a_thousand_resamples_of_3000_pairs_take_about_a_second():
    rng = np.random.default_rng(0)
    x = rng.normal(size=3000)
    y = np.round(x + rng.normal(size=3000), 1)
    started = time.process_time()
    estimates(x, y, Resamples(1000))
    assert time.process_time() - started < 3, "ten thousand should take seconds"


def test_no_interval_where_many_resamples_have_no_figure():
    resamples = Resamples(200)
    replicates = np.where(np.arange(200) % 5, 0.5, np.nan)
    found = resamples.estimate(0.5, replicates)
    assert found.value == 0.5
    assert math.isnan(found.low)
    assert math.isnan(resamples.estimate(math.nan, np.ones(200)).low)


def test_a_wider_level_is_a_wider_interval():
    draws = np.random.default_rng(0).normal(size=2000)
    narrow, wide = (Resamples(2000, level=level).estimate(0, draws) for level in (0.8, 0.99))
    assert wide.low < narrow.low < 0 < narrow.high < wide.high


def test_clear_is_what_leaves_0_out():
    assert Estimate(0.1, 0.05, 0.2).is_clear
    assert Estimate(-0.1, -0.2, -0.05).is_clear
    assert not Estimate(0.1, -0.1, 0.3).is_clear
    assert not Estimate(0.1, math.nan, math.nan).is_clear


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"number": 10}, "10 resamples are too few"),
        ({"drawn": "cards"}, "clips, listeners, both, not 'cards'"),
        ({"level": 95}, "such as 0.95, not 95"),
        ({"seed": -1}, "seed must be 0 or more"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(BadOption, match=message):
        Resamples(**options)


def test_listeners_cannot_be_drawn_where_they_are_not_known():
    with pytest.raises(BadOption, match="whose they are"):
        list(Resamples(100, "listeners").blocks(np.zeros(3)))
