"""LAION-CLAP and Human-CLAP: HTS-AT for sounds, RoBERTa for texts.

Wu et al. 2023, arXiv 2211.06687, and Takano et al. 2025, arXiv 2506.23553. Both are read from the original `.pt` files
and from the folders of transformers' `ClapModel`; which weight is which is written down in `laion_names`.

A fused model hears a clip of more than ten seconds whole, shrunk to the frames of ten seconds, and in three chunks of
ten seconds. The published code draws the chunks at random; here they are the first one, the middle one and the last.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from clapometer.errors import BadOption, CheckpointError, WeightsMismatch
from clapometer.models.clap import in_groups
from clapometer.models.families.laion_cards import BASE, DOWNLOADS, MODELS, PARAMETERS, PORTED
from clapometer.models.families.laion_export import write_transformers
from clapometer.models.families.laion_state_dict import (
    hugging_face_front_end,
    hugging_face_weights,
    is_hugging_face,
    is_original,
    original_weights,
)
from clapometer.models.families.testing import enliven
from clapometer.models.families.towers import TwoTowers, card_of_path, restored, sizes_of
from clapometer.models.nets.hf_text import TextTower, TextTowerConfig
from clapometer.models.nets.htsat import Htsat, HtsatConfig
from clapometer.models.nets.mel import DecibelMel, DecibelMelConfig
from clapometer.models.weights.third_party import Published
from clapometer.models.weights.tokenizers import byte_tokenizer
from clapometer.types import FUSED, ModelCard, Window

__all__ = [
    "DOWNLOADS",
    "MODELS",
    "PARAMETERS",
    "LaionClap",
    "LaionConfig",
    "adopt",
    "build",
    "card_of",
    "recognises",
    "tiny",
]

TOKENS = 77
"""Tokens that the text tower was trained to read, marks included."""
FRONT_END = DecibelMelConfig(sample_rate=48000, fft=1024, hop=480, mels=64, low=50.0, high=14000.0)
"""What all published models hear, unfused; fused ones through the triangles of HTK."""
SIZES = {96: "tiny", 128: "base", 256: "large"}


@dataclass(frozen=True)
class LaionConfig:
    """Sizes of a `LaionClap`."""

    frontend: DecibelMelConfig
    audio: HtsatConfig
    text: TextTowerConfig
    dimension: int = 512
    """Length of an embedding."""
    max_tokens: int = TOKENS
    """Longest text, start and end marks included; of a longer one the beginning is read."""


class LaionClap(TwoTowers[LaionConfig]):
    """HTS-AT and RoBERTa, each with a projection of two layers."""

    padding = 1  # of RoBERTa
    text_logit_scale: Tensor

    def __init__(self, card: ModelCard, config: LaionConfig, tokenizer: Tokenizer) -> None:
        super().__init__(card, config, tokenizer)
        self.frontend = DecibelMel(config.frontend)
        self.audio = Htsat(config.audio)
        self.audio_projection = _projection(config.audio.dimension, config.dimension)
        self.text = TextTower(config.text)
        self.text_projection = _projection(config.text.hidden, config.dimension)
        # The published models learned a temperature for each direction; this one is kept for those who read it back.
        self.register_buffer("text_logit_scale", self.logit_scale.detach().clone())

    @property
    def window_frames(self) -> int:
        """Frames of the window that the model was trained on: ten seconds, or one chunk of a longer clip."""
        return 1 + round(self.card.window.seconds * self.card.sample_rate) // self.config.frontend.hop

    def audio_vectors(self, waveforms: Tensor) -> Tensor:
        return self.window_vectors(list(waveforms), self.card.window)

    def window_vectors(self, windows: Sequence[Tensor], window: Window) -> Tensor:
        # Longer clips of any lengths go through the network together: shrunk and in chunks, they are of one size.
        mels = in_groups(windows, lambda waveforms: self._mels(waveforms.to(self.device), window))
        return torch.stack(in_groups(mels, self._projected))

    def check_window(self, window: Window) -> None:
        if window.long not in FUSED:
            self._check_frames(round(window.seconds * self.card.sample_rate))
        elif not self.config.audio.fused:
            super().check_window(window)
        elif window.seconds != self.card.window.seconds:
            raise BadOption(
                f"window: the chunks of {self.card.name} have {self.card.window.seconds:g} s, not {window.seconds:g} s"
            )

    def text_vectors(self, texts: Sequence[str]) -> Tensor:
        return self.text_projection(self.text.pooled(*self.tokens(texts)))  # type: ignore[no-any-return]

    @property
    def max_tokens(self) -> int:
        return self.config.max_tokens

    def save_transformers(self, folder: str | os.PathLike[str]) -> None:
        """Write a folder that `transformers.ClapModel.from_pretrained` loads; see `write_transformers`."""
        write_transformers(self, (self.config.frontend, self.config.audio, self.config.text), folder)

    def _mels(self, waveforms: Tensor, window: Window) -> Tensor:
        """Spectrograms, (batch, 1, frames, mels); on the fusion path, with three chunks, (batch, 4, frames, mels)."""
        missing = self.config.frontend.fft - waveforms.shape[-1]
        mels: Tensor = self.frontend(functional.pad(waveforms, (0, missing)) if missing > 0 else waveforms)
        if window.long in FUSED and mels.shape[1] > self.window_frames:
            mels, chunks = self._chunks(mels)
            return torch.cat([mels.unsqueeze(1), chunks], 1)
        if window.long == "fused-all":
            return mels.unsqueeze(1).expand(-1, 4, -1, -1)
        self._check_frames(waveforms.shape[-1])
        return mels.unsqueeze(1)

    def _projected(self, mels: Tensor) -> Tensor:
        chunks = mels[:, 1:] if mels.shape[1] > 1 else None
        return self.audio_projection(self.audio(mels[:, 0], chunks))  # type: ignore[no-any-return]

    def _chunks(self, mels: Tensor) -> tuple[Tensor, Tensor]:
        """Spectrograms of long clips -> the same shrunk to the frames of a window, and their three chunks."""
        frames = self.window_frames
        last = mels.shape[1] - frames
        # Each start is one that the published code may draw; of two frames more than a chunk it draws but these.
        starts = (0, (last + 1) // 2, last if last > 1 else 0)
        chunks = torch.stack([mels[:, start : start + frames] for start in starts], 1)
        size = (frames, mels.shape[2])
        return functional.interpolate(mels.unsqueeze(1), size, mode="bilinear", align_corners=False)[:, 0], chunks

    def _check_frames(self, samples: int) -> None:
        hop, rate = self.config.frontend.hop, self.card.sample_rate
        if 1 + samples // hop > self.config.audio.frames:
            most = self.config.audio.frames * hop / rate
            raise BadOption(
                f"window: {self.card.name} hears less than {most:g} s at a time, not {samples / rate:g} s; "
                f"take seconds={self.card.window.seconds:g}"
            )


def build(card: ModelCard, folder: Path, configuration: dict[str, Any]) -> LaionClap:
    """The model of a folder with `config.json`, `model.safetensors` and `tokenizer.json`.

    Raises:
        CheckpointError: a file is missing, or two of them do not belong together.
        WeightsMismatch: the weights do not fit the network.
    """
    config = restored(LaionConfig, configuration)
    if config.frontend.sample_rate != card.sample_rate:
        raise CheckpointError(f"{folder / 'config.json'}: sample rate of card and network differ")
    return LaionClap.from_folder(card, config, folder)


def recognises(published: Published) -> str:
    """What a published checkpoint is; empty where it is not of this family."""
    layout = "original file" if is_original(published.weights) else "transformers"
    if layout == "transformers" and not is_hugging_face(published.weights):
        return ""
    return f"LAION CLAP ({_architecture(published.weights)}, RoBERTa; {layout})"


def card_of(published: Published) -> ModelCard:
    """The card of a checkpoint that was named by its path: that of a known file of the same name, or what can be
    seen of it.

    Raises:
        CheckpointError: the configuration of its front end is damaged.
    """
    card = card_of_path(published, _alike(published.weights), DOWNLOADS, recognises(published))
    if is_hugging_face(published.weights) and card not in MODELS:
        card = replace(card, published=PORTED[_is_fused(published.weights)])
    return _heard(card, published)[0]


def adopt(published: Published, card: ModelCard | None = None) -> LaionClap:
    """The model of a published checkpoint.

    Args:
        published: a checkpoint that `recognises`.
        card: the known model that was asked for; None for a path alone.

    Raises:
        CheckpointError: the tokenizer is not there, or a configuration is of no use.
        WeightsMismatch: the checkpoint holds another model than the one asked for, or not all weights of it.
    """
    where = str(published.path)
    if card is not None and card not in _alike(published.weights):
        raise WeightsMismatch(f"{where} does not hold {card.name} but {recognises(published)}")
    card, frontend = _heard(card or card_of(published), published)
    with sizes_of(published):
        if is_original(published.weights):
            weights, audio, text = original_weights(published.weights, frontend, where)
        else:
            weights, audio, text = hugging_face_weights(published, frontend)
    config = LaionConfig(frontend, audio, text, card.dimension, min(TOKENS, text.positions - 2))
    return LaionClap.from_published(card, config, weights, published)


def _heard(card: ModelCard, published: Published) -> tuple[ModelCard, DecibelMelConfig]:
    """A card with the rate, window and dimension of a checkpoint, and the front end of it."""
    fused, ported = _is_fused(published.weights), is_hugging_face(published.weights)
    frontend = replace(FRONT_END, scale="htk" if fused else "slaney", double=fused and ported)
    seconds: float | None = None
    if ported:
        frontend, seconds = hugging_face_front_end(published, frontend)
    window = card.window if seconds is None else replace(card.window, seconds=seconds, hop=seconds)
    ends = ("audio_projection.2.bias", "audio_projection.linear2.bias")
    found = [len(published.weights[name]) for name in ends if name in published.weights]
    dimension = found[0] if found else card.dimension
    return replace(card, sample_rate=frontend.sample_rate, window=window, dimension=dimension), frontend


def tiny(*, fused: bool = False) -> LaionClap:
    """A model of a few thousand random weights whose tokens are bytes."""
    tokenizer = byte_tokenizer("roberta")
    text = TextTowerConfig("roberta", tokenizer.get_vocab_size(), 8, 1, 2, 16, positions=66, norm_eps=1e-5, pooler=True)
    audio = HtsatConfig(mels=16, image=64, width=8, depths=(1, 2), heads=(1, 2), window=4, fused=fused)
    frontend = DecibelMelConfig(sample_rate=16000, fft=256, hop=64, mels=16, low=50.0, high=8000.0)
    frontend = replace(frontend, scale="htk" if fused else "slaney")
    config = LaionConfig(frontend, audio, text, dimension=8, max_tokens=64)
    card = replace(
        next(card for card in MODELS if (card.window.long in FUSED) == fused),
        name="tiny",
        summary="random weights, for tests",
        sample_rate=16000,
        window=Window(seconds=1.0, hop=1.0, short="repeatpad", long="fused" if fused else "windows"),
        dimension=8,
    )
    return enliven(LaionClap(card, config, tokenizer))


def _projection(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(), nn.Linear(outputs, outputs))


def _is_fused(weights: Mapping[str, Tensor]) -> bool:
    return any(".patch_embed.mel_conv2d." in name for name in weights)


def _alike(weights: Mapping[str, Tensor]) -> list[ModelCard]:
    """Known models of the architecture of these weights; of their kind of fusion where none is as large."""
    fusing = [card for card in MODELS if (card.window.long in FUSED) == _is_fused(weights)]
    base = SIZES.get(_width(weights)) == "base"
    return [card for card in fusing if (card.name in BASE) == base] or fusing


def _width(weights: Mapping[str, Tensor]) -> int:
    """Of HTS-AT's first layer; 0 where it is lacking."""
    ends = (tensor for name, tensor in weights.items() if name.endswith(".patch_embed.proj.weight"))
    return next((tensor.shape[0] for tensor in ends), 0)


def _architecture(weights: Mapping[str, Tensor]) -> str:
    width = _width(weights)
    if not width:
        return "HTS-AT that lacks its beginning"
    return f"HTS-AT {SIZES.get(width, f'of width {width}')}, {'fused' if _is_fused(weights) else 'unfused'}"
