"""Which weight of a LAION CLAP is which: in the original files, in transformers' `ClapModel`, and here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from clapometer.errors import CheckpointError
from clapometer.models.families.htsat_state_dict import HTSAT_RULES, htsat_config, original_mel
from clapometer.models.nets.hf_text import TextTowerConfig
from clapometer.models.nets.htsat import HtsatConfig
from clapometer.models.nets.mel import DecibelMel, DecibelMelConfig
from clapometer.models.weights.third_party import Published, Rules, translated

ORIGINAL: Rules = (
    *((rf"audio_branch\.{name}", new and f"audio.{new}") for name, new in HTSAT_RULES),
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
"""And back, query, key and value having been parted before."""

Found = tuple[dict[str, Tensor], HtsatConfig, TextTowerConfig]


def is_original(weights: Mapping[str, Tensor]) -> bool:
    """Whether these are the weights of an original file with HTS-AT and RoBERTa."""
    return any(name.startswith("audio_branch.patch_embed.") for name in weights) and any(
        name.startswith("text_branch.embeddings.") for name in weights
    )


def is_hugging_face(weights: Mapping[str, Tensor]) -> bool:
    """Whether these are the weights of transformers' `ClapModel`."""
    return any(name.startswith("audio_model.audio_encoder.") for name in weights) and any(
        name.startswith("text_model.") for name in weights
    )


def original_weights(published: Mapping[str, Tensor], frontend: DecibelMelConfig, where: str) -> Found:
    """The weights of an original file by our names, and the sizes that they tell.

    Raises:
        KeyError: a weight that tells a size is missing.
        WeightsMismatch: a weight has no place here.
    """
    weights = translated(published, ORIGINAL, where)
    # The front end that a fused file stores took no part in its training, torchaudio's did.
    own = frontend.scale == "htk"
    mel = DecibelMel(frontend).state_dict() if own else original_mel(published, "audio_branch.")
    weights |= {f"frontend.{name}": tensor for name, tensor in mel.items()}
    return weights, htsat_config(published, "audio_branch."), _text(weights, norm_eps=1e-5)


def hugging_face_weights(published: Published, frontend: DecibelMelConfig) -> Found:
    """The weights of transformers' `ClapModel` by our names, and the sizes that they and `config.json` tell.

    Raises:
        CheckpointError: `config.json` asks for something that is not known here.
        KeyError: a weight that tells a size is missing.
        WeightsMismatch: a weight has no place here.
    """
    weights = translated(published.weights, HUGGING_FACE, str(published.path))
    for name in [name for name in weights if ".attn.query." in name]:
        parts = [weights.pop(name.replace(".query.", f".{part}.")) for part in ("query", "key", "value")]
        weights[name.replace(".query.", ".qkv.")] = torch.cat(parts)
    weights |= {f"frontend.{name}": tensor for name, tensor in DecibelMel(frontend).state_dict().items()}
    settings = published.configuration or {}
    audio_settings, text_settings = _section(settings, "audio_config"), _section(settings, "text_config")
    for section in (settings, audio_settings, text_settings):
        _refuse_unknown(section, published)
    audio = HtsatConfig.of({name.removeprefix("audio."): tensor for name, tensor in weights.items()})
    audio = replace(
        audio,
        image=audio_settings.get("spec_size", audio.image),
        drop_path=audio_settings.get("drop_path_rate", 0.0),
        norm_eps=audio_settings.get("layer_norm_eps", audio.norm_eps),
    )
    # 1e-12 is what transformers' own conversion left there; RoBERTa and the original have 1e-5.
    text = _text(
        weights, norm_eps=text_settings.get("layer_norm_eps", 1e-12), heads=text_settings.get("num_attention_heads")
    )
    return weights, audio, text


def hugging_face_front_end(published: Published, frontend: DecibelMelConfig) -> tuple[DecibelMelConfig, float | None]:
    """The front end that a folder of transformers asks for, and the seconds of its window, where it says anything.

    Args:
        published: the folder, or a file in it.
        frontend: what holds where nothing is said.

    Raises:
        CheckpointError: its `preprocessor_config.json` is damaged.
    """
    path = (published.path if published.path.is_dir() else published.path.parent) / "preprocessor_config.json"
    if not path.is_file():
        return frontend, None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        config = DecibelMelConfig(
            sample_rate=int(values.get("sampling_rate", frontend.sample_rate)),
            fft=int(values.get("fft_window_size", frontend.fft)),
            hop=int(values.get("hop_length", frontend.hop)),
            mels=int(values.get("feature_size", frontend.mels)),
            low=float(values.get("frequency_min", frontend.low)),
            high=float(values.get("frequency_max", frontend.high)),
            scale=frontend.scale,
            double=frontend.double,
        )
        seconds = float(values.get("max_length_s", 10.0))
        if min(config.sample_rate, config.fft, config.hop, config.mels, seconds, config.high - config.low) <= 0:
            raise ValueError("a size that is not positive")
    except (AttributeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is not the front end of a CLAP ({error}); download it again") from error
    return config, seconds


def to_hugging_face(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a `LaionClap` by the names of transformers' `ClapModel`."""
    parted: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if ".attn.qkv." in name:
            parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
            parted |= {name.replace(".qkv.", f".{part}."): own.contiguous() for part, own in parts}
        else:
            parted[name] = tensor
    return translated(parted, TO_HUGGING_FACE, "this model")


def _text(weights: Mapping[str, Tensor], *, norm_eps: float, heads: int | None = None) -> TextTowerConfig:
    prefix = "text.model."
    own = {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
    return replace(TextTowerConfig.of("roberta", own, heads=heads, norm_eps=norm_eps), pooler=True)


_KNOWN = {
    "hidden_act": "gelu",
    "projection_hidden_act": "relu",
    "patch_embed_input_channels": 1,
    "enable_patch_layer_norm": True,
    "flatten_patch_embeds": True,
    "qkv_bias": True,
}


def _section(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = settings.get(name)
    return section if isinstance(section, Mapping) else {}


def _refuse_unknown(settings: Mapping[str, Any], published: Published) -> None:
    for name, known in _KNOWN.items():
        if settings.get(name, known) != known:
            raise CheckpointError(
                f"{published.path}: its configuration asks for {name}={settings[name]!r}, and only {known!r} is known "
                "here; no published CLAP has another"
            )
    if re.fullmatch(r"channel_map|.*_1d", str(settings.get("fusion_type"))):
        raise CheckpointError(
            f"{published.path}: the fusion {settings['fusion_type']!r} is not known here, only aff_2d"
        )
