from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from clapometer.audio.reading import read_sound
from clapometer.models.nets.mel import KaldiMel, KaldiMelConfig
from clapometer.models.nets.mobilenet_v3 import (
    BLOCKS,
    NORM_EPS,
    AudioTower,
    AudioTowerConfig,
    MobileNetV3,
    divisible,
    moment,
    state_of_efficientat,
)

DATA = Path(__file__).parents[4] / "shared" / "data"
TEACHER = DATA / "teachers" / "mn04_as.pt"
SMALL = AudioTowerConfig(width=0.1, hidden_size=16, order_size=4, output_dim=8)


def tower(config: AudioTowerConfig = SMALL) -> AudioTower:
    torch.manual_seed(0)
    return AudioTower(config).eval()


@pytest.mark.skipif(not TEACHER.exists(), reason="needs ../shared/data/teachers/mn04_as.pt, not in the repository")
def test_with_the_weights_of_mn04_it_gives_what_the_authors_code_gives() -> None:
    weights = torch.load(TEACHER, weights_only=True)
    frontend, net = KaldiMel(KaldiMelConfig()), MobileNetV3(0.4).eval()
    net.load_state_dict(state_of_efficientat(weights))
    check = np.load(DATA / "teachers" / "mn04_check.npz")
    for file, embedding, logits in zip(check["files"], check["embedding"], check["logits"], strict=True):
        samples = torch.from_numpy(read_sound(DATA / "sounds" / str(file), 32000).copy())
        with torch.inference_mode():
            found = net(frontend(samples[None])).mean(1)
            hidden = functional.linear(found, weights["classifier.2.weight"], weights["classifier.2.bias"])
            classes = functional.linear(
                functional.hardswish(hidden), weights["classifier.5.weight"], weights["classifier.5.bias"]
            )
        torch.testing.assert_close(found[0], torch.from_numpy(embedding), rtol=0, atol=1e-4)
        torch.testing.assert_close(classes[0], torch.from_numpy(logits), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("asked", "given"), [(3.2, 8), (12, 16), (16, 16), (25.6, 24), (28.8, 32), (384.0, 384)])
def test_channels_are_multiples_of_eight(asked: float, given: int) -> None:
    assert divisible(asked) == given


def test_it_has_the_parameters_of_mn04() -> None:
    net = MobileNetV3(0.4)
    classifier = 384 * 512 + 512 + 512 * 527 + 527
    biases = sum(
        layer.bias.numel() for layer in net.modules() if isinstance(layer, torch.nn.Conv2d) and layer.bias is not None
    )
    assert net.channels == 384
    # A bias for each channel stands for the scale and the shift of its normalization.
    assert sum(weight.numel() for weight in net.parameters()) == 983_599 - classifier - biases


def test_normalization_is_folded_into_the_convolution_before_it() -> None:
    torch.manual_seed(0)
    convolution, norm = torch.nn.Conv2d(1, 8, 3, 2, 1, bias=False), torch.nn.BatchNorm2d(8, eps=NORM_EPS).eval()
    for values in (norm.weight, norm.bias, norm.running_mean):
        assert values is not None
        torch.nn.init.normal_(values)
    assert norm.running_var is not None
    torch.nn.init.uniform_(norm.running_var, 0.5, 2.0)
    weights = {f"features.0.0.{name}": value for name, value in convolution.state_dict().items()}
    weights |= {f"features.0.1.{name}": value for name, value in norm.state_dict().items()}
    folded = state_of_efficientat(weights)
    x = torch.randn(2, 1, 16, 16)
    found = functional.conv2d(x, folded["stem.weight"], folded["stem.bias"], 2, 1)
    torch.testing.assert_close(found, norm(convolution(x)))


@pytest.mark.parametrize("frames", [1, 31, 33, 500])
def test_any_number_of_frames_gives_one_vector(frames: int) -> None:
    assert len(BLOCKS) == 15
    model = tower()
    assert model.trunk(torch.zeros(1, 500, 64)).shape == (1, 16, model.trunk.channels)
    assert model(torch.randn(2, frames, 64)).shape == (2, 8)


def test_neighbours_in_a_batch_do_not_matter() -> None:
    model, spectrograms = tower(), torch.randn(4, 100, 64)
    alone = torch.cat([model(one[None]) for one in spectrograms])
    torch.testing.assert_close(model(spectrograms), alone, rtol=0, atol=1e-5)


def test_what_comes_first_matters() -> None:
    model = tower()
    torch.nn.init.normal_(model.order_output.weight)
    first, second = torch.randn(1, 320, 64), torch.randn(1, 320, 64) + 2
    features = [model.trunk(torch.cat(pair, 1)) for pair in ((first, second), (second, first))]
    moments = [moment(functional.hardswish(model.order_hidden(some))) for some in features]
    torch.testing.assert_close(moments[0], -moments[1], rtol=0.1, atol=1e-3)
    forward, backward = (model(torch.cat(pair, 1)) for pair in ((first, second), (second, first)))
    torch.testing.assert_close(forward - backward, model.order_output(moments[0] - moments[1]), rtol=0.1, atol=2e-3)


@pytest.mark.parametrize(
    ("values", "expected"), [([5.0], 0.0), ([1.0, 1.0, 1.0], 0.0), ([0.0, 0.0, 3.0], 1.0), ([2.0, 0.0], -1.0)]
)
def test_a_moment_is_the_mean_weighted_by_the_place(values: list[float], expected: float) -> None:
    x = torch.tensor(values)[None, :, None]
    assert moment(x).item() == pytest.approx(expected)
    padded = torch.cat([x, torch.full((1, 2, 1), 9.0)], 1)
    mask: Tensor = torch.arange(padded.shape[1])[None] < len(values)
    assert moment(padded, mask).item() == pytest.approx(expected)
