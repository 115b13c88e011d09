from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import noise
from hypothesis import given
from hypothesis import strategies as st

from clapometer.models.nets.log_mel import LogMel, LogMelConfig, mel_filterbank

CONFIGS = [LogMelConfig(), LogMelConfig(48000, 1024, 1024, 480, 32, 50.0, 14000.0, 1e-5)]


def triangles(config: LogMelConfig) -> list[list[float]]:
    """The filterbank band by band and bin by bin, straight from its description."""

    def mel(hertz: float) -> float:
        return 2595 * math.log10(1 + hertz / 700)

    step = (mel(config.high) - mel(config.low)) / (config.mels + 1)
    rows = []
    for number in range(config.fft // 2 + 1):
        position = (mel(number * config.sample_rate / config.fft) - mel(config.low)) / step
        row = [max(0.0, 1 - abs(position - band - 1)) for band in range(config.mels)]
        rows.append(row if number else [0.0] * config.mels)
    return rows


@pytest.mark.parametrize("config", CONFIGS)
def test_the_filterbank_is_triangles_on_the_mel_scale(config: LogMelConfig) -> None:
    bank = mel_filterbank(config)
    assert bank.shape == (config.fft // 2 + 1, config.mels)
    assert bank.dtype == np.float32
    np.testing.assert_allclose(bank, triangles(config), atol=2e-6)


def test_neighbouring_bands_share_a_bin_and_sum_to_one() -> None:
    config = LogMelConfig()
    bank = mel_filterbank(config)
    hertz = np.arange(len(bank)) * config.sample_rate / config.fft
    assert not bank[(hertz <= config.low) | (hertz >= config.high)].any()
    inside = (hertz > 200) & (hertz < 6900)
    np.testing.assert_allclose(bank[inside].sum(1), 1, atol=1e-5)


@given(samples=st.integers(400, 5000), batch=st.integers(1, 3))
def test_frames_begin_with_the_first_sample_and_end_before_the_last(samples: int, batch: int) -> None:
    config = LogMelConfig()
    found = LogMel(config)(torch.zeros(batch, samples))
    assert found.shape == (batch, 1 + (samples - config.frame) // config.hop, config.mels)


@pytest.mark.parametrize("config", CONFIGS)
def test_silence_has_the_level_of_the_offset(config: LogMelConfig) -> None:
    found = LogMel(config)(torch.zeros(1, 2 * config.frame))
    torch.testing.assert_close(found, torch.full_like(found, float(np.log(config.offset))))


@pytest.mark.parametrize("config", CONFIGS)
def test_a_spectrogram_is_that_of_numpy(config: LogMelConfig) -> None:
    samples = noise(0.1, config.sample_rate).astype(np.float64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(config.frame) / config.frame)
    starts = range(0, len(samples) - config.frame + 1, config.hop)
    frames = np.stack([samples[start : start + config.frame] * window for start in starts])
    expected = np.log(np.abs(np.fft.rfft(frames, config.fft)) @ mel_filterbank(config) + config.offset)
    found = LogMel(config)(torch.from_numpy(samples).float()[None])[0]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_a_tone_is_loudest_in_its_own_band() -> None:
    config = LogMelConfig()
    centres = np.linspace(*(1127 * np.log1p(np.array([config.low, config.high]) / 700)), config.mels + 2)[1:-1]
    for band in (5, 20, 40, 60):
        hertz = 700 * np.expm1(centres[band] / 1127)
        tone = torch.sin(2 * torch.pi * hertz * torch.arange(8000) / config.sample_rate)
        assert LogMel(config)(tone[None])[0].mean(0).argmax() == band


def test_each_clip_of_a_batch_is_alone() -> None:
    frontend = LogMel(LogMelConfig())
    batch = torch.from_numpy(np.stack([noise(0.2, seed=number) for number in range(3)]))
    torch.testing.assert_close(frontend(batch)[1:2], frontend(batch[1:2]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_of_the_networks_leaves_the_spectrogram_whole(dtype: torch.dtype) -> None:
    frontend = LogMel(LogMelConfig())
    batch = torch.from_numpy(noise(0.2))[None]
    with torch.autocast("cpu", dtype):
        found = frontend(batch)
    torch.testing.assert_close(found, frontend(batch), rtol=0, atol=0)


def test_the_filterbank_is_no_weight() -> None:
    assert not LogMel(LogMelConfig()).state_dict()
    assert not list(LogMel(replace(LogMelConfig(), mels=8)).parameters())
