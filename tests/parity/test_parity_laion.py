"""The vectors of laion-clap, for weights made from their names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from parity import remade
from parity.made import byte_pair_vocabulary, sounds
from torch import Tensor

from clapometer.audio.reading import Samples, read_windows
from clapometer.models.families.laion import FRONT_END, LaionClap
from clapometer.models.registry import load

MARKS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
RATE = 48000


@pytest.fixture(params=["laion", "laion-fused"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def clap(name: str, tmp_path: Path) -> LaionClap:
    weights = remade.state(remade.golden(name)["weights"], FRONT_END)
    # As the published files are: trained on several GPUs, with an old version of transformers.
    weights = {f"module.{key}": value for key, value in weights.items()}
    weights["module.text_branch.embeddings.position_ids"] = torch.arange(514)[None]
    torch.save({"epoch": 1, "state_dict": weights}, tmp_path / "checkpoint.pt")
    byte_pair_vocabulary(tmp_path, MARKS)
    model = load(tmp_path / "checkpoint.pt", device="cpu")
    assert isinstance(model, LaionClap)
    return model


def clips_of(name: str) -> list[Samples]:
    clips = sounds(RATE, 10)
    return [*clips, *sounds(RATE, 12.5)[:3]] if name == "laion-fused" else clips


@torch.no_grad()
def vectors(clap: LaionClap, clips: list[Samples], captions: list[str]) -> tuple[Tensor, Tensor]:
    """As the reference gives them, of unit length."""
    audio = []
    for clip in clips:
        ((samples, _),) = read_windows((clip, RATE), RATE, clap.card.window)
        audio.append(clap._encode_waveforms(torch.from_numpy(samples)[None]))
    unit = torch.nn.functional.normalize
    return unit(torch.cat(audio), dim=-1), unit(torch.cat([clap._encode_texts([text]) for text in captions]), dim=-1)


def test_parity_with_laion_clap(name: str, clap: LaionClap) -> None:
    expected, clips = remade.golden(name), clips_of(name)
    assert clap.config.audio.fused == (name == "laion-fused")
    audio, text = vectors(clap, clips, expected["captions"])
    assert len(audio) == len(expected["audio"])
    assert remade.distance(audio, expected["audio"]) < 1e-4
    assert remade.distance(text, expected["text"]) < 1e-4
    cosines = clap.similarity([(clip, RATE) for clip in clips], expected["captions"])
    assert (cosines - torch.tensor(expected["cosine"])).abs().max() < 1e-5
