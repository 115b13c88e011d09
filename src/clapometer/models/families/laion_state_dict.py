"""Names of the weights of a LAION CLAP: in the original files, in transformers' `ClapModel`, and here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from clapometer.models.nets.htsat import ORIGINAL_WEIGHTS
from clapometer.models.weights.third_party import Rules, renamed_weights

ORIGINAL: Rules = (
    *((rf"audio_branch\.{name}", new and f"audio.{new}") for name, new in ORIGINAL_WEIGHTS),
    (r"text_branch\.embeddings\.(?:position_ids|token_type_ids)", None),  # constants of old versions of transformers
    (r"text_branch\.(.+)", r"text.model.\1"),
    (r"(audio|text)_projection\.([02])\.(weight|bias)", r"\1_projection.\2.\3"),
    (r"(?:audio|text)_transform\..+", None),  # of a second loss; no part of an embedding
    (r"logit_scale_a", r"logit_scale"),
    (r"logit_scale_t", r"text_logit_scale"),
)
"""From the original files."""

_ENCODER = r"audio_model\.audio_encoder\."
_BLOCK = rf"{_ENCODER}(layers\.\d+\.blocks\.\d+)\."
HUGGING_FACE: Rules = (
    (rf"{_BLOCK}attention\.self\.relative_position_index", None),  # follows from the sizes
    (rf"{_BLOCK}attention\.self\.(relative_position_bias_table)", r"audio.\1.attn.\2"),
    (rf"{_BLOCK}attention\.self\.(query|key|value)\.(weight|bias)", r"audio.\1.attn.\2.\3"),
    (rf"{_BLOCK}attention\.output\.dense\.(weight|bias)", r"audio.\1.attn.proj.\2"),
    (rf"{_BLOCK}layernorm_before\.(weight|bias)", r"audio.\1.norm1.\2"),
    (rf"{_BLOCK}layernorm_after\.(weight|bias)", r"audio.\1.norm2.\2"),
    (rf"{_BLOCK}intermediate\.dense\.(weight|bias)", r"audio.\1.mlp.fc1.\2"),
    (rf"{_BLOCK}output\.dense\.(weight|bias)", r"audio.\1.mlp.fc2.\2"),
    (rf"{_ENCODER}batch_norm\.(.+)", r"audio.bn0.\1"),
    (rf"{_ENCODER}((?:patch_embed|layers\.\d+\.downsample|norm)\..+)", r"audio.\1"),
    (r"text_model\.embeddings\.(?:position_ids|token_type_ids)", None),
    (r"text_model\.(.+)", r"text.model.\1"),
    (r"(audio|text)_projection\.linear1\.(weight|bias)", r"\1_projection.0.\2"),
    (r"(audio|text)_projection\.linear2\.(weight|bias)", r"\1_projection.2.\2"),
    (r"logit_scale_a", r"logit_scale"),
    (r"logit_scale_t", r"text_logit_scale"),
)
"""From transformers; query, key and value become one matrix afterwards."""

_OURS = r"audio\.(layers\.\d+\.blocks\.\d+)\."
TO_HUGGING_FACE: Rules = (
    (r"frontend\..+", None),  # transformers computes its own
    (rf"{_OURS}attn\.(relative_position_bias_table)", r"audio_model.audio_encoder.\1.attention.self.\2"),
    (rf"{_OURS}attn\.(query|key|value)\.(.+)", r"audio_model.audio_encoder.\1.attention.self.\2.\3"),
    (rf"{_OURS}attn\.proj\.(.+)", r"audio_model.audio_encoder.\1.attention.output.dense.\2"),
    (rf"{_OURS}norm1\.(.+)", r"audio_model.audio_encoder.\1.layernorm_before.\2"),
    (rf"{_OURS}norm2\.(.+)", r"audio_model.audio_encoder.\1.layernorm_after.\2"),
    (rf"{_OURS}mlp\.fc1\.(.+)", r"audio_model.audio_encoder.\1.intermediate.dense.\2"),
    (rf"{_OURS}mlp\.fc2\.(.+)", r"audio_model.audio_encoder.\1.output.dense.\2"),
    (r"audio\.bn0\.(.+)", r"audio_model.audio_encoder.batch_norm.\1"),
    (r"audio\.(.+)", r"audio_model.audio_encoder.\1"),
    (r"text\.model\.(.+)", r"text_model.\1"),
    (r"(audio|text)_projection\.0\.(.+)", r"\1_projection.linear1.\2"),
    (r"(audio|text)_projection\.2\.(.+)", r"\1_projection.linear2.\2"),
    (r"logit_scale", r"logit_scale_a"),
    (r"text_logit_scale", r"logit_scale_t"),
)
"""To transformers, after query, key and value were split."""


def to_hugging_face(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a `LaionClap` by the names of transformers' `ClapModel`."""
    split: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if ".attn.qkv." in name:
            parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
            split |= {name.replace(".qkv.", f".{part}."): own.contiguous() for part, own in parts}
        else:
            split[name] = tensor
    return renamed_weights(split, TO_HUGGING_FACE, Path("this model"))
