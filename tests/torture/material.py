"""Sounds, tables and a small model to torture."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import soundfile
import torch

import clapometer
from clapometer.models.families.mini import tiny

RATE = 16000
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "sounds"
FORMATS: Mapping[str, Mapping[str, str]] = {
    "wav": {"subtype": "PCM_16"}, "flac": {}, "ogg": {"format": "OGG", "subtype": "VORBIS"}, "mp3": {"format": "MP3"},
    "aiff": {}, "w64": {}, "opus": {"format": "OGG", "subtype": "OPUS"},
}  # fmt: skip
WORDS = ("a dog barks", "rain on a roof", "a bell rings", "an engine idles", "waves, wind and gulls", "\u00e9t\u00e9")


def samples(number: int, seconds: float = 3.0) -> np.ndarray:
    """A tone with noise, or a real sound where there are some."""
    if SHARED.is_dir():
        files = sorted((SHARED / "esc50").glob("*.ogg"))[::97]
        found, rate = soundfile.read(files[number % len(files)], dtype="float32")
        if rate == RATE:  # with a noise of its own, since no two sounds may be the same
            return np.resize(found, round(seconds * rate)) + 0.1 * tone(number, seconds)
    return tone(number, seconds)


def tone(number: int, seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(number).normal(scale=0.02, size=len(time))
    return (0.3 * np.sin(2 * np.pi * (150 + 130 * number) * time) + noise).astype(np.float32)


def write_sound(path: Path, number: int, seconds: float = 3.0) -> Path:
    soundfile.write(path, samples(number, seconds), RATE, **FORMATS[path.suffix[1:]])
    return path


def write_table(path: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    rows = list(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return path


csv.field_size_limit(2**30)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def small_model(folder: Path) -> Path:
    torch.manual_seed(0)
    clapometer.save(tiny(), folder)
    return folder


def ratings_rows(count: int, listeners: int = 3) -> list[dict[str, object]]:
    random_ = random.Random(0)
    return [
        {"audio": f"{pair}.wav", "text": f"{WORDS[pair % 5]} {pair}", "listener": f"L{who}",
         "rating": random_.randint(0, 10), "scale_min": 0, "scale_max": 10}
        for pair in range(count) for who in range(listeners)
    ]  # fmt: skip
