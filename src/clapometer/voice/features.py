"""What is measured of a voice."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, fields

import numpy as np

from clapometer.voice.jitter_shimmer import roughness
from clapometer.voice.loudness import level, loudness, peaks_a_second
from clapometer.voice.pitch import Samples, centres, pitch, window_of

RATE = 16000
"""Hz at which a voice is measured."""
LOWEST_TONE = 27.5
"""Hz from which semitones are counted, as in eGeMAPS (Eyben et al. 2016, IEEE Trans. Affective Comp. 7, 190-202)."""
HARDLY_VOICED = 0.05
"""Share of voiced frames below which a clip is hardly speech."""


@dataclass(frozen=True)
class Features:
    """Measures of one clip; NaN where one is undefined, and `note` says why."""

    pitch: float
    """Mean fundamental frequency of the voiced frames, in semitones above 27.5 Hz."""
    pitch_variation: float
    """Standard deviation of that, as a share of the mean."""
    loudness: float
    """Mean loudness over time; in no unit."""
    level: float
    """Equivalent sound level, in dB below full scale."""
    jitter: float
    """Difference of neighbouring periods, as a share of their length: median over the voiced frames."""
    shimmer: float
    """Difference of the heights of neighbouring periods, in dB: median over the voiced frames."""
    duration: float
    """Seconds."""
    rate: float
    """Peaks of loudness a second: a proxy for the rate of speech."""
    voiced: float
    """Share of the frames that are voiced, 0..1."""

    @property
    def note(self) -> str:
        """What is missing or doubtful, and why; empty where all is well."""
        if math.isnan(self.level):
            return f"silent for all its {self.duration:.2f} s: only its duration can be measured"
        if math.isnan(self.voiced):
            return (
                f"{self.duration:.3f} s is too short for pitch, jitter and shimmer, which take "
                f"{window_of(RATE) / RATE:.2f} s or more"
            )
        if math.isnan(self.pitch):
            return "no voiced frame, so no pitch, jitter and shimmer: noise, a whisper, or no speech at all"
        if self.voiced < HARDLY_VOICED:
            return f"only {self.voiced:.1%} of it is voiced: perhaps no speech; its pitch is that of this part"
        return ""


NAMES = tuple(field.name for field in fields(Features))


def measure(samples: Samples, rate: int = RATE) -> Features:
    """Measure a clip.

    Args:
        samples: (n,), -1..1.
        rate: Hz; features of clips are comparable at one rate only.

    Returns:
        Finite numbers, NaN where there is nothing to measure.

    Example:
        >>> import numpy
        >>> hum = 0.1 * numpy.sign(numpy.sin(2 * numpy.pi * 220 * numpy.arange(16000) / 16000))
        >>> round(measure(hum.astype(numpy.float32)).pitch, 1)  # 220 Hz is three octaves above 27.5 Hz
        36.0
    """
    seconds, decibels = len(samples) / rate, level(samples)
    if math.isnan(decibels):
        return Features(**dict.fromkeys(NAMES, math.nan) | {"duration": seconds})
    loud = loudness(samples, rate)
    middle, frequencies = centres(len(samples), rate), pitch(samples, rate)
    voiced_frames = frequencies[np.isfinite(frequencies)]
    jitter, shimmer = roughness(samples, rate, middle, frequencies)
    mean = deviation = math.nan
    if len(voiced_frames):
        tones = 12 * np.log2(voiced_frames / LOWEST_TONE)
        mean, deviation = float(tones.mean()), float(tones.std() / tones.mean())
    return Features(
        pitch=mean,
        pitch_variation=deviation,
        loudness=float(loud.mean()),
        level=decibels,
        jitter=jitter,
        shimmer=shimmer,
        duration=seconds,
        rate=peaks_a_second(loud, seconds),
        voiced=len(voiced_frames) / len(frequencies) if len(frequencies) else math.nan,
    )


def as_vector(features: Features) -> tuple[float, ...]:
    """The numbers in the order of `NAMES`."""
    return astuple(features)
