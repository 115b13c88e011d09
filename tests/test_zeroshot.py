import math

import numpy as np
import pytest

from clapometer.errors import BadOption, BadText
from clapometer.families import mini
from clapometer.zeroshot import (
    averaged,
    best,
    checked_labels,
    checked_templates,
    class_texts,
    class_vectors,
    figures,
    probabilities,
)


def test_a_class_is_the_unit_mean_of_its_templates():
    vectors = np.array([[[1, 0], [0, 1]], [[0.6, 0.8], [0.6, 0.8]]], np.float32)
    half = math.sqrt(0.5)
    assert averaged(vectors) == pytest.approx(np.array([[half, half], [0.6, 0.8]]), abs=1e-7)


def test_templates_that_cancel_out_give_no_nan():
    assert np.isfinite(averaged(np.array([[[1, 0], [-1, 0]]], np.float32))).all()


def test_probabilities_by_hand():
    sounds = np.array([[1, 0], [0, 1]], np.float32)
    classes = np.array([[1, 0], [0.6, 0.8]], np.float32)
    scale = math.log(5)  # logits: 5 and 3; 0 and 4
    first, second = 1 / (1 + math.exp(-2)), 1 / (1 + math.exp(4))
    expected = [[first, 1 - first], [second, 1 - second]]
    assert probabilities(sounds, classes, scale) == pytest.approx(np.array(expected), abs=1e-6)


def test_probabilities_neither_overflow_nor_depend_on_other_clips():
    random = np.random.default_rng(0)
    sounds, classes = (random.standard_normal((size, 384)).astype(np.float32) for size in (50, 7))
    together = probabilities(sounds, classes, 9.0)
    assert np.isfinite(together).all()
    assert together.sum(axis=1) == pytest.approx(np.ones(50))
    alone = np.concatenate([probabilities(sound[None], classes, 9.0) for sound in sounds])
    assert (together == alone).all()


def test_the_best_come_first_and_ties_keep_the_order_of_the_labels():
    assert best(np.array([0.2, 0.4, 0.4]), ["a", "b", "c"], 2) == (("b", "c"), (0.4, 0.4))
    assert best(np.array([0.7, 0.3]), ["a", "b"], 9) == (("a", "b"), (0.7, 0.3))


def test_class_vectors_of_a_model():
    clap = mini.tiny().eval()
    vectors = class_vectors(clap, ["dog", "car horn"], ["the sound of {}", "{} in a {}"])
    texts = clap.embed_text(["the sound of car horn", "car horn in a car horn"]).double().mean(0).numpy()
    assert vectors.shape == (2, 8)
    assert vectors[1] == pytest.approx(texts / np.linalg.norm(texts), abs=1e-6)


def test_underscores_are_read_as_spaces():
    assert class_texts("door_wood_knock", ["the sound of {}"]) == ["the sound of door wood knock"]


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (["dog", " "], BadText, "label 2 of 2 is empty"),
        (["car_horn", "dog", "Car  horn"], BadOption, "labels 1 .* and 3 .* read the same"),
        (["dog"], BadOption, "1 label given; .*two or more"),
        ([], BadOption, "0 labels given"),
        ("dog,cat", BadOption, "must be a list"),
    ],
)
def test_labels_that_cannot_be_used(labels, error, message):
    with pytest.raises(error, match=message):
        checked_labels(labels)


@pytest.mark.parametrize(("templates", "message"), [([], "no template"), (["a dog"], "no {} where the label goes")])
def test_templates_that_cannot_be_used(templates, message):
    with pytest.raises(BadOption, match=message):
        checked_templates(templates)


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
