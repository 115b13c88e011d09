from __future__ import annotations

import numpy as np
import pytest

from clapometer.stats.bootstrap import Resamples
from clapometer.stats.retrieval import retrieval_figures

QUICK = Resamples(number=200)


def test_figures_of_a_known_order():
    # Twelve things; the right one of the first query is at place 1, of the second at 3, of the third at 11.
    likeness = np.tile(-np.arange(12.0), (3, 1))
    right = np.zeros((3, 12), bool)
    right[[0, 1, 2], [0, 2, 10]] = True
    found, ranks = retrieval_figures(likeness, right, QUICK)
    assert ranks.tolist() == [1, 3, 11]
    values = {name: figure.value for name, figure in found.items()}
    assert values == pytest.approx(
        {"R@1": 1 / 3, "R@5": 2 / 3, "R@10": 2 / 3, "mAP@10": (1 + 1 / 3) / 3, "median rank": 3}
    )
    for name in ("R@1", "R@5", "mAP@10"):
        assert found[name].low <= found[name].value <= found[name].high


def test_several_right_things():
    likeness = -np.arange(12.0)[None]
    right = np.zeros((1, 12), bool)
    right[0, [1, 3, 11]] = True
    found, _ = retrieval_figures(likeness, right, QUICK)
    assert found["mAP@10"].value == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert found["R@1"].value == 0
    assert found["R@5"].value == 1


def test_a_model_that_says_the_same_of_everything_finds_nothing():
    right = np.eye(20, dtype=bool)
    found, ranks = retrieval_figures(np.zeros((20, 20)), right, QUICK)
    assert ranks.tolist() == [20] * 20
    assert found["R@10"].value == 0
    assert found["median rank"].value == 20
