"""ParaCLAP: speech and what is said of it, `paraclap` (wav2vec 2.0 and BERT).

Jing et al. 2024, arXiv 2406.07203. It hears who speaks and how (emotion, pitch, loudness, ...), not sounds in general.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from torch import Tensor

from clapometer.models.families.testing import enliven
from clapometer.models.families.towers import TwoTowers, card_of_path, restored, sizes_of
from clapometer.models.nets.hf_text import TextTower, TextTowerConfig
from clapometer.models.nets.projection import ResidualProjection
from clapometer.models.nets.wav2vec2 import SpeechEncoder, SpeechEncoderConfig, weight_of_factors
from clapometer.models.weights.third_party import Published, Rules, translated
from clapometer.models.weights.tokenizers import byte_tokenizer
from clapometer.types import Hub, ModelCard, Window

MODELS = (
    ModelCard(
        name="paraclap",
        family="paraclap",
        summary="ParaCLAP: wav2vec 2.0 and BERT, trained on emotional speech and templates of its properties",
        sample_rate=16000,
        window=Window(seconds=30.0, hop=30.0, short="keep", long="windows"),
        dimension=768,
        licence="Creative Commons, which one is not said (speech tower: CC BY-NC-SA 4.0)",
        source="arXiv 2406.07203; https://huggingface.co/KeiKinn/paraclap, best.pth.tar",
        published=(
            "The published code hears a file of any length at once; here clips beyond 30 s are heard in windows, so "
            "that memory is bounded, and their vectors averaged. Other rates than 16 kHz are resampled by soxr in its "
            "HQ setting. A mono clip of 16 kHz and at most 30 s has the published vector"
        ),
    ),
)
DOWNLOADS = {
    "paraclap": (
        Hub("KeiKinn/paraclap", ("best.pth.tar",)),
        Hub("google-bert/bert-base-uncased", ("tokenizer.json",)),
    )
}
PARAMETERS = {"paraclap": 275_733_505}
"""Numbers that were trained, and that a score depends on."""

_POSITIONS = "audio_branch.base.encoder.pos_conv_embed.conv."
_FACTORS = (("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1"))
"""What old and new versions of torch call the factors of the positional weight."""
RULES: Rules = (
    (r"logit_scale", r"logit_scale"),
    (r"(audio|text)_projection\.(.+)", r"\1_projection.\2"),
    (r"audio_branch\.base\.masked_spec_embed", None),  # for training wav2vec 2.0 itself
    (r"audio_branch\.base\.encoder\.pos_conv_embed\.conv\.(?:weight_.|parametrizations\..+)", None),  # see `_FACTORS`
    (r"audio_branch\.base\.(.+)", r"audio.base.\1"),
    (r"text_branch\.base\.pooler\..+", None),
    (r"text_branch\.base\.embeddings\.position_ids", None),  # a constant that old versions of transformers saved
    (r"text_branch\.base\.(.+)", r"text.model.\1"),
)
"""What the weights of the published file are called here."""


@dataclass(frozen=True)
class ParaClapConfig:
    """Sizes of a `ParaClap`."""

    audio: SpeechEncoderConfig
    text: TextTowerConfig
    dimension: int = 768
    """Length of an embedding."""


class ParaClap(TwoTowers[ParaClapConfig]):
    """wav2vec 2.0, averaged over time, and the first token of BERT."""

    def __init__(self, card: ModelCard, config: ParaClapConfig, tokenizer: Tokenizer) -> None:
        super().__init__(card, config, tokenizer)
        self.audio = SpeechEncoder(config.audio)
        self.audio_projection = ResidualProjection(config.audio.hidden, config.dimension)
        self.text = TextTower(config.text)
        self.text_projection = ResidualProjection(config.text.hidden, config.dimension)

    def audio_vectors(self, waveforms: Tensor) -> Tensor:
        return self.audio_projection(self.audio(self.audio.lengthened(waveforms)))  # type: ignore[no-any-return]

    def text_vectors(self, texts: Sequence[str]) -> Tensor:
        return self.text_projection(self.text.hidden(*self.tokens(texts))[:, 0])  # type: ignore[no-any-return]

    @property
    def max_tokens(self) -> int:
        return self.config.text.positions


def build(card: ModelCard, folder: Path, configuration: dict[str, Any]) -> ParaClap:
    """The model of a folder with `config.json`, `model.safetensors` and `tokenizer.json`.

    Raises:
        CheckpointError: a file is missing, or two of them do not belong together.
        WeightsMismatch: the weights do not fit the network.
    """
    return ParaClap.from_folder(card, restored(ParaClapConfig, configuration), folder)


def recognises(published: Published) -> str:
    """What the published file is; empty where it is not of this family."""
    ours = any(name.startswith("audio_branch.base.feature_extractor.") for name in published.weights)
    return "ParaCLAP (wav2vec 2.0, BERT)" if ours else ""


def card_of(published: Published) -> ModelCard:
    """The card of a file that `recognises`, when it was named by its path."""
    return card_of_path(published, MODELS, DOWNLOADS, recognises(published))


def adopt(published: Published, card: ModelCard | None = None) -> ParaClap:
    """The model of a published file.

    Args:
        published: a file that `recognises`.
        card: the known model that was asked for; None for a file without a name.

    Raises:
        CheckpointError: the tokenizer is not there.
        WeightsMismatch: the file does not hold all weights of the model.
    """
    weights = translated(published.weights, RULES, str(published.path))
    with sizes_of(published):
        weights["audio.base.encoder.pos_conv_embed.conv.weight"] = _positional_weight(published.weights)
        config = _config(weights)
    return ParaClap.from_published(card or card_of(published), config, weights, published)


def tiny() -> ParaClap:
    """A model of a few thousand random weights whose tokens are letters."""
    tokenizer = byte_tokenizer("bert")
    audio = SpeechEncoderConfig(
        hidden=16,
        layers=1,
        heads=1,
        feedforward=32,
        channels=(8,) * 7,
        position_kernel=8,
        position_groups=4,
    )
    text = TextTowerConfig("bert", tokenizer.get_vocab_size(), 8, 1, 1, 16, positions=64, norm_eps=1e-12)
    card = replace(MODELS[0], name="tiny", summary="random weights, for tests", dimension=8, published="")
    return enliven(ParaClap(card, ParaClapConfig(audio, text, dimension=8), tokenizer))


def _positional_weight(weights: Mapping[str, Tensor]) -> Tensor:
    for magnitude, direction in _FACTORS:
        if _POSITIONS + magnitude in weights:
            return weight_of_factors(weights[_POSITIONS + magnitude].float(), weights[_POSITIONS + direction].float())
    raise KeyError(_POSITIONS + _FACTORS[0][0])


def _config(weights: Mapping[str, Tensor]) -> ParaClapConfig:
    """Sizes, read off the weights; KeyError where one that tells a size is missing."""
    base = "audio.base."
    convolutions = _count(weights, f"{base}feature_extractor.conv_layers.")
    filters = [weights[f"{base}feature_extractor.conv_layers.{number}.conv.weight"] for number in range(convolutions)]
    positions = weights[f"{base}encoder.pos_conv_embed.conv.weight"]
    hidden, feedforward = positions.shape[0], weights[f"{base}encoder.layers.0.feed_forward.intermediate_dense.weight"]
    audio = SpeechEncoderConfig(
        hidden=hidden,
        layers=_count(weights, f"{base}encoder.layers."),
        heads=max(1, hidden // 64),
        feedforward=feedforward.shape[0],
        channels=tuple(weight.shape[0] for weight in filters),
        kernels=tuple(weight.shape[2] for weight in filters),
        strides=SpeechEncoderConfig.strides[:convolutions],
        position_kernel=positions.shape[2],
        position_groups=hidden // positions.shape[1],
    )
    text = {name.removeprefix("text.model."): tensor for name, tensor in weights.items() if name.startswith("text.")}
    return ParaClapConfig(
        audio=audio,
        text=TextTowerConfig.of("bert", text, norm_eps=1e-12),
        dimension=weights["audio_projection.linear1.weight"].shape[0],
    )


def _count(weights: Mapping[str, Tensor], prefix: str) -> int:
    """How many numbered layers there are."""
    return len({name.removeprefix(prefix).split(".")[0] for name in weights if name.startswith(prefix)})
