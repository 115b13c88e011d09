import pytest

from clapometer.errors import BadOption
from clapometer.stats.classes import figures


def test_figures_by_hand():
    true = ["a", "a", "a", "b", "b", "c"]
    predicted = ["a", "a", "b", "b", "d", "c"]
    result = figures(true, predicted, ["a", "b", "c", "d", "never"])
    assert result.n == 6
    assert result.accuracy == pytest.approx(4 / 6)
    assert result.balanced_accuracy == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    # F1: a 2*2/(3+2), b 2*1/(2+2), c 1, d 0 (predicted, never true); "never" counts nowhere.
    assert result.macro_f1 == pytest.approx((0.8 + 0.5 + 1 + 0) / 4)
    assert result.confusion.tolist()[:2] == [[2, 1, 0, 0, 0], [0, 1, 0, 1, 0]]
    assert result.confusion.sum() == 6


def test_perfect_and_hopeless_predictions():
    perfect = figures(["a", "b"], ["a", "b"], ["a", "b", "c"])
    assert (perfect.accuracy, perfect.balanced_accuracy, perfect.macro_f1) == (1, 1, 1)
    hopeless = figures(["a", "a"], ["b", "b"], ["a", "b"])
    assert (hopeless.accuracy, hopeless.balanced_accuracy, hopeless.macro_f1) == (0, 0, 0)


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [([], [], "at least one"), (["a"], ["a", "b"], "1 true and 2"), (["z"], ["a"], "not announced: 'z'")],
)
def test_figures_of_lists_that_do_not_fit(true, predicted, message):
    with pytest.raises(BadOption, match=message):
        figures(true, predicted, ["a", "b"])
