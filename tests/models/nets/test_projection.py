from __future__ import annotations

import torch
from torch.nn import functional

from clapometer.models.nets.projection import ResidualProjection


def test_it_is_a_linear_map_with_a_second_one_added_and_normalised() -> None:
    torch.manual_seed(0)
    model, x = ResidualProjection(6, 4).eval(), torch.randn(3, 6)
    first = x @ model.linear1.weight.T
    expected = functional.layer_norm(first + functional.gelu(first) @ model.linear2.weight.T, (4,))
    torch.testing.assert_close(model(x), expected)


def test_dropout_is_for_training_alone() -> None:
    model, x = ResidualProjection(6, 4), torch.randn(3, 6)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))
