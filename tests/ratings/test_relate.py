"""What is known of RELATE's released ratings, on the real files.

Kanamori et al., RELATE (Interspeech 2025): the figures of its README, and those that follow from its files.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from clapometer import read_ratings
from clapometer.ratings.screening import against_relate, parse_rule, screened
from clapometer.ratings.summary import summarize
from clapometer.ratings.table import Ratings
from clapometer.stats.ceiling import noise_ceiling
from clapometer.stats.icc import icc
from clapometer.stats.reliability import against_rest

REAL = Path(__file__).parents[3] / "shared" / "data" / "ratings"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the real ratings, ../shared/data/ratings, are not here")


@cache
def relate(name: str) -> Ratings:
    return read_ratings(REAL / f"{name}.csv")


def counts(ratings: Ratings) -> tuple[int, int, int]:
    return len(ratings.pairs), len(ratings), len(ratings.listeners[1])


def test_the_counts_of_the_readme() -> None:
    assert counts(relate("REL").only(split="test,validation")) == (2598, 7797, 873)
    assert counts(relate("REL").only(split="train")) == (2862, 9963, 1085)


def test_the_mislabelled_anchors_are_reported() -> None:
    ratings = relate("REL")
    assert (len(ratings), ratings.scale, ratings.dialect) == (28770, (0, 10), "relate")
    assert ratings.problem_counts() == {"mislabelled anchor": 14}
    assert sum("train" in problem.message for problem in ratings.problems) == 13
    assert ratings.is_anchor.sum() == 4110


def test_the_questionnaire_is_joined() -> None:
    ratings = read_ratings(REAL / "REL.csv", listeners=REAL / "REL_listeners.csv")
    assert set(ratings.column("question9")) == {"1", "2", "3"}
    assert "1370 of 1370 listeners are in REL_listeners.csv" in ratings.notes


def test_the_rule_of_screening_has_no_exception() -> None:
    assert against_relate(relate("REL")) == (0, 24660)


@pytest.mark.parametrize("name", ["REL", "IS"])
def test_the_rule_of_screening_gives_the_counts_of_the_readme(name: str) -> None:
    ratings = relate(name)
    kept, [step] = screened(ratings, ~ratings.is_anchor, [parse_rule("relate", ratings)])
    used, part = ratings.take(kept), ratings.column("in AudioCaps")[kept]
    found = [counts(used.take(part == split)) for split in ("train", "test")]
    expected = {
        "REL": [(2862, 9963, 1085), (2598, 7797, 873)],
        "IS": [(2649, 7641, 864), (2334, 5865, 635)],
    }
    assert found == expected[name]
    assert step.ratings == (~ratings.is_anchor).sum() - len(used)


def test_generators_come_from_the_path() -> None:
    ratings = relate("REL").only(split="test,validation")
    pairs = ratings.pairs
    means = {name: round(float(pairs.mean[pairs.system == name].mean()), 2) for name in set(pairs.system)}
    assert means == {"natural": 7.74, "tango2": 7.98, "tango": 6.13, "audioldm2": 5.43, "audioldm": 5.30}


def test_reliability_and_ceiling_of_the_test_split() -> None:
    ratings = relate("REL").only(split="test,validation")
    target, pair = ratings.target, ratings.pairs.index
    assert np.var(ratings.mapped(ratings.pairs.mean)) == pytest.approx(0.0761, abs=5e-5)  # the constant predictor's MSE
    assert icc(target, pair).single.value == pytest.approx(0.434, abs=5e-4)
    rest = against_rest(ratings.rating, pair)
    assert rest.srcc.value == pytest.approx(0.529, abs=5e-4)
    assert rest.ratings == 7263
    ceiling = noise_ceiling(target, pair)
    assert ceiling.lcc.value == pytest.approx(0.787, abs=5e-4)
    assert ceiling.mse.value == pytest.approx(0.0291, abs=5e-5)
    assert ceiling.several == 2064
    # No formula gives this one: what the model of the panel gives, near the ceiling of LCC.
    assert ceiling.srcc.value == pytest.approx(0.784, abs=0.025)
    for each in (ceiling.srcc, ceiling.lcc, ceiling.ktau, ceiling.mse):
        assert each.low < each.value < each.high


@pytest.mark.parametrize(
    ("system", "lcc"),
    [("natural", 0.713), ("audioldm", 0.742), ("audioldm2", 0.789), ("tango", 0.735), ("tango2", 0.644)],
)
def test_the_ceiling_of_a_generator(system: str, lcc: float) -> None:
    ratings = relate("REL").only(split="test,validation")
    own = ratings.take(ratings.system == system)
    assert noise_ceiling(own.target, own.pairs.index, intervals=False).lcc.value == pytest.approx(lcc, abs=3e-3)


@pytest.mark.slow
def test_the_summary_holds_all_of_it() -> None:
    summary = summarize(relate("REL").only(split="test,validation"))
    assert (summary.all.pairs, summary.all.ratings, summary.all.listeners) == (2598, 7797, 873)
    assert [group.name for group in summary.splits] == ["test", "validation"]
    assert [name for name, _ in summary.ceilings] == ["", "audioldm", "audioldm2", "natural", "tango", "tango2"]
    assert summary.per_pair.ones == 534
    assert summary.reliability is not None
    assert summary.reliability.icc.k == pytest.approx(3.0, abs=0.01)
    assert sum(count for _, _, count in summary.distribution) == 7797


def test_the_design_is_partly_crossed_and_the_ceiling_that_of_consistency() -> None:
    ratings = relate("REL").only(split="test,validation")
    found = noise_ceiling(ratings.target, ratings.pairs.index, ratings.listeners[0], intervals=False)
    assert found.design == "partly crossed"
    # 873 listeners share hardly a pair: little changes against the one-way figures, 0.787 and 0.0291.
    assert found.lcc.value == pytest.approx(0.787, abs=0.01)
    assert found.mse.value == pytest.approx(0.0291, abs=5e-4)
