"""The vectors of msclap, for weights made from their names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from parity import remade
from parity.made import bert_vocabulary, byte_pair_vocabulary, sounds

from clapometer.models.clap import Clap
from clapometer.models.nets.mel import DecibelMelConfig
from clapometer.models.registry import load

# The published code of 2023 hands HTS-AT 44.1 kHz but leaves its filters at those of 32 kHz.
RATES = {"msclap-2022": 44100, "msclap-2023": 32000}
FILES = {"msclap-2022": "CLAP_weights_2022.pth", "msclap-2023": "CLAP_weights_2023.pth"}


@pytest.fixture(params=RATES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def clap(name: str, tmp_path: Path) -> Clap:
    weights = remade.state(remade.golden(name)["weights"], DecibelMelConfig(sample_rate=RATES[name]))
    torch.save({"model": weights}, tmp_path / FILES[name])
    if name == "msclap-2022":
        bert_vocabulary(tmp_path)
    else:
        byte_pair_vocabulary(tmp_path, ("<|endoftext|>",))
    return load(tmp_path / FILES[name], device="cpu")


@pytest.mark.slow
def test_parity_with_msclap(name: str, clap: Clap) -> None:
    expected, seconds = remade.golden(name), clap.card.window.seconds
    assert clap.card.name == name
    clips = sounds(44100, seconds)
    audio, text = remade.vectors(clap, clips, expected["captions"])
    assert remade.distance(audio, expected["audio"]) < 1e-4
    assert remade.distance(text, expected["text"]) < 1e-4
    cosines = torch.tensor(expected["cosine"])
    unit = torch.nn.functional.normalize
    assert (unit(audio, dim=-1) @ unit(text, dim=-1).T - cosines).abs().max() < 1e-5
    asked = expected["captions"]
    assert (clap.similarity((clips[-1], 44100), asked) - cosines[-1:]).abs().max() < 1e-5  # as a user asks for them
