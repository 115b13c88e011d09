"""`mini`: the embedded model, and the architecture that `clapometer pretrain` trains.

Audio: log-mel spectrogram, MobileNet v1 and attention over time. Text: a small BERT-style sentence encoder with its own
WordPiece vocabulary and a linear projection. Trained by `recipes/mini`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor, nn
from torch.nn import functional

from clapometer.errors import CheckpointError
from clapometer.frontend import LogMel, LogMelConfig
from clapometer.model import Clap
from clapometer.nets.mobilenet import AudioEncoder, AudioEncoderConfig
from clapometer.nets.text_encoder import TextEncoder, TextEncoderConfig
from clapometer.records import ModelCard, Window
from clapometer.tokens import read_tokenizer, token_batch
from clapometer.weights import read_weights

MODELS = (
    ModelCard(
        name="mini",
        family="mini",
        summary="small model embedded in the package, trained by this project on real sounds",
        sample_rate=16000,
        window=Window(seconds=10.0, hop=10.0, short="keep", long="windows"),
        dimension=384,
        licence="CC BY-NC 4.0",
        source="recipes/mini; starts from YAMNet (Apache-2.0) and all-MiniLM-L6-v2 (Apache-2.0)",
    ),
)

PARAMETERS = {"mini": 13_743_561}
"""Numbers that were trained, and that a score depends on."""
SHORTEST = 15600
"""Samples below which a clip is lengthened with silence: the 0.975 s of one YAMNet frame."""


@dataclass(frozen=True)
class MiniConfig:
    """Sizes of a `MiniClap`."""

    text: TextEncoderConfig
    audio: AudioEncoderConfig = field(default_factory=AudioEncoderConfig)
    frontend: LogMelConfig = field(default_factory=LogMelConfig)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MiniConfig:
        """The inverse of `dataclasses.asdict`, from JSON."""
        audio: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values["audio"].items()
        }
        return cls(
            text=TextEncoderConfig(**values["text"]),
            audio=AudioEncoderConfig(**audio),
            frontend=LogMelConfig(**values["frontend"]),
        )


class MiniClap(Clap):
    """Log-mel MobileNet and a small sentence encoder."""

    def __init__(self, card: ModelCard, config: MiniConfig, tokenizer: Tokenizer) -> None:
        super().__init__(card)
        self.config = config
        self.tokenizer = tokenizer
        self.frontend = LogMel(config.frontend)
        self.audio = AudioEncoder(config.audio)
        self.text = TextEncoder(config.text)
        self.text_projection = nn.Linear(config.text.hidden, config.audio.dimension)

    def audio_vectors(self, waveforms: Tensor) -> Tensor:
        missing = SHORTEST - waveforms.shape[-1]
        if missing > 0:
            waveforms = functional.pad(waveforms, (0, missing))
        return self.audio(self.frontend(waveforms))  # type: ignore[no-any-return]

    def text_vectors(self, texts: Sequence[str]) -> Tensor:
        sentences = self.text(*self._tokens(texts))
        return self.text_projection(functional.normalize(sentences.float(), dim=-1))  # type: ignore[no-any-return]

    def parts(self) -> dict[str, nn.Module]:
        return {"audio": self.audio, "text": self.text, "projection": self.text_projection}

    def untrained(self) -> MiniClap:
        return MiniClap(self.card, self.config, self.tokenizer)

    def configuration(self) -> dict[str, Any]:
        return asdict(self.config)

    def save_tokenizer(self, folder: Path) -> None:
        self.tokenizer.save(str(folder / "tokenizer.json"))

    def is_cut(self, text: str) -> bool:
        return len(self.tokenizer.encode(text).ids) > self.config.text.max_tokens

    def _tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        return token_batch(self.tokenizer, texts, limit=self.config.text.max_tokens, pad=0, device=self.device)


def build(card: ModelCard, folder: Path, configuration: dict[str, Any]) -> MiniClap:
    """The model of a folder with `config.json`, `model.safetensors` and `tokenizer.json`.

    Raises:
        CheckpointError: a file is missing, or two of them do not belong together.
        WeightsMismatch: the weights do not fit the network.
    """
    config = MiniConfig.from_dict(configuration)
    if (config.audio.dimension, config.frontend.sample_rate) != (card.dimension, card.sample_rate):
        raise CheckpointError(f"{folder / 'config.json'}: dimension or sample rate of card and network differ")
    tokenizer = read_tokenizer(folder / "tokenizer.json")
    tokens = tokenizer.get_vocab_size()
    if tokens > config.text.vocab_size:
        raise CheckpointError(
            f"{folder / 'tokenizer.json'} has {tokens} tokens, the network {config.text.vocab_size}; "
            "copy both from where the model was saved"
        )
    model = MiniClap(card, config, tokenizer)
    read_weights(model, folder / "model.safetensors")
    return model


def tiny() -> MiniClap:
    """A model of a few thousand random weights whose tokens are bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(
        models.BPE(vocab={sign: number for number, sign in enumerate(["[PAD]", *alphabet])}, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    config = MiniConfig(
        text=TextEncoderConfig(vocab_size=257, hidden=8, layers=1, heads=2, feedforward=16, max_tokens=64),
        audio=AudioEncoderConfig(
            stem=4, channels=(8, 8, 16), strides=(2, 2, 2), heads=2, hidden=16, dimension=8, dropout=0.1
        ),
    )
    card = replace(MODELS[0], name="tiny", summary="random weights, for tests", dimension=8)
    return MiniClap(card, config, tokenizer)
