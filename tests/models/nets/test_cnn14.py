from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from clapometer.models.nets.cnn14 import Cnn14, Cnn14Config

SMALL = Cnn14Config(n_mels=16, channels=(4, 6, 8), output_dim=5)


def network(config: Cnn14Config = SMALL) -> Cnn14:
    torch.manual_seed(0)
    model = Cnn14(config)
    for name, value in model.state_dict().items():
        if name.endswith("running_mean"):
            value.normal_()
        elif name.endswith("running_var"):
            value.uniform_(0.5, 2.0)
    return model.eval()


def test_the_default_has_the_published_size() -> None:
    with torch.device("meta"):
        model = Cnn14(Cnn14Config())
    published, classifier = 80_753_615, 2048 * 527 + 527
    assert sum(parameter.numel() for parameter in model.parameters()) == published - classifier
    assert model.config.shortest == 32


@pytest.mark.parametrize("frames", [4, 5, 31, 100])
@pytest.mark.parametrize("batch", [1, 3])
def test_any_number_of_frames_gives_one_vector(frames: int, batch: int) -> None:
    vectors = network()(torch.randn(batch, frames, 16))
    assert vectors.shape == (batch, 5)
    assert (vectors >= 0).all()


def test_it_is_what_the_paper_describes() -> None:
    model, x = network(), torch.randn(2, 40, 16)
    bn0 = model.bn0
    y = (x - bn0.running_mean) / (bn0.running_var + bn0.eps).sqrt() * bn0.weight + bn0.bias
    y = y[:, None]
    for number, block in enumerate(model.blocks):
        for conv, norm in ((block.conv1, block.bn1), (block.conv2, block.bn2)):
            y = functional.conv2d(y, conv.weight, padding=1)
            scale = (norm.weight / (norm.running_var + norm.eps).sqrt())[:, None, None]
            y = ((y - norm.running_mean[:, None, None]) * scale + norm.bias[:, None, None]).clamp(min=0)
        if number < 2:
            rows, columns = y.shape[2] // 2, y.shape[3] // 2
            y = y[:, :, : 2 * rows, : 2 * columns].unflatten(3, (columns, 2)).unflatten(2, (rows, 2)).mean((3, 5))
    y = y.mean(3)
    expected = ((y.amax(2) + y.mean(2)) @ model.fc1.weight.T + model.fc1.bias).clamp(min=0)
    torch.testing.assert_close(model(x), expected)


def test_dropout_is_for_training_alone() -> None:
    model, x = network(), torch.randn(2, 40, 16)
    assert torch.equal(model(x), model(x))
    model.train()
    assert not torch.equal(model(x), model(x))
