"""Sounds: events of real clips in sequence or together, and what simulated systems do to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, fftconvolve, sosfilt

from clapometer.audio import read_sound
from clapometer.tables import read_table
from panel.content import Content

Samples = npt.NDArray[np.float32]
RATE = 16000
LEVEL = 0.07
"""Root of the mean square of the active part of an event, at most."""
FADE = RATE // 50
SHORTEST, LONGEST = 5.0, 7.0
"""Seconds of a scene."""
Clips = Mapping[str, Sequence[Path]]
"""Files by class."""


@dataclass(frozen=True)
class System:
    """A simulated text-to-audio system, or recordings."""

    name: str
    clarity: float
    """What its sound takes from the match: a factor."""
    kinds: Mapping[str, float]
    """How often each kind of mismatch occurs; relative."""


def clips_of(data: Path, folds: Sequence[str]) -> Clips:
    """The clips of ESC-50 in some folds, by class."""
    table = read_table(data / "sounds" / "clips.csv", ("file", "label", "source", "fold"))
    found = defaultdict(list)
    for row in table.rows:
        if row["source"] == "ESC-50" and str(row["fold"]) in folds:
            found[str(row["label"])].append(data / "sounds" / str(row["file"]))
    return dict(found)


@lru_cache(maxsize=2048)
def active(path: Path) -> Samples:
    """The part of a clip that holds sound, from the first frame to the last within 40 dB of the loudest, levelled."""
    samples = read_sound(path, RATE)
    frames = samples[: len(samples) // FADE * FADE].reshape(-1, FADE)
    power = np.square(frames, dtype=np.float64).mean(1)
    there = np.flatnonzero(power > max(power.max() * 1e-4, 1e-10))
    if len(there):
        samples = samples[there[0] * FADE : (there[-1] + 1) * FADE]
    level = float(np.sqrt(np.square(samples, dtype=np.float64).mean()))
    peak = float(np.abs(samples).max())
    return samples * np.float32(min(LEVEL / max(level, 1e-5), 0.7 / max(peak, 1e-5)))


def scene(content: Content, clips: Clips, random: np.random.Generator) -> tuple[Samples, list[Path]]:
    """A sound with these events, and the clips that it is made of.

    Returns:
        float32 (samples,) at 16 kHz, 5 to 7 s, within -1..1; and a file for each event.
    """
    files = [clips[event][random.integers(len(clips[event]))] for event in content.events]
    count = len(files)
    if content.layout == "sequence":
        seconds = random.uniform(SHORTEST / count, LONGEST / count, count)
        samples = np.concatenate([_of_length(active(file), each) for file, each in zip(files, seconds, strict=True)])
    else:
        whole = np.zeros(int(RATE * random.uniform(SHORTEST, LONGEST)), np.float32)
        for place, (file, below) in enumerate(zip(files, content.below, strict=True)):
            event = _of_length(active(file), min(5.0, len(whole) / RATE)) * np.float32(10 ** (-below / 20))
            start = int(random.integers(len(whole) - len(event) + 1)) if place else 0
            whole[start : start + len(event)] += event
        samples = whole
    samples = np.pad(samples, (0, max(0, int(SHORTEST * RATE) - len(samples))))[: int(LONGEST * RATE)]
    return samples / np.float32(max(1.0, float(np.abs(samples).max()))), files


def rendered(samples: Samples, system: str, random: np.random.Generator) -> Samples:
    """A sound as a system gives it; float32 (samples,), within -1..1."""
    out = _EFFECTS[system](samples.astype(np.float64), random) if system in _EFFECTS else samples
    return (out / max(1.0, float(np.abs(out).max()))).astype(np.float32)


def _of_length(samples: Samples, seconds: float) -> Samples:
    """A part of so many seconds with soft ends, and silence behind where there is not so much."""
    size = int(seconds * RATE)
    part = samples[:size].copy()
    ramp = np.linspace(0, 1, min(FADE, len(part)), dtype=np.float32)
    part[: len(ramp)] *= ramp
    part[len(part) - len(ramp) :] *= ramp[::-1]
    return np.pad(part, (0, size - len(part)))


Numbers = npt.NDArray[np.float64]


def _room(samples: Numbers, random: np.random.Generator) -> Numbers:
    """A room with 0.5 s of reverberation."""
    time = np.arange(int(0.5 * RATE)) / RATE
    echo = random.standard_normal(len(time)) * 10 ** (-3 * time / 0.5)
    wet = fftconvolve(samples, echo / np.sqrt(np.square(echo).sum()))[: len(samples)]
    return 0.8 * samples + 0.5 * wet


def _radio(samples: Numbers, random: np.random.Generator) -> Numbers:  # noqa: ARG001 - as the others
    """A band of 300 to 3,000 Hz."""
    return np.asarray(sosfilt(butter(4, [300, 3000], "bandpass", fs=RATE, output="sos"), samples))


def _hiss(samples: Numbers, random: np.random.Generator) -> Numbers:
    """Noise 12 dB below the sound."""
    level = np.sqrt(np.square(samples).mean()) * 10 ** (-12 / 20)
    return samples + level * random.standard_normal(len(samples))


def _crushed(samples: Numbers, random: np.random.Generator) -> Numbers:  # noqa: ARG001 - as the others
    """Five bits, every second sample held."""
    peak = max(float(np.abs(samples).max()), 1e-6)
    held = np.repeat(samples[::2], 2)[: len(samples)]
    return np.round(held / peak * 15) / 15 * peak


_EFFECTS = {"room": _room, "radio": _radio, "hiss": _hiss, "crushed": _crushed}
SYSTEMS = (
    System("natural", 1.0, {"right": 62, "misses": 16, "adds": 7, "swapped": 10, "related": 7, "wrong": 3}),
    System("room", 1.0, {"right": 70, "misses": 14, "adds": 6, "swapped": 8, "related": 4, "wrong": 2}),
    System("radio", 0.95, {"right": 32, "misses": 12, "adds": 22, "swapped": 18, "related": 15, "wrong": 9}),
    System("hiss", 0.92, {"right": 28, "misses": 12, "adds": 24, "swapped": 16, "related": 14, "wrong": 14}),
    System("crushed", 0.92, {"right": 26, "misses": 12, "adds": 24, "swapped": 16, "related": 14, "wrong": 15}),
)
"""How often each errs is set so that mean and spread of its ratings are those of one of RELATE's five: recordings,
Tango 2, Tango, AudioLDM 2 and AudioLDM."""
TURNS = (("natural", "room", "crushed"), ("natural", "radio", "hiss"))
"""The systems that get a prompt, in turn: as in RELATE, the recording, one of a better and one of a worse family."""
