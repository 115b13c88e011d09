"""The published models of the LAION family: what they are, and where their weights are."""

from __future__ import annotations

from collections.abc import Mapping

from clapometer.types import Hub, ModelCard, Window

_TEN = Window(seconds=10.0, hop=10.0, short="repeatpad", long="windows")
_FUSED = Window(seconds=10.0, hop=10.0, short="repeatpad", long="fused")
_SAME = (
    "A mono clip of 48 kHz and at most 10 s has the published vector, but for what the published code loses by "
    "rounding the samples of files to 16 bits (it does not when it is given tensors). Texts have it, too: of a longer "
    "one both read the first 77 tokens"
)
_LONG = (
    "The published code encodes 10 s of a longer clip, drawn at random each time; here all windows of 10 s are encoded "
    f"and their vectors averaged. {_SAME}"
)
_CHUNKS = (
    "Of a clip of more than 10 s the published code draws three chunks at random, each from its third; here they are "
    "the first, the middle and the last."
)
_FUSES_ALL = "window=fused-all sends every clip through the fusion path, as transformers does with a clip that is alone"
_FUSED_FILES = (
    f"{_CHUNKS} The spectrogram of the whole clip is shrunk without smoothing, as in training; newer versions of "
    f"torchvision smooth it. {_SAME}. {_FUSES_ALL}"
)
_NOT_TRUNCATED = "transformers truncates no text; here the first 77 tokens are read, as in LAION's training"
_PORT = (
    "The published code, transformers, sends one clip of each batch through the fusion path even where none is longer "
    "than 10 s (chosen at random; a clip alone, always), so that its scores depend on the batch; here, as in LAION's "
    f"own code, a clip that fits takes the path without fusion. {_FUSES_ALL}. {_CHUNKS} {_NOT_TRUNCATED}"
)
PORTED = {
    True: _PORT,
    False: (
        "The published code, transformers, encodes 10 s of a longer clip, drawn at random each time; here all windows "
        f"of 10 s are encoded and their vectors averaged. {_NOT_TRUNCATED}"
    ),
}
"""Differences from transformers of its own folders, fused and unfused."""


def _laion(name: str, summary: str, file: str, *, fused: bool = False) -> ModelCard:
    return ModelCard(
        name=name,
        family="laion",
        summary=f"LAION CLAP: {summary}",
        sample_rate=48000,
        window=_FUSED if fused else _TEN,
        embedding_dim=512,
        license="CC0-1.0",
        source=f"arXiv 2211.06687; https://huggingface.co/lukewys/laion_clap, {file}",
        differences=_FUSED_FILES if fused else _LONG,
    )


def _human(losses: str, name: str = "") -> ModelCard:
    repository = "human-clap-" + losses.lower().replace(" + ", "-")
    return ModelCard(
        name=name or repository,
        family="laion",
        summary=f"Human-CLAP: laion-fused trained on listeners' ratings, loss {losses}",
        sample_rate=48000,
        window=_FUSED,
        embedding_dim=512,
        license="not stated by its authors",
        source=f"arXiv 2506.23553; https://huggingface.co/sarulab-speech/{repository}",
        differences=_PORT,
    )


_FILES = {
    "laion": "630k-audioset-best.pt",
    "laion-fused": "630k-audioset-fusion-best.pt",
    "laion-music": "music_audioset_epoch_15_esc_90.14.pt",
    "laion-music-speech": "music_speech_audioset_epoch_15_esc_89.98.pt",
}
_VARIANTS = ("MSE", "wSCE", "wSCE + MSE", "MSE + MAE", "wSCE + MSE + MAE")

MODELS: tuple[ModelCard, ...] = (
    _laion("laion", "general sounds, clips to 10 s", _FILES["laion"]),
    _laion("laion-fused", "general sounds, clips of any length", _FILES["laion-fused"], fused=True),
    _laion("laion-music", "music and general sounds", _FILES["laion-music"]),
    _laion("laion-music-speech", "music, speech and general sounds", _FILES["laion-music-speech"]),
    _human("wSCE + MAE", "human-clap"),
    *map(_human, _VARIANTS),
)
_FOLDER = ("model.safetensors", "config.json", "tokenizer.json")
_TOKENIZER = Hub("FacebookAI/roberta-base", ("tokenizer.json",))
DOWNLOADS: Mapping[str, tuple[Hub, ...]] = {
    **{name: (Hub("lukewys/laion_clap", (file,)), _TOKENIZER) for name, file in _FILES.items()},
    **{
        card.name: (Hub(card.source.partition("huggingface.co/")[2], _FOLDER),)
        for card in MODELS
        if card.name.startswith("human-clap")
    },
}
BASE = ("laion-music", "laion-music-speech")
"""Models with HTS-AT base; the others have HTS-AT tiny."""
PARAMETERS: Mapping[str, int] = {
    card.name: 153_507_529 if card.window.long == "fused" else 153_492_889 for card in MODELS
} | dict.fromkeys(BASE, 193_913_881)
"""Weights that were trained, by name of the model."""
