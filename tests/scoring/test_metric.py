"""CLAPScore in loops and over processes."""

from __future__ import annotations

import copy
import doctest
import pickle
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed, nn

pytest.importorskip("torchmetrics", reason="torchmetrics is not installed")

from clapometer import save, score_pairs
from clapometer.errors import BadOption, BadText
from clapometer.scoring import functional
from clapometer.scoring import metric as metric_module
from clapometer.scoring.functional import clap_score
from clapometer.scoring.metric import CLAPScore

RATE = 16000
TEXTS = ["a dog barks", "rain is falling", "a siren", "music", "steps on gravel", "a door", "wind"]


@pytest.fixture
def paths(write) -> list[Path]:
    random = np.random.default_rng(0)
    waves = [np.cumsum(random.standard_normal(RATE // 2)) * (0.1 + number / 50) % 1 - 0.5 for number in range(7)]
    return [write(f"{number}.wav", wave.astype(np.float32)) for number, wave in enumerate(waves)]


def test_it_is_the_score_of_the_command(clap, paths):
    expected = [pair.score for pair in score_pairs(clap, zip(paths, TEXTS, strict=True)).scores]
    each, mean = CLAPScore(clap, reduction="none"), CLAPScore(clap)
    for some in (slice(0, 3), slice(3, 7)):
        each.update(paths[some], TEXTS[some])
        mean.update(paths[some], TEXTS[some])
    assert each.compute().tolist() == pytest.approx(expected, abs=1e-6)
    assert mean.compute().item() == pytest.approx(np.mean(expected), abs=1e-6)
    assert (each.compute() == each.compute()).all()


def test_nothing_is_random_and_a_long_clip_is_heard_whole(clap):
    long = torch.from_numpy(np.random.default_rng(0).uniform(-0.5, 0.5, (1, 25 * RATE)).astype(np.float32))
    values = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - what a careless crop would draw from
        metric = CLAPScore(clap, clipped=False)
        metric.update(long, ["rain"], RATE)
        values.append(metric.compute().item())
    assert values[0] == values[1]
    long[:, 24 * RATE :] = 0
    metric = CLAPScore(clap, clipped=False)
    metric.update(long, ["rain"], RATE)
    assert metric.compute().item() != values[0]


def test_tensors_files_and_arrays_are_the_same_sounds(clap, write):
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)
    path = write("a.wav", wave, subtype="FLOAT")
    stereo = torch.from_numpy(np.stack([wave, wave]))[None]
    values = []
    for sounds, rate in ((path, None), ([(wave, RATE)], None), (torch.from_numpy(wave)[None], RATE), (stereo, RATE)):
        metric = CLAPScore(clap, clipped=False)
        metric.update(sounds, "rain", rate)
        values.append(metric.compute().item())
    assert values == [values[0]] * 4


def test_a_padded_batch_has_the_scores_of_its_clips(clap):
    random = np.random.default_rng(0)
    clips = [random.normal(scale=0.1, size=size).astype(np.float32) for size in (8000, 19200)]
    texts = ["rain", "a dog"]
    batch = torch.zeros(2, 40000)
    for row, samples in zip(batch, clips, strict=True):
        row[: len(samples)] = torch.from_numpy(samples)
    expected = clap_score([(samples, 16000) for samples in clips], texts, clap, reduction="none", clipped=False)
    lengths = torch.tensor([len(samples) for samples in clips])
    options = {"reduction": "none", "clipped": False}
    found = clap_score(batch, texts, clap, sample_rate=16000, lengths=lengths, **options)
    assert torch.equal(found, expected)
    metric = CLAPScore(clap, **options)
    metric.update(batch, texts, 16000, lengths)
    assert torch.equal(metric.compute(), expected)
    assert not torch.equal(clap_score(batch, texts, clap, sample_rate=16000, **options), expected)
    with pytest.raises(BadOption, match="lengths belong to a padded tensor"):
        clap_score([(clips[0], 16000)], ["rain"], clap, lengths=[3])


def test_cosines_are_not_clipped_where_asked(clap, paths, monkeypatch):
    raw, clipped = (
        CLAPScore(clap, reduction="none", clipped=False, batch_size=7),
        CLAPScore(clap, reduction="none", batch_size=7),
    )
    monkeypatch.setattr(clap, "_encode_texts", lambda texts: torch.eye(8)[: len(texts)] * torch.tensor([1.0, -1] * 4))
    for metric in (raw, clipped):
        metric.update(paths, TEXTS)
    assert raw.compute().min() < 0
    assert (clipped.compute() == raw.compute().clamp(min=0)).all()


def test_a_loop_as_lightning_runs_it(clap, paths):
    """A metric held by a module, called on batches, computed and reset at the end of each epoch."""

    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))
            self.clap_score = CLAPScore(clap)

    loop = Loop()
    assert list(loop.state_dict()) == ["weight"], "the model is not saved with the loop"
    assert sum(1 for _ in loop.parameters()) == 1
    pickle.dumps(loop.clap_score.metric_state)
    for _ in range(2):
        loop.train()
        batches = [loop.clap_score(paths[number : number + 2], TEXTS[number : number + 2]) for number in (0, 2, 4)]
        epoch = loop.clap_score.compute()
        assert epoch.item() == pytest.approx(torch.stack(batches).mean().item(), abs=1e-6)
        assert batches[0] != batches[1]
        loop.clap_score.reset()
        assert loop.clap_score.count == 0
    assert copy.deepcopy(loop.clap_score).clap is clap
    assert all(weight.grad is None for weight in clap.parameters())


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_forward_returns_the_value_of_its_batch_and_scores_each_pair_once(clap, paths, reduction, monkeypatch):
    embedded = []
    embed_audio = clap.embed_audio
    monkeypatch.setattr(clap, "embed_audio", lambda clips, **more: embedded.extend(clips) or embed_audio(clips, **more))
    metric = CLAPScore(clap, reduction=reduction)
    batches = [slice(0, 3), slice(3, 5), slice(5, 7)]
    values = [metric(paths[some], TEXTS[some]) for some in batches]
    assert embedded == paths
    for some, value in zip(batches, values, strict=True):
        assert torch.equal(value, clap_score(paths[some], TEXTS[some], clap, reduction=reduction))
    whole = CLAPScore(clap, reduction=reduction)
    whole.update(paths, TEXTS)
    torch.testing.assert_close(metric.compute(), whole.compute(), rtol=0, atol=1e-7)
    assert metric.count == len(paths)


