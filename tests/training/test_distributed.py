"""Two processes that train one model, on a CPU with gloo."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from clapometer import load
from clapometer.training.distributed import Processes, process_group, processes

WORK = """
import json, sys
from dataclasses import dataclass, replace
from pathlib import Path
import torch
from clapometer.models.families.mini import tiny
from clapometer.training.losses.rated import parse_loss
from clapometer.training.loop import train
from clapometer.training.objective import Objective
from clapometer.training.options import TrainOptions
from clapometer.training.distributed import process_group, processes
from clapometer.training.step import gradients

@dataclass(frozen=True)
class Batch:
    windows: list
    texts: list
    audio_features = None
    text_features = None

class Rated(Objective):
    def __init__(self):
        super().__init__()
        self.own = torch.nn.Parameter(torch.tensor(0.5))
    def forward(self, audio, text, logit_scale, batch):
        ratings = torch.linspace(0, 1, len(text))
        return {**parse_loss("wsce+mae")(audio, text, logit_scale, ratings), "own": self.own.square()}

def batches(step):
    sounds = torch.randn(7, 1600, generator=torch.Generator().manual_seed(step))
    return Batch([[(sound, 1.0)] for sound in sounds], [f"{number} {step}" for number in range(7)])

def new():
    torch.manual_seed(1)
    clap = tiny()
    clap.audio.dropout.p = 0.0
    return clap.train()

folder, accumulate = Path(sys.argv[1]), int(sys.argv[2])
options = TrainOptions(steps=6, batch_size=7, learning_rate=1e-2, warmup_steps=2, grad_cache_chunks=accumulate,
                       save_every=3, log_every=1, validate_every=2)
with process_group("cpu"):
    clap, objective = new(), Rated()
    weights = [*clap.parameters(), *objective.parameters()]
    terms = gradients(clap, batches(0), objective, weights, options, 0, processes())
    rank = processes().rank
    found = {"terms": {name: value.item() for name, value in terms.items()},
             "gradients": [None if weight.grad is None else weight.grad.flatten().tolist() for weight in weights]}
    (folder / f"{rank}.json").write_text(json.dumps(found))
    asked = []
    trained = train(new(), batches, Rated(), options, folder / "run",
                    validate=lambda clap: asked.append(1) or {"accuracy": float(len(asked))})
    assert len(asked) == (4 if rank == 0 else 0)
    assert trained.best_step == 6
"""


def work(folder: Path, count: int, accumulate: int = 1) -> list[dict[str, Any]]:
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WORK, str(folder), str(accumulate)],
            env={
                **os.environ,
                "RANK": str(rank),
                "WORLD_SIZE": str(count),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            },
        )
        for rank in range(count)
    ]
    assert [process.wait(timeout=120) for process in started] == [0] * count
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(count)]


@pytest.mark.slow
def test_two_processes_do_what_one_does(tmp_path: Path) -> None:
    (alone,) = work(tmp_path / "one", 1)
    first, second = work(tmp_path / "two", 2, accumulate=2)
    assert first == second
    assert first["terms"] == pytest.approx(alone["terms"], abs=1e-6)
    mine, other = (torch.tensor([x for some in one["gradients"] if some for x in some]) for one in (first, alone))
    assert (mine - other).norm() <= 1e-6 * other.norm()
    assert first["gradients"][-1] == [1.0]  # the loss's own parameter is not counted twice
    logs = [(tmp_path / name / "run" / "log.jsonl").read_text().splitlines() for name in ("one", "two")]
    curves = [[json.loads(line) for line in log] for log in logs]
    losses = [[line["loss"] for line in curve if "loss" in line] for curve in curves]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert [line["step"] for line in curves[1]] == [line["step"] for line in curves[0]]
    assert load(tmp_path / "two" / "run").card.embedding_dim == 8


def test_the_rows_of_all_make_up_the_batch() -> None:
    rows = [Processes(rank, 3).rows(8).tolist() for rank in range(3)]
    assert [*rows[0], *rows[1], *rows[2]] == list(range(8))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1


def test_alone_nothing_is_joined() -> None:
    with process_group("auto") as device:
        assert device == "auto"
        assert processes() == Processes(0, 1)
