"""Sound in: decode, mix to mono, resample, cut into windows. Deterministic, in blocks, and nothing else.

A clip is never held whole: it flows through in blocks, so that memory does not grow with its length.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from clapometer.errors import BadAudio
from clapometer.integrity import why_cut_off
from clapometer.records import Window

Samples = npt.NDArray[np.float32]
Sound = str | os.PathLike[str] | tuple[Any, int]
"""A file, or an array with its sample rate: (samples,) or (channels, samples), floats in -1..1."""

BLOCK_SECONDS = 10.0


def read_sound(sound: Sound, sample_rate: int) -> Samples:
    """A whole clip, mono, at `sample_rate`; float32 (samples,).

    Raises:
        BadAudio: as `read_windows`.
    """
    return np.concatenate(list(_resampled(sound, sample_rate)))


def read_windows(sound: Sound, sample_rate: int, window: Window) -> Iterator[Samples]:
    """The windows of a clip, in order.

    Channels are averaged to mono, and the rate is changed once, by soxr in its HQ setting.

    Args:
        sound: a file that libsndfile reads (wav, flac, ogg, mp3, ...), or `(array, sample_rate)`.
        sample_rate: rate of the windows, in Hz.
        window: their length and distance, and what happens to short and long clips.

    Yields:
        float32 (samples,); all as long as the window, but for a short clip under `short="keep"`.

    Raises:
        BadAudio: the file is missing, empty, cut off or not a sound; a sample is not finite; there are no samples.
    """
    size = round(window.seconds * sample_rate)
    hop = round(window.hop * sample_rate)
    pending = np.zeros(0, np.float32)
    tail = np.zeros(0, np.float32)
    emitted = False
    for block in _resampled(sound, sample_rate):
        pending = np.concatenate([pending, block])
        while len(pending) >= size:
            yield pending[:size].copy()
            emitted = True
            if window.long == "head":
                return
            # The last window is flush with the end, so the samples behind a finished one are still needed.
            tail = pending[:size]
            pending = pending[hop:]
    if not emitted:
        yield _lengthened(pending, size, window)
    elif len(pending) > size - hop:
        yield np.concatenate([tail[:hop], pending])[-size:]


def _lengthened(samples: Samples, size: int, window: Window) -> Samples:
    if len(samples) == 0:  # a sample or two, resampled far down
        samples = np.zeros(1, np.float32)
    if window.short == "keep" or len(samples) == size:
        return samples
    if window.short == "repeat":
        return np.resize(samples, size)
    times = size // len(samples) if window.short == "repeatpad" else 1
    return np.pad(np.tile(samples, times), (0, size - times * len(samples)))


def _resampled(sound: Sound, sample_rate: int) -> Iterator[Samples]:
    rate, blocks = _array_blocks(*sound) if isinstance(sound, tuple) else _file_blocks(Path(sound))
    name = "the array" if isinstance(sound, tuple) else str(sound)
    stream = None if rate == sample_rate else soxr.ResampleStream(rate, sample_rate, 1, dtype="float32", quality="HQ")
    position = 0
    for block in blocks:
        mono = block.mean(axis=1, dtype=np.float32) if block.shape[1] > 1 else block[:, 0]
        if not np.isfinite(mono).all():
            first = position + int(np.argmin(np.isfinite(mono)))
            raise BadAudio(
                f"{name}: not a finite number (NaN or infinity) at {first / rate:.3f} s; write the file anew"
            )
        position += len(mono)
        yield mono if stream is None else stream.resample_chunk(mono)
    if position == 0:
        raise BadAudio(f"{name}: holds no samples")
    if stream is not None:
        yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _array_blocks(array: Any, rate: int) -> tuple[int, Iterator[Samples]]:
    samples = np.asarray(array, dtype=np.float32)
    if samples.ndim == 1:
        samples = samples[None]
    if samples.ndim != 2:
        raise BadAudio(f"the array has shape {samples.shape}; give (samples,) or (channels, samples)")
    if samples.shape[0] > samples.shape[1] > 0:
        raise BadAudio(f"the array has {samples.shape[0]} channels of {samples.shape[1]} samples; it looks transposed")
    if rate <= 0:
        raise BadAudio(f"the array's sample rate is {rate}; it must be positive")
    return rate, iter([samples.T])


def check_file(path: str | os.PathLike[str]) -> None:
    """What can be seen of a sound file without opening it.

    Raises:
        BadAudio: it is missing, empty, a folder or another thing that is not a file, or may not be read.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise BadAudio(f"{path}: is a folder; name a sound file")
        if not path.exists():
            raise BadAudio(f"{path}: no such file; check the name, and the folder that it is relative to")
        if not path.is_file():
            raise BadAudio(f"{path}: is not a file but a device or a pipe; write the sound to a file")
        if path.stat().st_size == 0:
            raise BadAudio(f"{path}: the file is empty (0 bytes); copy or render it again")
    except (OSError, UnicodeEncodeError) as error:
        raise BadAudio(f"{path}: cannot be looked at ({getattr(error, 'strerror', None) or error})") from error


def _file_blocks(path: Path) -> tuple[int, Iterator[Samples]]:
    check_file(path)
    try:
        file = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, OSError, TypeError) as error:  # TypeError: .raw, which has no header
        reason = getattr(error, "error_string", str(error))
        raise BadAudio(
            f"{path}: not a sound file that can be read ({reason.rstrip('.')}); wav, flac, ogg and mp3 can"
        ) from error
    return file.samplerate, _decoded(file, path)


def _decoded(file: soundfile.SoundFile, path: Path) -> Iterator[Samples]:
    with file:
        cut_off = why_cut_off(path, file.format, file.frames / file.samplerate)
        if cut_off:
            raise BadAudio(f"{path}: the file is cut off ({cut_off}); copy or render it again")
        try:
            yield from file.blocks(
                blocksize=max(1, int(BLOCK_SECONDS * file.samplerate)), dtype="float32", always_2d=True
            )
        except soundfile.LibsndfileError as error:
            raise BadAudio(
                f"{path}: damaged, decoding stopped ({error.error_string}); copy or render it again"
            ) from error
