"""Microsoft CLAP: `msclap-2022` (CNN14 and BERT) and `msclap-2023` (HTS-AT and GPT-2).

Elizalde et al. 2022, arXiv 2206.04769, and 2023, arXiv 2309.05767. Both hear decibel spectrograms at 44.1 kHz, and
bring sounds and texts into 1024 dimensions by the same projection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from clapometer.errors import WeightsMismatch
from clapometer.models.families.htsat_state_dict import HTSAT_RULES, htsat_config, original_mel
from clapometer.models.families.testing import enliven
from clapometer.models.families.towers import TwoTowers, card_of_path, restored, sizes_of
from clapometer.models.nets.cnn14 import Cnn14, Cnn14Config
from clapometer.models.nets.hf_text import TextKind, TextTower, TextTowerConfig
from clapometer.models.nets.htsat import Htsat, HtsatConfig
from clapometer.models.nets.mel import DecibelMel, DecibelMelConfig
from clapometer.models.nets.projection import ResidualProjection
from clapometer.models.weights.third_party import Published, Rules, translated
from clapometer.models.weights.tokenizers import byte_tokenizer
from clapometer.types import Hub, ModelCard, Window

_DIFFERENCES = (
    "The published code lays the channels of a stereo file end to end, and hears {seconds:g} s of a longer clip, taken "
    "at random each time; here channels are averaged, and all windows of {seconds:g} s are heard and their vectors "
    "averaged. Other rates than 44.1 kHz are resampled by soxr, not torchaudio. A mono clip of 44.1 kHz and at most "
    "{seconds:g} s has the published vector"
)
MODELS = (
    ModelCard(
        name="msclap-2022",
        family="microsoft",
        summary="Microsoft CLAP of 2022: CNN14 and BERT, trained on 128 thousand pairs",
        sample_rate=44100,
        window=Window(seconds=5.0, hop=5.0, short="repeat", long="windows"),
        dimension=1024,
        licence="MS-PL",
        source="arXiv 2206.04769; https://huggingface.co/microsoft/msclap, CLAP_weights_2022.pth",
        published=_DIFFERENCES.format(seconds=5.0),
    ),
    ModelCard(
        name="msclap-2023",
        family="microsoft",
        summary="Microsoft CLAP of 2023: HTS-AT and GPT-2, trained on 4.6 million pairs",
        sample_rate=44100,
        window=Window(seconds=7.0, hop=7.0, short="repeat", long="windows"),
        dimension=1024,
        licence="MS-PL",
        source="arXiv 2309.05767; https://huggingface.co/microsoft/msclap, CLAP_weights_2023.pth",
        published=_DIFFERENCES.format(seconds=7.0),
    ),
)
DOWNLOADS = {
    "msclap-2022": (
        Hub("microsoft/msclap", ("CLAP_weights_2022.pth",)),
        Hub("google-bert/bert-base-uncased", ("tokenizer.json",)),
    ),
    "msclap-2023": (
        Hub("microsoft/msclap", ("CLAP_weights_2023.pth",)),
        Hub("openai-community/gpt2", ("tokenizer.json",)),
    ),
}

END = "<|endoftext|>"
"""What GPT-2 reads behind a text; its hidden state stands for the text."""
PARAMETERS = {"msclap-2022": 193_550_273, "msclap-2023": 155_648_409}
"""Numbers that were trained, and that a score depends on."""
FRONTENDS = {"msclap-2022": DecibelMelConfig(sample_rate=44100), "msclap-2023": DecibelMelConfig(sample_rate=32000)}
"""What the filters of a published file should be. The code of 2023 builds HTS-AT for 32 kHz and hands it 44.1 kHz, so
its bands lie 1.4 times higher than they say: that is what it was trained with. The filters in the file count anyway.
"""
_WORDS = {"msclap-2022": "Microsoft CLAP 2022 (CNN14, BERT)", "msclap-2023": "Microsoft CLAP 2023 (HTS-AT, GPT-2)"}

_BOTH: Rules = (
    (r"logit_scale", r"logit_scale"),
    (r"audio_encoder\.projection\.(.+)", r"audio_projection.\1"),
    (r"caption_encoder\.projection\.(.+)", r"text_projection.\1"),
    (r"audio_encoder\.base\.(?:htsat\.)?(?:spectrogram|logmel)_extractor\..+", None),  # read by `original_mel`
    (r"caption_encoder\.base\.pooler\..+", None),
    (r"caption_encoder\.base\.embeddings\.position_ids", None),  # constants that old versions of transformers saved
    (r"caption_encoder\.base\.h\.\d+\.attn\.(?:masked_)?bias", None),
    (r"caption_encoder\.base\.(.+)", r"text.model.\1"),
)
RULES: dict[str, Rules] = {
    "msclap-2022": (
        *_BOTH,
        *((rf"audio_encoder\.base\.conv_block{n}\.(.+)", rf"audio.blocks.{n - 1}.\1") for n in range(1, 7)),
        (r"audio_encoder\.base\.((?:bn0|fc1)\..+)", r"audio.\1"),
        (r"audio_encoder\.base\.fc_audioset\..+", None),  # the classifier on AudioSet
    ),
    "msclap-2023": (
        *_BOTH,
        *((rf"audio_encoder\.base\.htsat\.{name}", new and f"audio.{new}") for name, new in HTSAT_RULES),
    ),
}
"""What the weights of a published file are called here."""


@dataclass(frozen=True)
class MicrosoftConfig:
    """Sizes of a `MicrosoftClap`."""

    frontend: DecibelMelConfig
    audio: Cnn14Config | HtsatConfig
    text: TextTowerConfig
    dimension: int = 1024
    """Length of an embedding."""


class MicrosoftClap(TwoTowers[MicrosoftConfig]):
    """CNN14 or HTS-AT for sounds, BERT or GPT-2 for texts."""

    def __init__(self, card: ModelCard, config: MicrosoftConfig, tokenizer: Tokenizer) -> None:
        super().__init__(card, config, tokenizer)
        self.frontend = DecibelMel(config.frontend)
        self.audio: Cnn14 | Htsat
        if isinstance(config.audio, Cnn14Config):
            self.audio, width = Cnn14(config.audio), config.audio.dimension
            self._shortest = max(config.frontend.fft // 2 + 1, (config.audio.shortest - 1) * config.frontend.hop)
        else:
            self.audio, width = Htsat(config.audio), config.audio.dimension
            self._shortest = config.frontend.fft // 2 + 1
        self.audio_projection = ResidualProjection(width, config.dimension)
        self.text = TextTower(config.text)
        self.text_projection = ResidualProjection(config.text.hidden, config.dimension)

    def audio_vectors(self, waveforms: Tensor) -> Tensor:
        samples = waveforms.shape[-1]
        if samples < self._shortest:  # for windows of a user's own that keep short clips: repeated, as published
            waveforms = waveforms.repeat(1, -(-self._shortest // samples))[:, : self._shortest]
        return self.audio_projection(self.audio(self.frontend(waveforms)))  # type: ignore[no-any-return]

    def text_vectors(self, texts: Sequence[str]) -> Tensor:
        ids, mask = self.tokens(texts)
        hidden = self.text.hidden(ids, mask)
        # GPT-2 was trained with the padding token "!", which is number 0 as BERT's own is, and with its state at the
        # position given by the number of other tokens: a "!" in a text moves it forward, and does so here.
        last = (ids != self.padding).sum(1) - 1 if self.config.text.kind == "gpt2" else torch.zeros_like(ids[:, 0])
        return self.text_projection(hidden[torch.arange(len(ids), device=ids.device), last])  # type: ignore[no-any-return]

    @property
    def max_tokens(self) -> int:
        return self.config.text.positions

    def marked(self, texts: Sequence[str]) -> Sequence[str]:
        return [f"{text} {END}" for text in texts] if self.config.text.kind == "gpt2" else texts


def build(card: ModelCard, folder: Path, configuration: dict[str, Any]) -> MicrosoftClap:
    """The model of a folder with `config.json`, `model.safetensors` and `tokenizer.json`.

    Raises:
        CheckpointError: a file is missing, or two of them do not belong together.
        WeightsMismatch: the weights do not fit the network.
    """
    return MicrosoftClap.from_folder(card, restored(MicrosoftConfig, configuration), folder)


def recognises(published: Published) -> str:
    """What the published file is; empty where it is not of this family."""
    return _WORDS.get(_name(published.weights), "")


def card_of(published: Published) -> ModelCard:
    """The card of a file that `recognises`, when it was named by its path."""
    like = next(card for card in MODELS if card.name == _name(published.weights))
    return card_of_path(published, [like], DOWNLOADS, recognises(published))


def adopt(published: Published, card: ModelCard | None = None) -> MicrosoftClap:
    """The model of a published file.

    Args:
        published: a file that `recognises`.
        card: the known model that was asked for; None for a file without a name.

    Raises:
        CheckpointError: the tokenizer is not there.
        WeightsMismatch: the file holds another model than the one asked for, or not all weights of it.
    """
    name, where = _name(published.weights), str(published.path)
    if card is not None and card.name != name:
        raise WeightsMismatch(f"{where} does not hold {card.name} but {recognises(published)}; load it as {name}")
    weights = translated(published.weights, RULES[name], where)
    prefix = "audio_encoder.base.htsat." if name == "msclap-2023" else "audio_encoder.base."
    mel = original_mel(published.weights, prefix)
    weights |= {f"frontend.{name}": tensor for name, tensor in mel.items()}
    with sizes_of(published):
        config = _config(published, weights, FRONTENDS[name], prefix)
    return MicrosoftClap.from_published(card or card_of(published), config, weights, published)


def tiny(name: str = "msclap-2022") -> MicrosoftClap:
    """A model of a few thousand random weights whose tokens are bytes, in the shape of one of the two."""
    kind: TextKind = "bert" if name == "msclap-2022" else "gpt2"
    tokenizer = byte_tokenizer(kind)
    text = TextTowerConfig(kind, tokenizer.get_vocab_size(), 8, 1, 1, 16, positions=64, norm_eps=1e-12)
    audio: Cnn14Config | HtsatConfig = Cnn14Config(mels=16, channels=(4, 6, 8), dimension=8)
    if kind == "gpt2":
        audio = HtsatConfig(mels=16, image=64, width=4, depths=(1, 1), heads=(1, 2), window=8)
    config = MicrosoftConfig(DecibelMelConfig(16000, fft=256, hop=160, mels=16, high=8000.0), audio, text, dimension=8)
    published = next(card for card in MODELS if card.name == name)
    window = Window(seconds=0.6, hop=0.6, short="repeat")
    card = replace(published, name="tiny", summary="random weights, for tests", sample_rate=16000, dimension=8)
    return enliven(MicrosoftClap(replace(card, window=window, published=""), config, tokenizer))


def _name(weights: Mapping[str, Tensor]) -> str:
    if not any(name.startswith("caption_encoder.base.") for name in weights):
        return ""
    if any(name.startswith("audio_encoder.base.htsat.") for name in weights):
        return "msclap-2023"
    return "msclap-2022" if any(name.startswith("audio_encoder.base.conv_block1.") for name in weights) else ""


def _config(
    published: Published, weights: Mapping[str, Tensor], frontend: DecibelMelConfig, prefix: str
) -> MicrosoftConfig:
    """Sizes, read off the weights; KeyError where one that tells a size is missing."""
    bins, mels = weights["frontend.filterbank"].shape
    text = {name.removeprefix("text.model."): tensor for name, tensor in weights.items() if name.startswith("text.")}
    audio: Cnn14Config | HtsatConfig
    if prefix.endswith("htsat."):
        audio = htsat_config(published.weights, prefix)
        tower = TextTowerConfig.of("gpt2", text, norm_eps=1e-5)
    else:
        blocks = sorted({name.split(".")[2] for name in weights if name.startswith("audio.blocks.")})
        channels = tuple(weights[f"audio.blocks.{block}.conv1.weight"].shape[0] for block in blocks)
        audio = Cnn14Config(weights["audio.bn0.weight"].shape[0], channels, weights["audio.fc1.weight"].shape[0])
        tower = TextTowerConfig.of("bert", text, norm_eps=1e-12)
    dimension = weights["audio_projection.linear1.weight"].shape[0]
    return MicrosoftConfig(replace(frontend, fft=2 * (bins - 1), mels=mels), audio, tower, dimension)
