"""Fundamental frequency by autocorrelation, after Boersma 1993 (Proc. Inst. Phonetic Sciences 17, 97-110).

The autocorrelation of each frame, divided by that of its window, has peaks at the periods that the frame may have. The
path through the candidates of all frames that is cheapest in sum (Viterbi) decides, and says where there is no voice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clapometer.types import FloatArray, IndexArray

Samples = npt.NDArray[np.float32]

FRAMES_AT_A_TIME = 1024
"""Frames whose spectra are in memory at once."""


@dataclass(frozen=True)
class PitchOptions:
    """What counts as a voice, in Boersma's terms; his values where no reason is given."""

    lowest: float = 60.0
    """Hz; men's voices reach down to it."""
    highest: float = 600.0
    """Hz; children and shouting reach up to it."""
    step: float = 0.01
    """Seconds between frames."""
    candidates: int = 8
    """Periods that are considered in a frame."""
    silence: float = 0.03
    """Frames whose peak is below this share of the clip's are hardly voice."""
    voicing: float = 0.45
    """How periodic a frame must be to be voice."""
    octave: float = 0.01
    """What favours the higher of two candidates, an octave apart, that are equally good."""
    jump: float = 0.35
    """Cost of an octave between neighbouring frames."""
    change: float = 0.14
    """Cost of a change between voiced and unvoiced."""


OPTIONS = PitchOptions()


def window_of(rate: int) -> int:
    """Samples in a frame: three of the longest periods, as the method needs."""
    return round(3 / OPTIONS.lowest * rate)


def centres(samples: int, rate: int) -> IndexArray:
    """(frames,): the sample at the centre of each frame of a clip; none where it is shorter than one frame."""
    window = window_of(rate)
    count = max(0, 1 + math.floor((samples - window) / (OPTIONS.step * rate)))
    return np.round(np.arange(count) * OPTIONS.step * rate).astype(np.int64) + window // 2


def pitch(samples: Samples, rate: int) -> FloatArray:
    """Fundamental frequency over time.

    Args:
        samples: (n,).
        rate: Hz.

    Returns:
        (frames,) Hz, NaN where there is no voice; frame i is centred at `centres(n, rate)[i]`.
    """
    middle = centres(len(samples), rate)
    if not len(middle):
        return np.zeros(0)
    return _path(*_candidates(samples, rate, middle))


def _candidates(samples: Samples, rate: int, middle: IndexArray) -> tuple[FloatArray, FloatArray]:
    """Frequencies and strengths of the candidates, (frames, 1 + candidates); the first is that there is no voice."""
    window = window_of(rate)
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)
    size = 2 ** int(np.ceil(np.log2(1.5 * window)))
    hann = np.hanning(window + 2)[1:-1]
    own = np.fft.irfft(np.abs(np.fft.rfft(hann, size)) ** 2, size)
    shortest, longest = max(2, int(rate / OPTIONS.highest)), int(np.ceil(rate / OPTIONS.lowest))
    own = own[: longest + 2] / own[0]
    peak = max(float(np.abs(samples - samples.mean()).max()), 1e-12)
    frequencies, strengths = [], []
    for start in range(0, len(middle), FRAMES_AT_A_TIME):
        block = frames[middle[start : start + FRAMES_AT_A_TIME] - window // 2].astype(np.float64)
        block -= block.mean(axis=1, keepdims=True)
        loudest = np.abs(block).max(axis=1)
        like = np.fft.irfft(np.abs(np.fft.rfft(block * hann, size)) ** 2, size)[:, : longest + 2]
        lag, height = _peaks(like / np.maximum(like[:, :1], 1e-20) / own, shortest, OPTIONS.candidates)
        is_there = height > 0
        # A peak counts the less the lower its frequency is; a quiet frame is hardly voice.
        strength = np.where(is_there, height - OPTIONS.octave * np.log2(OPTIONS.lowest * lag / rate), -np.inf)
        quiet = 2 - (loudest / peak) * (1 + OPTIONS.voicing) / OPTIONS.silence
        none = OPTIONS.voicing + np.maximum(0.0, quiet)
        frequencies.append(np.column_stack([np.zeros(len(block)), np.where(is_there, rate / lag, 0.0)]))
        strengths.append(np.column_stack([none, strength]))
    return np.concatenate(frequencies), np.concatenate(strengths)


def _peaks(like: FloatArray, shortest: int, count: int) -> tuple[FloatArray, FloatArray]:
    """The highest maxima of each row, interpolated by parabolas: lags and heights, (rows, count); height 0 is none."""
    before, here, after = like[:, shortest - 1 : -2], like[:, shortest:-1], like[:, shortest + 1 :]
    height = np.where((here > before) & (here >= after) & (here > 0), here, 0.0)
    place = np.argsort(-height, axis=1, kind="stable")[:, :count]
    found = np.take_along_axis(height, place, axis=1)
    left, top, right = (np.take_along_axis(some, place, axis=1) for some in (before, here, after))
    curve = np.where(found > 0, left - 2 * top + right, -1.0)
    shift = np.where(found > 0, 0.5 * (left - right) / curve, 0.0)
    found = np.where(found > 0, top - 0.25 * (left - right) * shift, 0.0)
    # Beyond 1 only by the correction for the window, which is the larger the less there is to be seen.
    return np.asarray(place + shortest + shift), np.asarray(np.where(found > 1, 1 / np.maximum(found, 1.0), found))


def _path(frequencies: FloatArray, strengths: FloatArray) -> FloatArray:
    """(frames,): the frequencies along the best path; NaN where it is unvoiced."""
    voiced, octaves = frequencies > 0, np.log2(np.where(frequencies > 0, frequencies, 1.0))
    one, two = voiced[:-1, :, None], voiced[1:, None, :]
    leap = OPTIONS.jump * np.abs(octaves[:-1, :, None] - octaves[1:, None, :])
    costs = (0.01 / OPTIONS.step) * np.where(one & two, leap, OPTIONS.change * (one != two))
    best, back = strengths[0], np.zeros(frequencies.shape, np.int64)
    for frame, cost in enumerate(costs, 1):
        total = best[:, None] - cost
        back[frame] = total.argmax(axis=0)
        best = total.max(axis=0) + strengths[frame]
    place, chosen = int(best.argmax()), np.empty(len(frequencies))
    for frame in range(len(frequencies) - 1, -1, -1):
        chosen[frame] = frequencies[frame, place] or np.nan
        place = int(back[frame, place])
    return chosen
