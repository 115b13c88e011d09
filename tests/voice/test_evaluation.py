"""Figures of speech: intervals are of other speakers, and no speaker is on both sides of a split."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest

from clapometer.errors import BadOption
from clapometer.stats.bootstrap import Resamples
from clapometer.voice.evaluation import check_apart, figures_of, speaker_folds

LABELS = ("angry", "sad", "happy")


def told(seed: int, speakers: int = 3, clips: int = 40) -> tuple[list[str], list[str], list[str]]:
    """True and predicted labels, and speakers; each of whom is understood as well as the next."""
    random = np.random.default_rng(seed)
    true = [str(label) for label in random.choice(LABELS, speakers * clips)]
    said = [label if random.random() < 0.6 else str(random.choice(LABELS)) for label in true]
    return true, said, [f"s{number % speakers}" for number in range(len(true))]


def test_intervals_are_those_of_all_draws_of_speakers() -> None:
    """With three speakers all 27 draws can be made one by one."""
    true, said, who = told(0)
    found = figures_of(true, said, who, LABELS, Resamples(number=20000))
    draws = []
    for drawn in product(sorted(set(who)), repeat=3):
        clips = [number for speaker in drawn for number, name in enumerate(who) if name == speaker]
        recalls = [
            np.mean([said[number] == label for number in clips if true[number] == label])
            for label in LABELS
            if any(true[number] == label for number in clips)
        ]
        draws.append((np.mean(recalls), np.mean([said[number] == true[number] for number in clips])))
    low, high = np.quantile(np.array(draws), [0.025, 0.975], axis=0, method="inverted_cdf")
    assert (found.uar.low, found.uar.high) == pytest.approx((low[0], high[0]), abs=0.01)
    assert (found.accuracy.low, found.accuracy.high) == pytest.approx((low[1], high[1]), abs=0.01)
    assert found.uar.value == found.figures.balanced_accuracy
    assert found.speakers == 3


def test_alike_speakers_leave_a_narrow_interval_and_unlike_ones_a_wide_one() -> None:
    true = ["angry", "sad"] * 50
    who = [f"s{number // 10}" for number in range(100)]
    half = [label if number % 10 < 5 else "happy" for number, label in enumerate(true)]
    some = [label if number // 10 < 5 else "happy" for number, label in enumerate(true)]
    alike, unlike = (figures_of(true, said, who, LABELS).accuracy for said in (half, some))
    assert alike.value == unlike.value == 0.5
    assert alike.high - alike.low < 1e-9
    assert unlike.high - unlike.low > 0.4


def test_a_class_that_one_speaker_has_alone_may_be_missing_from_a_draw() -> None:
    true, who = ["angry", "sad", "angry", "happy"], ["a", "a", "b", "b"]
    found = figures_of(true, true, who, LABELS)
    assert (found.uar.low, found.uar.value, found.uar.high) == (1.0, 1.0, 1.0)


def test_one_speaker_has_no_interval() -> None:
    found = figures_of(["angry", "sad"], ["angry", "angry"], ["a", "a"], LABELS)
    assert (found.uar.value, found.accuracy.value) == (0.5, 0.5)
    assert np.isnan([found.uar.low, found.uar.high]).all()


def test_the_same_seed_gives_the_same_interval() -> None:
    one, other = figures_of(*told(1), LABELS), figures_of(*told(1), LABELS)
    assert one.as_dict() == other.as_dict()
    assert one.as_dict()["confusion"]["labels"] == list(LABELS)


@pytest.mark.parametrize("speakers", [["a"], ["a", ""]])
def test_every_clip_has_a_speaker(speakers: list[str]) -> None:
    with pytest.raises(BadOption, match="name each clip's speaker"):
        figures_of(["angry", "sad"], ["angry", "sad"], speakers, LABELS)


def test_a_split_that_shares_a_speaker_is_refused() -> None:
    check_apart(["a", "b"], ["c"])
    with pytest.raises(BadOption, match=r"2 speakers in both parts \(a, b\); split by speaker, never by clip"):
        check_apart(["a", "b", "a"], ["b", "a", "c"])
    with pytest.raises(BadOption, match=r"12 speakers in both parts .* and 2 more"):
        check_apart([str(n) for n in range(12)], [str(n) for n in range(12)])


def test_folds_share_no_speaker_and_are_about_equally_large() -> None:
    clips = {"a": 50, "b": 20, "c": 20, "d": 10, "e": 10, "f": 10}
    speakers = [name for name, times in clips.items() for _ in range(times)]
    folds = speaker_folds(speakers, 3)
    fold_of = dict(zip(speakers, folds, strict=True))
    assert all(fold_of[name] == fold for name, fold in zip(speakers, folds, strict=True))
    assert sorted(Counter(folds).values()) == [30, 40, 50]
    assert speaker_folds(speakers[::-1], 3) == folds[::-1]
    assert len(set(speaker_folds(speakers, 6))) == 6
    for number in (1, 7):
        with pytest.raises(BadOption, match="a speaker for each"):
            speaker_folds(speakers, number)
