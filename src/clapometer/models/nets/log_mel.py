"""Log-mel spectrograms, batched: waveforms in, (batch, frames, mels) out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class LogMelConfig:
    """How a spectrogram is computed."""

    sample_rate: int = 16000
    """Samples a second."""
    fft: int = 512
    """Points of the Fourier transform; frames are padded to it with zeros."""
    frame: int = 400
    """Samples under the Hann window (periodic)."""
    hop: int = 160
    """Samples between the starts of frames."""
    mels: int = 64
    """Number of mel bands."""
    low: float = 125.0
    """Lower edge of the lowest band, Hz."""
    high: float = 7500.0
    """Upper edge of the highest band, Hz."""
    offset: float = 0.001
    """Added before the logarithm: the level of silence."""


def mel_filterbank(config: LogMelConfig) -> npt.NDArray[np.float32]:
    """Triangular filters on the HTK mel scale, triangles straight in mel, peak 1: (fft / 2 + 1, mels).

    The definition of TensorFlow's `linear_to_mel_weight_matrix`, which YAMNet uses (tensorflow/models,
    research/audioset/yamnet/features.py): mel(f) = 1127 ln(1 + f / 700), no weight on the bin of 0 Hz.
    """

    def mel(hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return 1127.0 * np.log1p(hertz / 700.0)

    bins = mel(np.linspace(0.0, config.sample_rate / 2, config.fft // 2 + 1))[:, None]
    lowest, highest = mel(np.array([config.low, config.high])).tolist()
    edges = np.linspace(lowest, highest, config.mels + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    weights = np.maximum(0.0, np.minimum((bins - lower) / (centre - lower), (upper - bins) / (upper - centre)))
    weights[0] = 0.0
    return cast("npt.NDArray[np.float32]", weights.astype(np.float32))


class LogMel(nn.Module):
    """Log of the mel-weighted magnitude spectrum, frames from the first sample on, none past the end."""

    window: Tensor
    filterbank: Tensor

    def __init__(self, config: LogMelConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("window", torch.hann_window(config.frame), persistent=False)
        self.register_buffer("filterbank", torch.from_numpy(mel_filterbank(config)), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Spectrograms of a batch.

        Args:
            waveforms: (batch, samples), -1..1, at least `config.frame` samples.

        Returns:
            (batch, 1 + (samples - frame) // hop, mels), natural logarithm.
        """
        with torch.autocast(waveforms.device.type, enabled=False):  # half precision is for networks
            frames = waveforms.unfold(-1, self.config.frame, self.config.hop) * self.window
            magnitudes = torch.fft.rfft(frames, n=self.config.fft).abs()
            return torch.log(magnitudes @ self.filterbank + self.config.offset)
