"""Small studies for tests: ratings and scores that are made here."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

SYSTEMS = ("natural", "tango", "audioldm")
TEXTS = ("a dog barks", "rain falls on a roof", "a man speaks", "music plays", "an engine idles")
REL = Path(__file__).parents[3] / "shared" / "data" / "ratings" / "REL.csv"
PEOPLE = REL.parents[1] / "people"
NO_REL = "needs ../shared/data/ratings/REL.csv, which is not in the repository"


def table(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def study(folder: Path, pairs: int = 90, listeners: int = 30, train: int = 0, seed: int = 0) -> Path:
    """`ratings.csv` of pairs 0, 1, ..., three listeners each, in three systems; the last `train` are for training."""
    rng = np.random.default_rng(seed)
    rows = []
    for pair, quality in enumerate(qualities(pairs + train)):
        for listener in rng.choice(listeners, 3, replace=False):
            rating = int(np.clip(np.round(quality + rng.normal(scale=1.5)), 0, 10))
            rows.append(
                {
                    "audio": f"{SYSTEMS[pair % 3]}/{pair}.wav",
                    "text": TEXTS[pair % 5],
                    "listener": f"L{listener}",
                    "rating": rating,
                    "system": SYSTEMS[pair % 3],
                    "split": "test" if pair < pairs else "train",
                    "scale_min": 0,
                    "scale_max": 10,
                }
            )
    order = rng.permutation(len(rows))
    return table(folder / "ratings.csv", [rows[number] for number in order])


def qualities(pairs: int) -> np.ndarray:
    """What the pairs are worth, by which the systems differ too."""
    rng = np.random.default_rng(99)
    return np.clip(5 + 2 * rng.normal(size=pairs) + (np.arange(pairs) % 3 == 0), 0, 10)


def scores(path: Path, pairs: int = 90, noise: float = 1.0, seed: int = 1, **columns: Any) -> Path:
    """A score file of these pairs in another order, the better the less noise."""
    rng = np.random.default_rng(seed)
    values = (qualities(pairs) + noise * rng.normal(size=pairs)) / 20
    rows = [
        {
            "audio": f"{SYSTEMS[pair % 3]}/{pair}.wav",
            "text": TEXTS[pair % 5],
            "score": f"{max(values[pair], 0):.6f}",
            "cosine": f"{values[pair]:.6f}",
            "error": "",
            **columns,
        }
        for pair in rng.permutation(pairs)
    ]
    return table(path, rows)
