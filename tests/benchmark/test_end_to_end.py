"""Fine-tuning of the audio tower with a linear head."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
from conftest import noise
from helpers.datasets import esc50
from torch import Tensor

from clapometer.benchmark.end_to_end import FinetuneGrid
from clapometer.benchmark.run import plan_benchmark, run_benchmark
from clapometer.models.families import laion
from clapometer.types import Window


@pytest.mark.slow
@pytest.mark.parametrize(
    ("long", "fused"), [("fused", {True, False}), ("fused-all", {True}), ("windows", {False}), ("head", {False})]
)
def test_clips_are_trained_on_by_the_path_that_tests_them(long, fused, tmp_path, monkeypatch):
    esc50(tmp_path, each=2)
    for number, path in enumerate(sorted((tmp_path / "audio").glob("*.wav"))):
        soundfile.write(path, noise(0.5 + number % 2, seed=number), 16000)
    torch.manual_seed(0)
    clap = laion.tiny(fused=True)
    card = clap.card
    trained, tested = set(), set()
    forward = laion.LaionClap._projected

    def noted(self, mels: Tensor) -> Tensor:
        (trained if torch.is_grad_enabled() else tested).add(mels.shape[1] > 1)
        return forward(self, mels)

    monkeypatch.setattr(laion.LaionClap, "_projected", noted)
    window = Window(1.0, 1.0, "repeatpad", long)
    grid = FinetuneGrid(learning_rates=(1e-2,), epochs=1, batch_size=4)
    spec = plan_benchmark("esc10", tmp_path, setup="finetune", folds=["5"])
    found = run_benchmark(clap, spec, grid=grid, window=window)
    assert np.isfinite(found.predictions.scores).all()
    assert trained == tested == fused
    assert clap.card == card
