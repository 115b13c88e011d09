from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from clapometer.audio.reading import read_sound
from clapometer.models.nets.mel import KaldiMel, KaldiMelConfig
from clapometer.models.nets.mobilenet_v3 import (
    BLOCKS,
    NORM_EPS,
    MobileNetV3,
    divisible,
    state_of_efficientat,
)

DATA = Path(__file__).parents[4] / "shared" / "data"
TEACHER = DATA / "teachers" / "mn04_as.pt"


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


def small() -> MobileNetV3:
    torch.manual_seed(0)
    return MobileNetV3(0.1).eval()


@pytest.mark.parametrize(("frames", "places"), [(1, 1), (32, 1), (33, 2), (500, 16)])
def test_a_place_in_time_is_32_frames(frames: int, places: int) -> None:
    assert len(BLOCKS) == 15
    net = small()
    assert net(torch.randn(2, frames, 64)).shape == (2, places, net.channels)


def test_neighbours_in_a_batch_do_not_matter() -> None:
    net, spectrograms = small(), torch.randn(4, 100, 64)
    alone = torch.cat([net(one[None]) for one in spectrograms])
    torch.testing.assert_close(net(spectrograms), alone, rtol=0, atol=1e-5)
