from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from clapometer.models.nets.mobilenet import AudioEncoder, AudioEncoderConfig, SeparableConvolution

SMALL = AudioEncoderConfig(stem=4, channels=(8, 8, 16), strides=(2, 1, 2), num_heads=2, hidden_size=16, output_dim=5)


def encoder(config: AudioEncoderConfig = SMALL) -> AudioEncoder:
    torch.manual_seed(0)
    return AudioEncoder(config).eval()


def same_padding(x: Tensor, stride: int) -> Tensor:
    """TensorFlow's "SAME" for a kernel of 3: as much before as after, the odd one after."""
    pads = []
    for size in reversed(x.shape[2:]):
        total = max(0, (-(-size // stride) - 1) * stride + 3 - size)
        pads += [total // 2, total - total // 2]
    return functional.pad(x, pads)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(16, 8), (96, 64)])
def test_a_separable_convolution_is_padded_as_in_tensorflow(stride: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    block = SeparableConvolution(3, 5, stride)
    x = torch.randn(2, 3, *size)
    inner = functional.conv2d(same_padding(x, stride), block.depthwise.weight, block.depthwise.bias, stride, groups=3)
    expected = functional.conv2d(inner.relu(), block.pointwise.weight, block.pointwise.bias).relu()
    torch.testing.assert_close(block(x), expected)


def test_the_default_is_in_the_proportions_of_yamnet() -> None:
    model = AudioEncoder(AudioEncoderConfig())
    assert len(model.blocks) == 13
    assert model.trunk(torch.zeros(1, 96, 64)).shape == (1, 1024, 3, 2)
    assert 3_000_000 < sum(parameter.numel() for parameter in model.blocks.parameters()) < 3_300_000


@pytest.mark.parametrize("frames", [32, 33, 47, 96, 998])
@pytest.mark.parametrize("batch", [1, 3])
def test_any_number_of_frames_gives_one_vector(frames: int, batch: int) -> None:
    assert encoder()(torch.randn(batch, frames, 16)).shape == (batch, 5)


def test_heads_attend_by_themselves() -> None:
    model = encoder()
    spectrograms = torch.randn(2, 64, 16)
    features = model.trunk(spectrograms).mean(3)
    scores = torch.einsum("bct,hc->bht", features, model.attention.weight) + model.attention.bias[:, None]
    weights = scores.softmax(-1)
    heads = [
        torch.einsum("bct,bt->bc", part, weights[:, number]) for number, part in enumerate(features.chunk(2, dim=1))
    ]
    pooled = model.norm(torch.cat([*heads, features.mean(-1)], 1))
    torch.testing.assert_close(model(spectrograms), model.output(functional.gelu(model.hidden(pooled))))


def test_neighbours_in_a_batch_do_not_matter() -> None:
    model, spectrograms = encoder(), torch.randn(4, 50, 16)
    alone = torch.cat([model(one[None]) for one in spectrograms])
    torch.testing.assert_close(model(spectrograms), alone, rtol=0, atol=1e-5)


def test_training_mode_changes_nothing_but_dropout() -> None:
    model, spectrograms = encoder(), torch.randn(2, 50, 16)
    expected = model(spectrograms)
    model.train()
    model.dropout.eval()
    torch.testing.assert_close(model(spectrograms), expected, rtol=0, atol=1e-5)
