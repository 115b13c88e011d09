"""Rules by their names, one after the other."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from clapometer import read_ratings
from clapometer.errors import BadOption
from clapometer.panel.rules import against_relate, parse_rule, screened, usual_rules
from clapometer.panel.summary import summarise
from clapometer.tables.ratings import Ratings


def made(path: Path, rows: list[tuple[object, ...]], *, listener: bool = True) -> Ratings:
    columns = ("audio", "text", "rating", "anchor", "listener")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns if listener else columns[:4])
        writer.writerows([row if listener else row[:4] for row in rows])
    return read_ratings(path, scale=(0, 10))


@pytest.fixture
def ratings(tmp_path: Path) -> Ratings:
    rows: list[tuple[object, ...]] = []
    good = [9, 2, 8, 1, 7, 3], [10, 3, 9, 2, 8, 2], [9, 1, 8, 2, 6, 3]
    constant, contrary = [5, 5, 5, 5, 5, 5], [1, 9, 2, 8, 3, 7]
    for listener, said in enumerate((*good, constant, contrary)):
        rows += [(f"{number}.wav", "x", rating, "", f"l{listener}") for number, rating in enumerate(said)]
        rows.append(("anchor.wav", "y", (0, 2, 4, 4, 6)[listener], "True", f"l{listener}"))
    return made(tmp_path / "r.csv", rows)


def test_rules_apply_in_their_order_to_what_is_left(ratings: Ratings) -> None:
    start = ~ratings.is_anchor
    rules = [parse_rule(text, ratings) for text in ("anchors=5", "constant", "near=1")]
    kept, steps = screened(ratings, start, rules)
    assert [step.rule for step in steps] == ["anchors=5", "constant", "near=1"]
    assert [(step.ratings, step.listeners, step.pairs) for step in steps] == [(6, 1, 0), (6, 1, 0), (0, 0, 0)]
    assert set(ratings.listener[kept]) == {"l0", "l1", "l2"}
    assert not ratings.is_anchor[kept].any()
    other = screened(ratings, start, rules[::-1])[1]
    assert other[0].ratings > 0
    assert sum(step.ratings for step in other) == start.sum() - screened(ratings, start, rules[::-1])[0].sum()


def test_correlation_with_the_rest_by_name(ratings: Ratings) -> None:
    _, [step] = screened(ratings, ~ratings.is_anchor, [parse_rule("rest=0.3", ratings)])
    assert (step.ratings, step.listeners, step.unjudged) == (6, 1, 6)


def test_the_usual_rules_are_those_that_fit_the_file(ratings: Ratings, tmp_path: Path) -> None:
    assert [str(rule) for rule in usual_rules(ratings)] == ["anchors=5", "near=5", "rest=0", "constant"]
    nobody = made(tmp_path / "n.csv", [("a", "x", 1, "", ""), ("a", "x", 2, "", "")], listener=False)
    assert [str(rule) for rule in usual_rules(nobody)] == ["near=5"]
    assert against_relate(nobody) is None
    for name in ("constant", "rest", "anchors"):
        with pytest.raises(BadOption, match="does not say who rated"):
            screened(nobody, np.ones(2, bool), [parse_rule(name, nobody)])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nosuch", "'nosuch' is none of relate, anchors, near, rest, constant"),
        ("near=far", "near needs a number, as in near=5"),
        ("constant=3", "constant takes no number"),
        ("near=-1", "0 or more"),
        ("relate", "no column 'in AudioCaps'; use anchors=5"),
        ("near=0.1", "leaves no rating"),
    ],
)
def test_rules_that_cannot_be_used(text: str, said: str, tmp_path: Path) -> None:
    ratings = made(tmp_path / "r.csv", [("a", "x", 1, "", "p"), ("a", "x", 9, "", "q"), ("z", "x", 0, "1", "p")])
    with pytest.raises(BadOption, match=said):
        screened(ratings, ~ratings.is_anchor, [parse_rule(text, ratings)])


def test_a_summary_of_ratings_by_nobody_and_of_few(tmp_path: Path) -> None:
    few = summarise(made(tmp_path / "f.csv", [("a", "x", 1.5, "", ""), ("b", "x", 2, "", "")], listener=False))
    assert few.reliability is None
    assert few.per_listener is None
    assert few.all.listeners is None
    assert few.ceilings == (("", None),)
    assert few.distribution == ((1.5, 1.5, 1), (2, 2, 1))


def test_bins_of_a_fine_scale(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [(f"{n}.wav", "x", float(value), "", "p") for n, value in enumerate(rng.uniform(0, 10, 300))]
    found = summarise(made(tmp_path / "r.csv", rows)).distribution
    assert len(found) == 11
    assert (found[0][0], found[-1][1]) == (0, 10)
    assert sum(count for _, _, count in found) == 300
