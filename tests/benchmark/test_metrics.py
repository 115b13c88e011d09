from __future__ import annotations

import numpy as np
import pytest

from clapometer.benchmark.metrics import average_precision, classification_metrics, tagging_metrics
from clapometer.benchmark.results import Predictions
from clapometer.benchmark.tasks import Clip
from clapometer.stats.bootstrap import Resamples

QUICK = Resamples(number=200)


def predictions(true: str, predicted: str, folds: str, labels: str = "abc") -> Predictions:
    clips = [
        Clip(f"{number}.wav", (label,), fold=fold) for number, (label, fold) in enumerate(zip(true, folds, strict=True))
    ]
    scores = np.array([[float(label == said) for label in labels] for said in predicted])
    return Predictions(clips, tuple(labels), scores, list(folds))


def test_accuracy_is_the_mean_of_the_folds_and_uar_that_of_the_classes():
    found = classification_metrics(predictions("aaaabb", "aaabba", "111122"), "accuracy", QUICK)
    assert found.value.value == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found.folds == {"1": 0.75, "2": 0.5}
    assert found.estimates["uar"].value == pytest.approx((3 / 4 + 1 / 2) / 2)  # a: 3 of 4, b: 1 of 2; c is nowhere
    assert found.estimates["accuracy"].low < found.value.value < found.estimates["accuracy"].high
    rows = {row.label: row for row in found.classes}
    assert (rows["a"].recall, rows["a"].precision, rows["a"].confused_with) == (0.75, 0.75, "b (1)")
    assert (rows["c"].clips, rows["c"].recall, rows["c"].precision) == (0, None, None)
    assert found.confusion is not None
    assert found.confusion.tolist() == [[3, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_uar_as_the_metric_and_its_folds():
    found = classification_metrics(predictions("aaabab", "aaabbb", "111122"), "uar", QUICK)
    assert found.main == "uar"
    assert found.value.value == pytest.approx((3 / 4 + 1) / 2)
    assert found.folds == {"1": 1.0, "2": pytest.approx(0.5)}


def test_the_interval_is_that_of_resampled_clips():
    random = np.random.default_rng(0)
    true = "".join(random.choice(list("ab"), 400))
    lucky = random.random(400) < 0.8
    said = "".join(label if hit else "ab"[label == "a"] for label, hit in zip(true, lucky, strict=True))
    found = classification_metrics(predictions(true, said, "1" * 400, "ab"), "accuracy", Resamples(number=2000)).value
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
    found = tagging_metrics(Predictions(clips, ("a", "b", "c"), scores, ["test"] * 3), QUICK)
    assert found.value.value == pytest.approx((1 + (1 + 2 / 3) / 2) / 2)
    assert [row.average_precision for row in found.classes] == [1.0, pytest.approx(5 / 6), None]
    assert found.value.low <= found.value.value <= found.value.high
    assert found.folds == {"test": pytest.approx(found.value.value)}


def tagged_clips(seed, clips=400, tags=20, share=0.02, groups=None):
    rng = np.random.default_rng(seed)
    there = rng.random((clips, tags)) < share
    labels = tuple(f"t{n}" for n in range(tags))
    listed = [
        Clip(str(n), tuple(labels[one] for one in np.flatnonzero(there[n])), group="" if groups is None else groups[n])
        for n in range(clips)
    ]
    return Predictions(listed, labels, rng.normal(size=there.shape) + 1.5 * there, ["all"] * clips)


def test_the_interval_of_the_mean_average_precision_holds_its_value_and_that_of_many_clips():
    """Percentiles of resamples lie above the value, and hold the true one, 0.184, in a third of studies or fewer."""
    held = 0
    for seed in range(6):
        value = tagging_metrics(tagged_clips(seed, 500), Resamples(150)).value
        assert 0 <= value.low < value.value < value.high <= 1
        held += value.low <= 0.184 <= value.high
    assert held >= 5


def test_all_right_is_not_known_for_sure():
    found = classification_metrics(predictions("abc" * 20, "abc" * 20, "1" * 60), "accuracy", QUICK)
    assert (found.value.low, found.value.value, found.value.high) == (pytest.approx(0.94, abs=0.005), 1.0, 1.0)
    assert found.estimates["macro_f1"].low < 1


def test_clips_of_a_speaker_are_resampled_together():
    random = np.random.default_rng(0)
    speaker = np.repeat(np.arange(24), 20)
    right = random.random(480) < np.clip(random.normal(0.6, 0.25, 24), 0, 1)[speaker]
    clips = [Clip(str(n), ("ab"[n % 2],), group=f"speaker {speaker[n]}") for n in range(480)]
    scores = np.array([[float((n % 2 == 0) == hit), float((n % 2 == 1) == hit)] for n, hit in enumerate(right)])
    grouped = classification_metrics(Predictions(clips, ("a", "b"), scores, ["1"] * 480), "accuracy", Resamples(2000))
    alone = classification_metrics(
        Predictions([Clip(clip.audio, clip.labels) for clip in clips], ("a", "b"), scores, ["1"] * 480), "accuracy",
        Resamples(2000),
    )  # fmt: skip
    assert grouped.resampled == "24 groups of clips that share a speaker or recording"
    assert alone.resampled == "480 clips, assumed independent"
    means = np.bincount(speaker, right) / 20
    half = 2.069 * means.std(ddof=1) / np.sqrt(24)  # Student's t with 23 degrees of freedom
    assert grouped.value.value == alone.value.value
    assert (grouped.value.high - grouped.value.low) / 2 == pytest.approx(half, rel=0.1)
    assert grouped.value.high - grouped.value.low > 1.5 * (alone.value.high - alone.value.low)
    assert grouped.estimates["macro_f1"].low < grouped.estimates["macro_f1"].value < grouped.estimates["macro_f1"].high
    tags = tagging_metrics(tagged_clips(0, 100, groups=[f"r{n // 25}" for n in range(100)]), QUICK)
    assert tags.resampled.startswith("4 groups")
