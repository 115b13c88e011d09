from __future__ import annotations

import torch
from torch import Tensor, nn

from clapometer.models.nets.sentence_encoder import TextEncoder, TextEncoderConfig, TransformerLayer

CONFIG = TextEncoderConfig(
    vocab_size=50, hidden_size=12, num_layers=2, num_heads=3, intermediate_size=20, max_tokens=16
)


def encoder() -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(CONFIG).eval()


def masked(*lengths: int) -> Tensor:
    return torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]


def test_a_layer_is_the_post_norm_layer_of_torch() -> None:
    torch.manual_seed(0)
    ours = TransformerLayer(CONFIG)
    theirs = nn.TransformerEncoderLayer(
        CONFIG.hidden_size,
        CONFIG.num_heads,
        CONFIG.intermediate_size,
        0.0,
        "gelu",
        layer_norm_eps=1e-12,
        batch_first=True,
    ).train()  # in evaluation mode torch takes a fused path, which rounds differently
    names = {
        "self_attn.in_proj_": "attention_in.",
        "self_attn.out_proj.": "attention_out.",
        "linear1.": "feedforward_in.",
        "linear2.": "feedforward_out.",
        "norm1.": "attention_norm.",
        "norm2.": "feedforward_norm.",
    }
    state = ours.state_dict()
    theirs.load_state_dict(
        {their + kind: state[our + kind] for their, our in names.items() for kind in ("weight", "bias")}
    )
    x, mask = torch.randn(3, 7, CONFIG.hidden_size), masked(7, 4, 1)
    found = ours(x, mask[:, None, None, :])
    expected = theirs(x, src_key_padding_mask=~mask)
    torch.testing.assert_close(found[mask], expected[mask], rtol=0, atol=1e-5)


def test_a_sentence_is_the_mean_of_its_tokens() -> None:
    model = encoder()
    ids = torch.randint(50, (1, 6))
    x = model.norm(model.tokens(ids) + model.positions.weight[:6])
    for layer in model.layers:
        x = layer(x, masked(6)[:, None, None, :])
    torch.testing.assert_close(model(ids, masked(6)), x.mean(1))


def test_padding_and_neighbours_do_not_matter() -> None:
    model = encoder()
    ids, mask = torch.randint(50, (4, 16)), masked(16, 9, 2, 1)
    together = model(ids, mask)
    assert together.shape == (4, CONFIG.hidden_size)
    for row, length in enumerate((16, 9, 2, 1)):
        alone = model(ids[row : row + 1, :length], masked(length))
        torch.testing.assert_close(together[row : row + 1], alone, rtol=0, atol=1e-5)


def test_the_order_of_tokens_matters() -> None:
    model = encoder()
    ids = torch.tensor([[1, 2, 3]])
    assert not torch.allclose(model(ids, masked(3)), model(ids.flip(1), masked(3)))
