"""A small synthetic data set with which every command can be tried: sounds, pairs, ratings, captions and labels.

Sounds are synthesised and listeners are simulated; nothing here measures a model. Each of three made-up systems renders
eight sounds for the right or for a wrong text, and adds its own amount of noise; listeners rate the match.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from clapometer.benchmark import example_sounds as sounds
from clapometer.errors import BadOption
from clapometer.tables import atomic_write, write_rows

CLIPS = "clips"
SECONDS = 2.0
"""Of a named clip; those of pairs.csv are half as long."""
SYSTEMS = {"clean": 0.0, "noisy": 0.15, "broken": 0.6}
"""Made-up systems and the amplitude of the noise that each adds."""
PLACES = ("outdoors", "at night", "in the distance", "close by", "in an empty street")
"""One clip of each sound per system and place; the text of the last one is that of another sound."""
LISTENERS = 12
PER_PAIR = 4
README = """Files to try Clapometer on, written by `clapometer example`.
Sounds are synthesised and listeners are simulated.

clips/        siren.wav, rain.wav ... : one clip per sound; held-out-*.wav: other excerpts; the clips of pairs.csv
pairs.csv     audio, text, system: what three made-up systems rendered for a text
ratings.csv   audio, text, system, listener, rating (0 to 10)
captions.csv  audio, text: for `clapometer pretrain`
val.csv       audio, label: for `clapometer pretrain --val`
labelled.csv  audio, label: for `clapometer classify`
labels.txt    one label per line
"""


@dataclass(frozen=True)
class Pair:
    """A clip that a system rendered for a text."""

    audio: str
    text: str
    system: str
    quality: float
    """How well it matches, 0..1."""


def write_example(folder: Path) -> list[Path]:
    """Write the example data set.

    Args:
        folder: made where it is missing.

    Returns:
        The files that are not sounds.

    Raises:
        BadOption: one of the files exists already.
    """
    named = ("README.txt", "pairs.csv", "ratings.csv", "captions.csv", "val.csv", "labelled.csv", "labels.txt")
    written = [folder / name for name in named]
    for path in (*written, folder / CLIPS):
        if path.exists():
            raise BadOption(f"{path} exists already; choose an empty folder")
    (folder / CLIPS).mkdir(parents=True)
    texts = sounds.DESCRIPTIONS
    for name in texts:
        _write(folder / CLIPS / f"{_stem(name)}.wav", _excerpt(name, 0.0, SECONDS))
        _write(folder / CLIPS / f"held-out-{_stem(name)}.wav", _excerpt(name, sounds.SECONDS - SECONDS, SECONDS))
    rng = np.random.default_rng(0)
    pairs = _pairs(folder, rng)
    tables: dict[str, list[dict[str, Any]]] = {
        "pairs.csv": [{"audio": one.audio, "text": one.text, "system": one.system} for one in pairs],
        "ratings.csv": _ratings(pairs, rng),
        "captions.csv": [{"audio": f"{CLIPS}/{_stem(name)}.wav", "text": text} for name, text in texts.items()],
        "val.csv": [{"audio": f"{CLIPS}/held-out-{_stem(name)}.wav", "label": name} for name in texts],
        "labelled.csv": [{"audio": f"{CLIPS}/{_stem(name)}.wav", "label": name} for name in texts],
    }
    for name, rows in tables.items():
        with atomic_write(folder / name) as file:
            write_rows(file, "csv", list(rows[0]), rows)
    (folder / "labels.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    (folder / "README.txt").write_text(README, encoding="utf-8")
    return written


def _pairs(folder: Path, rng: np.random.Generator) -> list[Pair]:
    names = list(sounds.DESCRIPTIONS)
    pairs = []
    for system, noise in SYSTEMS.items():
        for name in names:
            for take, place in enumerate(PLACES):
                path = f"{CLIPS}/{system}-{_stem(name)}-{take}.wav"
                clip = _excerpt(name, rng.uniform(0, sounds.SECONDS - SECONDS), SECONDS / 2)
                _write(folder / path, clip + noise * rng.normal(size=len(clip)))
                is_right = place != PLACES[-1]
                meant = name if is_right else names[(names.index(name) + 3) % len(names)]
                text = f"{sounds.DESCRIPTIONS[meant]} {place}"
                quality = (0.9 if is_right else 0.15) * (1 - noise / 2)
                pairs.append(Pair(path, text, system, float(np.clip(quality + rng.normal(scale=0.08), 0, 1))))
    return pairs


def _ratings(pairs: list[Pair], rng: np.random.Generator) -> list[dict[str, Any]]:
    levels = rng.normal(scale=0.5, size=LISTENERS)
    rows = []
    for one in pairs:
        for listener in sorted(rng.choice(LISTENERS, PER_PAIR, replace=False).tolist()):
            rating = round(float(np.clip(10 * one.quality + levels[listener] + rng.normal(scale=1.2), 0, 10)))
            rows.append(
                {
                    "audio": one.audio,
                    "text": one.text,
                    "system": one.system,
                    "listener": f"L{listener + 1:02}",
                    "rating": rating,
                    "scale_min": 0,
                    "scale_max": 10,
                }
            )
    return rows


def _stem(name: str) -> str:
    return name.replace(" ", "-")


def _excerpt(name: str, start: float, seconds: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    first = round(start * sounds.RATE)
    return _wave(name)[first : first + round(seconds * sounds.RATE)].astype(np.float64)


@cache
def _wave(name: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    return sounds.make(name)


def _write(path: Path, samples: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    soundfile.write(path, np.clip(samples, -1, 1), sounds.RATE, subtype="PCM_16")