def test_the_function_is_the_score_of_the_command(clap, paths):
    expected = [pair.score for pair in score_pairs(clap, zip(paths, TEXTS, strict=True)).scores]
    assert clap_score(paths, TEXTS, clap, reduction="none").tolist() == pytest.approx(expected, abs=1e-7)
    assert clap_score(paths, TEXTS, clap).item() == pytest.approx(np.mean(expected), abs=1e-7)
    assert clap_score([], [], clap).isnan()
    with pytest.raises(BadOption, match="mean, none"):
        clap_score(paths, TEXTS, clap, reduction="sum")  # type: ignore[arg-type]


@pytest.mark.parametrize("module", [functional, metric_module])
def test_the_examples_of_the_docstrings(module):
    found = doctest.testmod(module)
    assert found.attempted > 3
    assert found.failed == 0


def test_reset_forgets_everything(clap, paths):
    metric = CLAPScore(clap, reduction="none")
    metric.update(paths[:2], TEXTS[:2])
    metric.reset()
    metric.update(paths[2:3], TEXTS[2:3])
    assert metric.compute().numel() == 1
    assert metric.count == 1


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_without_pairs_there_is_no_mean(clap):
    assert CLAPScore(clap).compute().isnan()
    assert CLAPScore(clap, reduction="none").compute().shape == (0,)


@pytest.mark.parametrize(
    ("audio", "text", "rate", "error", "said"),
    [
        (["0.wav"], TEXTS[:2], None, BadOption, "1 clips and 2 texts"),
        (torch.zeros(2, 9), TEXTS[:2], None, BadOption, "needs its sample_rate"),
        (torch.zeros(9), TEXTS[:1], RATE, BadOption, "give \\(n, samples\\)"),
        (["0.wav"], TEXTS[:1], RATE, BadOption, "belongs to a tensor"),
        (["0.wav"], " ", None, BadText, "empty"),
    ],
)
def test_bad_input(clap, paths, audio, text, rate, error, said, monkeypatch):
    monkeypatch.chdir(paths[0].parent)
    with pytest.raises(error, match=said):
        CLAPScore(clap).update(audio, text, rate)


def test_bad_options(clap):
    with pytest.raises(BadOption, match="mean, none"):
        CLAPScore(clap, reduction="sum")  # type: ignore[arg-type]


WORKER = """
import sys
sys.path.insert(0, sys.argv[1])
from test_metric import take_part
take_part(1, sys.argv[2], sys.argv[3], sys.argv[4].split("|"))
"""


def take_part(rank: int, port: str, model: str, paths: list[str]) -> list[list[float]]:
    """Seven pairs in two processes: five here and two there; then all here and none there."""
    address = f"tcp://127.0.0.1:{port}"
    distributed.init_process_group("gloo", address, timedelta(seconds=90), world_size=2, rank=rank)
    found = []
    try:
        for mine in ((slice(0, 5), slice(5, 7))[rank], (slice(0, 7), slice(0, 0))[rank]):
            for reduction in ("mean", "none"):
                metric = CLAPScore(model, reduction=reduction)  # type: ignore[arg-type]
                for path, text in zip(paths[mine], TEXTS[mine], strict=True):
                    metric.update([path], [text])
                found.append(metric.compute().reshape(-1).tolist())
                assert metric.count == len(paths[mine]), "afterwards each has its own pairs again"
    finally:
        distributed.destroy_process_group()
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_two_processes_give_what_one_gives(clap, paths, tmp_path):
    save(clap, tmp_path / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    names, model = [str(path) for path in paths], str(tmp_path / "model")
    arguments = [str(Path(__file__).parent), port, model, "|".join(names)]
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", WORKER, *arguments]) as other:
        found = take_part(0, port, model, names)
        assert other.wait(90) == 0
    each = CLAPScore(model, reduction="none")
    each.update(paths, TEXTS)
    expected = each.compute().tolist()
    for numbers, wanted in zip(found, [[np.mean(expected)], expected] * 2, strict=True):
        assert numbers == pytest.approx(wanted, abs=1e-6)
