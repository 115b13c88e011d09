"""Heads on frozen vectors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.datasets import esc50, fsd50k, nsynth

from clapometer.benchmark.data import Heard, read_task
from clapometer.benchmark.linear import Linear
from clapometer.benchmark.mlp import Mlp, Settings
from clapometer.benchmark.splits import plans
from clapometer.benchmark.supervised import linear_probe, mlp_head
from clapometer.benchmark.tasks import find_task
from clapometer.errors import BadOption


def clouds(n: int, seed: int, spread: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Points around three places, and which place."""
    random = np.random.default_rng(seed)
    label = np.arange(n) % 3
    return np.eye(3)[label] + spread * random.standard_normal((n, 3)), np.eye(3)[label]


def heard(data, seed: int = 0) -> Heard:
    """Vectors in which classes are clouds."""
    random = np.random.default_rng(seed)
    place = {label: number for number, label in enumerate(data.labels)}
    vectors = 0.1 * random.standard_normal((len(data.clips), len(data.labels)))
    for number, clip in enumerate(data.clips):
        vectors[number, [place[label] for label in clip.labels]] += 1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Heard(list(range(len(data.clips))), vectors.astype(np.float32), {}, tuple(map(str, range(len(data.clips)))))


@pytest.mark.parametrize("tags", [False, True])
def test_a_regression_is_at_its_minimum(tags):
    x, y = clouds(60, 0, 1.0)
    fit = Linear(x, y, 0.01, tags=tags)

    def loss(coefficients):
        z = (x - fit.mean) / fit.spread @ coefficients[:-1] + coefficients[-1]
        if tags:
            value = (np.log1p(np.exp(z)) - y * z).sum(axis=1).mean()
        else:
            value = (np.log(np.exp(z).sum(axis=1)) - (z * y).sum(axis=1)).mean()
        return value + 0.005 * (coefficients[:-1] ** 2).sum()

    least = loss(fit.coefficients)
    for seed in range(20):
        step = np.random.default_rng(seed).standard_normal(fit.coefficients.shape)
        assert loss(fit.coefficients + 0.05 * step) > least


def test_a_regression_generalises_and_a_strong_penalty_flattens_it():
    x, y = clouds(90, 0)
    more, true = clouds(300, 1)
    fit = Linear(x, y, 1e-3, tags=False)
    assert (fit.scores(more).argmax(1) == true.argmax(1)).mean() > 0.9
    assert np.abs(Linear(x, y, 1e3, tags=False).coefficients[:-1]).max() < 1e-3
    constant = np.hstack([x, np.full((90, 1), 7.0)])
    assert np.isfinite(Linear(constant, y, 1e-3, tags=False).scores(constant)).all()


def test_an_mlp_learns_and_is_the_same_twice():
    x, y = clouds(90, 0)
    more, true = clouds(300, 1)
    first, second = (Mlp(x, y, Settings(1e-3, 1e-4, 15), tags=False, seed=3) for _ in range(2))
    assert (first.scores(more) == second.scores(more)).all()
    assert (first.scores(more).argmax(1) == true.argmax(1)).mean() > 0.9
    other = Mlp(x, y, Settings(1e-3, 1e-4, 15), tags=False, seed=4)
    assert (first.scores(more) != other.scores(more)).any()


def test_an_mlp_keeps_its_best_epoch():
    x, y = clouds(90, 0)
    figures = iter([0.1, 0.5, 0.3, *[0.2] * 100])
    head = Mlp(x, y, Settings(1e-3, 1e-4, 50), tags=False, validate=lambda _: next(figures))
    assert (head.epochs, head.figure) == (2, 0.5)
    assert len(list(figures)) == 103 - 12, "ten epochs in vain are enough"
    assert (head.scores(x) == Mlp(x, y, Settings(1e-3, 1e-4, 2), tags=False).scores(x)).all()


def test_folds_take_turns(tmp_path):
    esc50(tmp_path, each=2)
    data = read_task(find_task("esc50"), tmp_path)
    turns = plans(data)
    assert [turn.name for turn in turns] == list("12345")
    for turn in turns:
        parts = [{data.clips[place].fold for place in some} for some in (turn.train, turn.validation, turn.tested)]
        assert [len(part) for part in parts] == [3, 1, 1]
        assert parts[2] == {turn.name}
        assert len(set.union(*parts)) == 5
    assert sorted(place for turn in turns for place in turn.tested) == list(range(len(data.clips)))
    (only,) = plans(read_task(find_task("esc50"), tmp_path, ["5"]))
    assert only.tested == turns[4].tested
    assert only.how == "fold 1"


def test_parts_are_those_that_were_published(tmp_path):
    fsd50k(tmp_path)
    data = read_task(find_task("fsd50k"), tmp_path)
    (turn,) = plans(data)
    assert [len(some) for some in (turn.train, turn.validation, turn.tested)] == [2, 1, 3]
    assert turn.how == "published"


def test_without_training_clips_it_is_said(tmp_path):
    nsynth(tmp_path)
    for part in ("train", "valid"):
        (tmp_path / f"nsynth-{part}" / "examples.json").unlink()
    with pytest.raises(BadOption, match="holds no training clips"):
        plans(read_task(find_task("nsynth-instruments"), tmp_path))


def test_without_a_validation_part_one_is_taken_from_the_training_part(tmp_path):
    nsynth(tmp_path)
    (tmp_path / "nsynth-valid" / "examples.json").unlink()
    (turn,) = plans(read_task(find_task("nsynth-instruments"), tmp_path))
    assert len(turn.train) == len(turn.validation) == 1


@pytest.mark.parametrize("name", ["esc50", "fsd50k"])
def test_heads_choose_by_the_validation_part_alone(name, tmp_path):
    (esc50 if name == "esc50" else fsd50k)(tmp_path)
    data = read_task(find_task(name), tmp_path, ["2"] if name == "esc50" else [])
    (turn,) = plans(data)
    vectors = heard(data)
    scores, places, chosen = linear_probe(data, turn, vectors)
    assert places == turn.tested
    assert scores.shape == (len(places), len(data.labels))
    assert f"{chosen['penalty']:g}" in chosen["validation"]
    # Other vectors of the tested clips change what is said of them, and not what is chosen.
    changed = vectors.vectors.copy()
    changed[turn.tested] = changed[turn.tested][:, ::-1]
    other = replace(vectors, vectors=changed)
    again, _, same = linear_probe(data, turn, other)
    assert same == chosen
    assert not np.allclose(again, scores)


def test_an_mlp_head_is_chosen_and_trained_again(tmp_path):
    esc50(tmp_path, each=3)
    data = read_task(find_task("esc10"), tmp_path, ["1"])
    (turn,) = plans(data)
    scores, places, chosen = mlp_head(data, turn, heard(data), seed=0)
    true = [data.labels.index(data.clips[place].labels[0]) for place in places]
    assert scores.argmax(axis=1).tolist() == true
    assert len(chosen["validation"]) == 4
    assert 1 <= chosen["epochs"] <= 100
