"""Voices of known pitch, jitter and shimmer, made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import lfilter

from clapometer.audio.reading import Samples

RATE = 16000


def voice(
    hertz: float = 120.0,
    seconds: float = 1.0,
    *,
    glide: float = 0.0,
    jitter: float = 0.0,
    shimmer: float = 0.0,
    gain: float = 0.1,
    seed: int = 0,
) -> Samples:
    """Pulses through two resonances, as a throat makes them; float32 (samples,) at 16 kHz.

    Args:
        hertz: pitch at the beginning.
        seconds: length.
        glide: semitones by which it rises to the end.
        jitter: mean difference of neighbouring periods, whose lengths are random, as a share of them.
        shimmer: mean difference of their heights, in decibels.
        gain: root mean square.
        seed: of these, and of a little noise.
    """
    size = round(seconds * RATE)
    wave = np.zeros(size + RATE // 10)
    random = np.random.default_rng(seed)
    place = 0.0
    while place < size:
        whole, part = int(place), place - int(place)
        # Two numbers drawn evenly from -1..1 differ by 2/3 in the mean.
        height = 10 ** (1.5 * shimmer * random.uniform(-1, 1) / 20)
        wave[whole] += height * (1 - part)
        wave[whole + 1] += height * part
        period = RATE / (hertz * 2 ** (glide * place / size / 12))
        place += period * (1 + 1.5 * jitter * random.uniform(-1, 1))
    for centre, width in ((500.0, 150.0), (1500.0, 250.0)):
        radius = np.exp(-np.pi * width / RATE)
        wave = lfilter([1.0], [1.0, -2 * radius * np.cos(2 * np.pi * centre / RATE), radius**2], wave)
    wave = wave[:size] - wave[:size].mean()
    wave *= gain / np.sqrt(np.mean(wave**2))
    return (wave + 1e-5 * random.standard_normal(size)).astype(np.float32)


EMOTIONS = "WTFN"
SPEAKERS = {"03": 110.0, "08": 210.0, "11": 130.0, "16": 230.0}


def lay_emodb(folder: Path) -> Path:
    """EmoDB by its names, with voices made here; and tables of two speakers each to train and to test on."""
    (folder / "emodb" / "wav").mkdir(parents=True)
    tables: dict[str, list[str]] = {"train": ["audio,label,gender,speaker"], "test": ["audio,label,gender,speaker"]}
    for speaker, hertz in SPEAKERS.items():
        for number, letter in enumerate(EMOTIONS):
            name = f"emodb/wav/{speaker}a0{number + 1}{letter}a.wav"
            samples = voice(hertz * 1.1**number, 0.5, glide=number, gain=0.02 * 2**number, seed=number)
            soundfile.write(folder / name, samples, RATE)
            label = ("angry", "sad", "happy", "neutral")[number]
            row = f"{name},{label},{'male' if hertz < 200 else 'female'},{speaker}"
            tables["train" if speaker in ("03", "08") else "test"].append(row)
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder
