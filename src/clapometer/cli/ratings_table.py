"""Ratings brought to one row a pair, and written."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from clapometer._version import __version__
from clapometer.cli import console
from clapometer.cli.ratings_study import Study
from clapometer.errors import BadOption
from clapometer.provenance import file_hash
from clapometer.stats.aggregation import Aggregated, aggregate
from clapometer.stats.standardise import Standardised, doubts, standardise
from clapometer.tables import write_with_record

NAMES = ("audio", "text", "system", "split")
NUMBERS = ("sd", "se", "median", "lowest", "highest")


def write(study: Study, output: Path, *, standardised: bool) -> None:
    """Write one row a pair, and a record beside it of how it came about; the table appears last.

    The table can be read as ratings again: its `rating` is the mean.

    Raises:
        BadOption: it cannot be written, or ratings of nobody are to be standardised.
    """
    ratings = study.used
    own = _standardised(study) if standardised else None
    if own is not None:
        for doubt in doubts(ratings.rating, ratings.pairs.index, ratings.listeners[0]):
            console.say(f"warning: --standardise: {doubt}")
    found = aggregate(ratings.rating, ratings.pairs.index, None if own is None else own.z)
    named = [name for name in NAMES if getattr(ratings.pairs, name).astype(bool).any()]
    columns = [*named, "rating", "scale_min", "scale_max", "count", *NUMBERS]
    columns += [] if own is None else ["standardised"]
    types: dict[str, Any] = {name: str if name in named else float for name in columns if name != "count"}
    write_with_record(output, columns, _rows(study, found, named), _record(study, own), types)


def _standardised(study: Study) -> Standardised:
    if not study.used.has_listeners:
        raise BadOption(f"--standardise: {study.given.path} does not say who rated; name the column of listeners")
    return standardise(study.used.rating, study.used.listeners[0])


def _rows(study: Study, found: Aggregated, named: list[str]) -> Iterator[dict[str, Any]]:
    pairs, (low, high) = study.used.pairs, study.used.scale
    for number in range(len(pairs)):
        row: dict[str, Any] = {name: getattr(pairs, name)[number] for name in named}
        row |= {"rating": float(pairs.mean[number]), "scale_min": low, "scale_max": high}
        row |= {"count": int(found.count[number])}
        values = {name: float(getattr(found, name)[number]) for name in NUMBERS}
        if found.standardised is not None:
            values["standardised"] = float(found.standardised[number])
        yield row | {name: None if np.isnan(value) else value for name, value in values.items()}


def _record(study: Study, own: Standardised | None) -> dict[str, Any]:
    """What the JSON file beside the output says."""
    given, used = study.given, study.used
    problems = {"by_kind": given.problem_counts(), "dropped": sum(problem.dropped for problem in given.problems)}
    record: dict[str, Any] = {
        "command": "ratings",
        "versions": {
            "clapometer": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        },
        "input": {"file": str(given.path), "sha256": file_hash(given.path), "dialect": given.dialect},
        "scale": {"low": given.scale[0], "high": given.scale[1], "stated": given.scale_stated},
        "problems": problems,
        "left_out": study.left_out,
        "screening": [asdict(step) for step in study.steps] if study.applied else [],
        "ratings": len(used),
        "pairs": len(used.pairs),
    }
    if own is None:
        return record
    without = int(np.isnan(own.listener_sd).sum())
    return record | {
        "standardised": {
            "formula": "mean of (rating - listener's mean) / listener's standard deviation (n - 1)",
            "mean": own.mean,
            "sd": own.sd,
            "listeners_without_a_spread": without,
            "ratings_left_out": int(np.isnan(own.z).sum()),
            "warnings": doubts(used.rating, used.pairs.index, used.listeners[0]),
        }
    }
