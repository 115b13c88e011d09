from __future__ import annotations

from typing import Any

import pytest

from clapometer.errors import BadOption
from clapometer.training.options import Augmentation, TrainOptions


def test_the_rate_rises_in_a_line_and_falls_as_a_cosine() -> None:
    options = TrainOptions(steps=110, warmup=10, learning_rate=1.0)
    assert [options.rate(step) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert options.rate(60) == pytest.approx(0.5)
    assert options.rate(109) == pytest.approx(0.0002467, rel=1e-3)
    assert TrainOptions(steps=5, warmup=0).rate(0) == 1e-4


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"steps": 0}, "steps"),
        ({"batch_size": 1}, "batch-size"),
        ({"accumulate": 65}, "accumulate"),
        ({"learning_rate": float("nan")}, "learning-rate"),
        ({"learning_rate": -1.0}, "learning-rate"),
        ({"weight_decay": -0.1}, "weight-decay"),
        ({"rates": {"audio": -1.0}}, "audio"),
        ({"precision": "fp16"}, "precision"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_cannot_be_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(BadOption, match=named):
        TrainOptions(**changes)


@pytest.mark.parametrize(
    ("changes", "named"), [({"mix": 1.5}, "mix"), ({"gain": -1.0}, "gain"), ({"time_mask": 2}, "time-mask")]
)
def test_augmentation_that_cannot_be_is_named(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(BadOption, match=named):
        Augmentation(**changes)
