from __future__ import annotations

import numpy as np
import pytest

from clapometer.benchmark.figures import average_precision, classified, tagged
from clapometer.benchmark.result import Answers
from clapometer.stats.bootstrap import Resamples
from clapometer.tasks import Clip

QUICK = Resamples(number=200)


def answers(true: str, predicted: str, folds: str, labels: str = "abc") -> Answers:
    clips = [
        Clip(f"{number}.wav", (label,), fold=fold) for number, (label, fold) in enumerate(zip(true, folds, strict=True))
    ]
    scores = np.array([[float(label == said) for label in labels] for said in predicted])
    return Answers(clips, tuple(labels), scores, list(folds))


def test_accuracy_is_the_mean_of_the_folds_and_uar_that_of_the_classes():
    found = classified(answers("aaaabb", "aaabba", "111122"), "accuracy", QUICK)
    assert found.value.value == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found.folds == {"1": 0.75, "2": 0.5}
    assert found.estimates["uar"].value == pytest.approx((3 / 4 + 1 / 2) / 2)  # a: 3 of 4, b: 1 of 2; c is nowhere
    assert found.estimates["accuracy"].low < found.value.value < found.estimates["accuracy"].high
    rows = {row.label: row for row in found.classes}
    assert (rows["a"].recall, rows["a"].precision, rows["a"].taken_for) == (0.75, 0.75, "b (1)")
    assert (rows["c"].clips, rows["c"].recall, rows["c"].precision) == (0, None, None)
    assert found.confusion is not None
    assert found.confusion.tolist() == [[3, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_uar_as_the_metric_and_its_folds():
    found = classified(answers("aaabab", "aaabbb", "111122"), "uar", QUICK)
    assert found.main == "uar"
    assert found.value.value == pytest.approx((3 / 4 + 1) / 2)
    assert found.folds == {"1": 1.0, "2": pytest.approx(0.5)}


def test_the_interval_is_that_of_drawn_clips():
    random = np.random.default_rng(0)
    true = "".join(random.choice(list("ab"), 400))
    lucky = random.random(400) < 0.8
    said = "".join(label if hit else "ab"[label == "a"] for label, hit in zip(true, lucky, strict=True))
    found = classified(answers(true, said, "1" * 400, "ab"), "accuracy", Resamples(number=2000)).value
    spread = np.sqrt(found.value * (1 - found.value) / 400)
    assert found.low == pytest.approx(found.value - 1.96 * spread, abs=0.008)
    assert found.high == pytest.approx(found.value + 1.96 * spread, abs=0.008)


def slow_average_precision(truth, scores) -> float:
    """Sum over thresholds of precision times the recall gained."""
    total, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        taken = scores >= threshold
        recall = truth[taken].sum() / truth.sum()
        total += truth[taken].mean() * (recall - before)
        before = recall
    return float(total)


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_with_ties_and_weights(seed):
    random = np.random.default_rng(seed)
    truth, scores = random.random(40) < 0.3, random.integers(0, 12, 40).astype(float)
    weights = random.integers(0, 4, (40, 3)).astype(float)
    found = average_precision(truth, scores, weights)
    for column in range(3):
        times = weights[:, column].astype(int)
        assert found[column] == pytest.approx(slow_average_precision(np.repeat(truth, times), np.repeat(scores, times)))
    assert np.isnan(average_precision(np.zeros(40, bool), scores, weights)).all()


def test_tags_that_do_not_occur_count_nowhere():
    clips = [Clip("1", ("a", "b"), split="test"), Clip("2", ("a",), split="test"), Clip("3", ("b",), split="test")]
    scores = np.array([[0.9, 0.1, 0.9], [0.8, 0.2, 0.1], [0.1, 0.9, 0.1]])
    found = tagged(Answers(clips, ("a", "b", "c"), scores, ["test"] * 3), QUICK)
    assert found.value.value == pytest.approx((1 + (1 + 2 / 3) / 2) / 2)
    assert [row.average_precision for row in found.classes] == [1.0, pytest.approx(5 / 6), None]
    assert found.value.low <= found.value.value <= found.value.high
    assert found.folds == {"test": pytest.approx(found.value.value)}
