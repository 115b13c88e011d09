"""Containers that PyAV decodes; the files are encoded by PyAV as well."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import noise

from clapometer.audio.containers import container_of
from clapometer.audio.reading import Samples, read_sound
from clapometer.errors import BadAudio

av: Any = pytest.importorskip("av", reason="PyAV (extra `av`) is not installed")

RATE = 48000
KINDS = [("a.m4a", "aac", "ipod"), ("a.mp4", "aac", "mp4"), ("o.mp4", "libopus", "mp4"), ("o.webm", "libopus", "webm")]


def encode(path: Path, codec: str, form: str, samples: Samples, layout: str = "mono") -> Path:
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.layout = layout
        frame = av.AudioFrame.from_ndarray(np.atleast_2d(samples), format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        for given in (frame, None):
            for packet in stream.encode(given):
                container.mux(packet)
    return path


def tone(seconds: float) -> Samples:
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


def lag(found: Samples, samples: Samples) -> int:
    """Samples by which one is behind the other, where they correlate best."""
    size = 2 * len(samples)
    product = np.fft.irfft(np.fft.rfft(found, size) * np.fft.rfft(samples, size).conj())
    best = int(product.argmax())
    return best if best < len(samples) else best - size


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seconds", [0.5, 3.0, 3.01])
def test_a_clip_has_its_length_and_place(kind: tuple[str, str, str], seconds: float, tmp_path: Path) -> None:
    """Nothing of what the encoder puts before and behind is left."""
    name, codec, form = kind
    samples = noise(seconds, RATE)
    found = read_sound(encode(tmp_path / name, codec, form, samples), RATE)
    assert len(found) == len(samples)
    assert lag(found, samples) == 0
    assert read_sound(tmp_path / name, 16000).shape == (round(len(samples) / 3),)


def test_raw_aac_is_read_with_the_delay_of_its_encoder(tmp_path: Path) -> None:
    samples = noise(1.0, RATE)
    found = read_sound(encode(tmp_path / "a.aac", "aac", "adts", samples), RATE)
    assert RATE <= len(found) < RATE + 3 * 1024
    assert lag(found[: len(samples)], samples) == 1024


def test_channels_are_those_of_the_file(tmp_path: Path) -> None:
    both = np.stack([tone(1.0), np.zeros(RATE, np.float32)])
    path = encode(tmp_path / "a.m4a", "aac", "ipod", both, layout="stereo")
    mean, first = (read_sound(path, RATE, channels).std() for channels in ("mean", "first"))  # type: ignore[arg-type]
    assert first == pytest.approx(0.3 / np.sqrt(2), rel=0.02)
    assert mean == pytest.approx(first / 2, rel=0.02)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_that_was_cut_off_is_refused(kind: tuple[str, str, str], share: float, tmp_path: Path) -> None:
    name, codec, form = kind
    path = encode(tmp_path / name, codec, form, noise(5, RATE))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(BadAudio, match=f"^{path}: .*(cannot be decoded|truncated or damaged|decoding stopped)"):
        read_sound(path, RATE)


def test_a_video_without_audio_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        frame = av.VideoFrame(32, 32, "yuv420p")
        for given in (frame, None):
            for packet in stream.encode(given):
                container.mux(packet)
    with pytest.raises(BadAudio, match="is MP4 or M4A without audio"):
        read_sound(tmp_path / "a.mp4", RATE)


def test_containers_are_recognised_by_their_first_bytes(tmp_path: Path) -> None:
    found = [container_of(encode(tmp_path / kind[0], *kind[1:], tone(0.2)).read_bytes()[:512]) for kind in KINDS]
    assert found == ["MP4 or M4A"] * 3 + ["WebM or Matroska"]
    assert container_of(b"RIFF\0\0\0\0WAVEfmt ") == ""
