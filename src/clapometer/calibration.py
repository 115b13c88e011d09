"""A monotone map from cosine to listeners' rating, stored next to a model."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from clapometer.errors import CheckpointError
from clapometer.stats.isotonic import MonotoneMap
from clapometer.tables import atomic_write

FILE = "calibration.json"
_FORMAT = 1


@dataclass(frozen=True)
class Calibration:
    """A map from cosines of one model to ratings, and on what it was fitted."""

    mapping: MonotoneMap
    """From cosine to rating."""
    scale: tuple[float, float]
    """Lowest and highest rating that listeners could give."""
    weights: str
    """The weights whose cosines these are, as `clapometer score` writes them into its record."""
    window: str
    """The treatment of short and long clips with which they were computed."""
    ratings: str
    """Name of the file of ratings."""
    ratings_sha256: str
    splits: tuple[str, ...]
    """Its splits on which the map was fitted."""
    pairs: int
    """How many pairs that were."""
    mse_before: float
    """Mean squared error of the scores on other pairs, on 0..1."""
    mse_after: float
    """That of the mapped cosines on the same pairs."""

    def rating(self, cosine: float) -> float:
        """The rating that listeners would give, on their scale."""
        return float(self.mapping(cosine))


def write_calibration(calibration: Calibration, folder: Path) -> Path:
    """Put the file into a model's folder; returns its path.

    Raises:
        BadOption: it cannot be written.
    """
    path = folder / FILE
    with atomic_write(path) as file:
        file.write((json.dumps({"format": _FORMAT, **asdict(calibration)}, indent=2) + "\n").encode())
    return path


def read_calibration(folder: Path) -> Calibration | None:
    """The calibration of the model in a folder; None where it has none.

    Raises:
        CheckpointError: there is a file of that name that is not one.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("format") != _FORMAT:
            raise ValueError("a format that this version does not know")
        mapping = MonotoneMap(*(tuple(map(float, values["mapping"][axis])) for axis in ("x", "y")))
        low, high = map(float, values["scale"])
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError("no scale")
        return Calibration(**{**values, "mapping": mapping, "scale": (low, high), "splits": tuple(values["splits"])})
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a calibration that can be read ({error}); remove it, or write it again with "
            "`clapometer evaluate --calibrate`"
        ) from error
