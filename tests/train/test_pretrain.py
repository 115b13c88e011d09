from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from conftest import noise

from clapometer import Window, load, pretrain, save
from clapometer.errors import BadAudio, BadOption, BadTable
from clapometer.families import laion
from clapometer.families.mini import tiny
from clapometer.train.options import NO_AUGMENTATION, Augmentation, TrainOptions
from clapometer.train.pretrain import read_validation

PITCHES = {"a low tone": 300, "a middle tone": 1000, "a high tone": 3500}
QUICK = TrainOptions(steps=60, batch_size=6, learning_rate=1e-2, warmup=5, validate_every=20, save_every=20, seed=1)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save(tiny(), tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    """Twelve tones of three pitches, and a table of other tones with labels beside it."""
    random = np.random.default_rng(0)
    lines = {"captions.csv": ["audio,text"], "val.csv": ["audio,label"]}
    for number in range(18):
        label, pitch = list(PITCHES.items())[number % 3]
        name = f"{number}.wav"
        time = np.arange(16000) / 16000
        tone = 0.3 * np.sin(2 * np.pi * pitch * random.uniform(0.9, 1.1) * time) + 0.01 * random.standard_normal(16000)
        soundfile.write(tmp_path / name, tone, 16000)
        lines["captions.csv" if number < 12 else "val.csv"].append(f"{name},{label}")
    for table, rows in lines.items():
        (tmp_path / table).write_text("\n".join(rows) + "\n")
    return tmp_path / "captions.csv"


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load(folder, device="cpu").state_dict()


def equal(one: Path, other: Path) -> bool:
    here, there = weights(one), weights(other)
    return here.keys() == there.keys() and all(torch.equal(here[name], there[name]) for name in here)


def test_a_model_learns_to_tell_sounds_that_it_has_not_heard(model: Path, captions: Path, tmp_path: Path) -> None:
    told: list[str] = []
    trained = pretrain(
        captions,
        tmp_path / "out",
        model=model,
        validation=tmp_path / "val.csv",
        templates=("{}",),
        seconds=0.5,
        options=QUICK,
        augmentation=Augmentation(mix=0.2),
        device="cpu",
        tell=told.append,
    )
    assert trained.figures["accuracy"] == 1.0
    assert [line.split()[1] for line in told] == ["0", "20", "40", "60"]
    clap = load(tmp_path / "out", device="cpu")
    assert clap.card.name == "out"
    assert clap.card.source == "clapometer pretrain, from tiny"
    likeness = clap.similarity([tmp_path / f"{number}.wav" for number in range(12, 18)], list(PITCHES))
    assert likeness.argmax(1).tolist() == [0, 1, 2, 0, 1, 2]
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert run["options"]["learning_rate"] == 1e-2
    assert run["seconds"] == 0.5
    assert run["window"] == "seconds=10,hop=10,short=keep,long=windows"
    assert len(run["captions"][str(captions)]) == 64


KILLED = """
import os, signal, sys
from clapometer import pretrain
from clapometer.train.log import Log
from clapometer.train.options import TrainOptions

write = Log.write

def written(self, step, *more):
    write(self, step, *more)
    if step == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)

Log.write = written
options = TrainOptions(steps=60, batch_size=6, learning_rate=1e-2, warmup=5, log_every=1, save_every=7, seed=1)
pretrain(sys.argv[1], sys.argv[2], model=sys.argv[3], seconds=0.5, options=options, device="cpu")
"""


def test_killed_at_a_random_step_a_run_goes_on_to_the_same_weights(model: Path, captions: Path, tmp_path: Path) -> None:
    def run(name: str, stop: int = 0) -> int:
        return subprocess.run([sys.executable, "-c", KILLED, captions, tmp_path / name, model, str(stop)]).returncode

    assert run("whole") == 0
    stop = random.Random(os.getpid()).randrange(8, 60)
    assert run("cut", stop) == -signal.SIGKILL
    assert run("cut") == 0
    for part in (".", "last"):
        assert equal(tmp_path / "cut" / part, tmp_path / "whole" / part), f"killed at step {stop}"

    def curve(name: str) -> list[tuple[int, float]]:
        lines = [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        return [(line["step"], line["loss"]) for line in lines]

    assert curve("cut") == curve("whole")
    assert [step for step, _ in curve("cut")] == list(range(1, 61))


def test_from_scratch_nothing_of_the_model_is_left(model: Path, captions: Path, tmp_path: Path) -> None:
    options = TrainOptions(steps=1, batch_size=2, learning_rate=1e-9)
    for name, seed, scratch in (("kept", 1, False), ("one", 1, True), ("same", 1, True), ("other", 2, True)):
        pretrain(
            captions,
            tmp_path / name,
            model=model,
            scratch=scratch,
            seconds=0.3,
            options=TrainOptions(**{**vars(options), "seed": seed}),
            device="cpu",
        )
    start, kept, one = (weights(tmp_path / name) for name in ("tiny", "kept", "one"))
    name = "audio.stem.weight"
    torch.testing.assert_close(kept[name], start[name], atol=1e-6, rtol=0)
    assert (one[name] - start[name]).abs().max() > 0.1
    assert equal(tmp_path / "one", tmp_path / "same")
    assert not equal(tmp_path / "one", tmp_path / "other")
    assert load(tmp_path / "one", device="cpu").card.source == "clapometer pretrain"


def test_a_fused_model_is_trained_on_whole_sounds(captions: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    save(laion.tiny(fused=True), tmp_path / "fused")
    for number in range(6):  # longer than the window of a second
        soundfile.write(tmp_path / f"{number}.wav", noise(1.5, seed=number), 16000)
    options = TrainOptions(steps=1, batch_size=12, learning_rate=1e-2)
    run: dict[str, Any] = {"model": tmp_path / "fused", "options": options, "device": "cpu"}
    trained = {}
    for window in (None, "windows"):
        folder = tmp_path / str(window)
        pretrain(captions, folder, window=window, **run)
        assert load(folder, device="cpu").card.window == Window(1.0, 1.0, "repeatpad", window or "fused")
        before, after = weights(tmp_path / "fused"), weights(folder)
        name = "audio.patch_embed.fusion_model.local_att.0.weight"
        trained[window] = not torch.equal(after[name], before[name])
    assert trained == {None: True, "windows": False}
    with pytest.raises(BadOption, match="seconds: with the window fused sounds are trained on whole"):
        pretrain(captions, tmp_path / "out", seconds=0.5, **run)
    with pytest.raises(BadOption, match="mini cannot hear a clip fused"):
        pretrain(captions, tmp_path / "out", window="fused", options=options, device="cpu")
    with pytest.raises(BadOption, match="'tail' is not understood"):
        pretrain(captions, tmp_path / "out", window="tail", **run)


def test_epochs_are_rounds_through_the_clips(model: Path, captions: Path, tmp_path: Path) -> None:
    options = TrainOptions(batch_size=6)
    run: dict[str, Any] = {"model": model, "seconds": 0.3, "augmentation": NO_AUGMENTATION, "device": "cpu"}
    assert pretrain(captions, tmp_path / "out", epochs=1.5, options=options, **run).steps == 3
    with pytest.raises(BadOption, match="epochs"):
        pretrain(captions, tmp_path / "out", epochs=0, options=options, **run)


def test_a_sound_that_cannot_be_read_is_named_before_training(model: Path, captions: Path, tmp_path: Path) -> None:
    (tmp_path / "3.wav").write_text("no sound")
    with pytest.raises(BadAudio, match=r"1 of 12 sounds cannot be read.*\n.*3\.wav"):
        pretrain(captions, tmp_path / "out", model=model, options=QUICK)
    assert not (tmp_path / "out").exists()


def test_a_table_that_changed_is_another_run(model: Path, captions: Path, tmp_path: Path) -> None:
    def go() -> Any:
        return pretrain(
            captions, tmp_path / "out", model=model, seconds=0.3, options=TrainOptions(steps=1), device="cpu"
        )

    go()
    captions.write_text(captions.read_text() + "0.wav,a deep tone\n")
    with pytest.raises(BadOption, match="another run"):
        go()


def test_a_validation_of_texts_asks_which_is_the_sounds_own(captions: Path) -> None:
    validation = read_validation([captions])
    assert validation.templates == ("{}",)
    assert set(validation.labels) == set(PITCHES)
    assert len(validation.sounds) == 12


def test_bad_rows_of_a_validation_are_named(captions: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("audio,label\n0.wav,x\nmissing.wav,y\n1.wav,\n")
    with pytest.raises(
        BadTable, match=r"2 rows cannot be validated on(.|\n)*bad\.csv line 3: .*missing\.wav(.|\n)*line 4"
    ):
        read_validation([tmp_path / "bad.csv"])
    (tmp_path / "one.csv").write_text("audio,label\n0.wav,x\n1.wav,x\n")
    with pytest.raises(BadTable, match="one class"):
        read_validation([tmp_path / "one.csv"])
    with pytest.raises(BadTable, match="one kind"):
        read_validation([captions, tmp_path / "val.csv"])
