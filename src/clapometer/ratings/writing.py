"""Ratings out: the canonical table, one rating per row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clapometer.ratings.table import NAMED, Ratings
from clapometer.tables.table import format_of
from clapometer.tables.writing import atomic_write, write_rows


def write_ratings(ratings: Ratings, path: Path) -> None:
    """Write ratings as a table that `read_ratings` reads, in the order of the file, without empty columns.

    Raises:
        BadTable: the ending is not that of a table.
        BadOption: it cannot be written.
    """
    named = [name for name in NAMED if getattr(ratings, name).astype(bool).any()]
    low, high = ratings.scale

    def rows() -> Iterator[dict[str, Any]]:
        columns = [getattr(ratings, name).tolist() for name in named]
        for rating, *values in zip(ratings.rating.tolist(), *columns, strict=True):
            yield dict(zip(named, values, strict=True)) | {"rating": rating, "scale_min": low, "scale_max": high}

    with atomic_write(path) as file:
        write_rows(file, format_of(path), [*named, "rating", "scale_min", "scale_max"], rows())
