"""Read ratings from files, DataFrames and records."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from clapometer.errors import BadOption, BadTable
from clapometer.provenance import file_hash
from clapometer.ratings.formats import Layout, layout_of
from clapometer.ratings.listeners import joined
from clapometer.ratings.options import Scale
from clapometer.ratings.rows import Rows
from clapometer.ratings.table import Ratings
from clapometer.tables import DataFrame, Records, read_table, table_in_memory
from clapometer.tables.memory import IN_MEMORY
from clapometer.types import FloatArray

RatingsSource = str | os.PathLike[str] | Ratings | DataFrame | Records
"""Where ratings come from: a file, what `read_ratings` made of one, a DataFrame, or a mapping per rating."""


def read_ratings(
    source: RatingsSource,
    *,
    columns: Mapping[str, str] | None = None,
    listeners: str | os.PathLike[str] | None = None,
    scale: Scale | None = None,
) -> Ratings:
    """Read listeners' ratings of pairs of audio and text.

    Args:
        source: a table (.csv, .tsv, .jsonl, .parquet) with one rating per row; or the same as a DataFrame or a list of
            mappings. The files of RELATE and XACLE, and the canonical columns `audio, text, listener, rating` (and
            `system, split, anchor, scale_min, scale_max` where there are such), are recognised by their headers.
            Ratings that were read before are returned as they are.
        columns: which column is which, as `{"audio": "file", "rating": "mos"}`; takes precedence over the header.
            `audio` and `rating` must be known in the end.
        listeners: a table with one listener per row, such as their questionnaire; its columns become `Ratings.extra`.
        scale: lowest and highest possible rating; default: what the file says, 0 to 10 for RELATE and XACLE, or else
            the lowest and highest that occur.

    Returns:
        The ratings that can be used. Rows that cannot (no number, out of scale, no listener, a listener's second
        rating of a pair, ...) are in `Ratings.problems`, each with its line.

    Raises:
        BadTable: the data cannot be used at all.
        BadOption: an unknown column role, an invalid scale, or columns or a scale for ratings that were read before.

    Example:
        >>> rows = [{"audio": "dog.wav", "text": "a dog", "rating": rating} for rating in (3, 5)]
        >>> read_ratings(rows, scale=(1, 5)).pairs.mean
        array([4.])
    """
    if isinstance(source, Ratings):
        if columns or scale is not None:
            raise BadOption("columns and scale are for files; these ratings have been read")
        return source if listeners is None else joined(source, Path(listeners))
    if scale is not None and not (all(map(math.isfinite, scale)) and scale[0] < scale[1]):
        raise BadOption(f"scale: {scale[0]:g} to {scale[1]:g} is invalid; give the lowest and the highest rating")
    if isinstance(source, (str, os.PathLike)):
        table = read_table(source, required=())
    else:
        table = table_in_memory(source, required=())
    layout = layout_of(table, columns)
    rows = Rows(table, layout.columns, relate=layout.dialect == "relate" or "wavname" in table.columns)
    rating = rows.numbers("rating")
    bounds = scale or _bounds(rows, layout)
    rows.check_scale(rating, bounds)
    anchor, split = rows.anchors()
    system = rows.systems()
    rows.check_repeats(anchor)
    good = rows.good()
    if not len(good):
        kinds = Counter(problem.kind for problem in rows.found())
        counted = ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common())
        raise BadTable(f"{table.path}: none of its {len(table.rows)} rows can be used: {counted}; {rows.first()}")
    low, high = bounds or _occurring(rating[good], table.path)
    guessed = (
        ()
        if bounds
        else (f"no rating scale given; using the observed range {low:g} to {high:g}. Set it with --scale LOW,HIGH",)
    )
    ratings = Ratings(
        path=table.path,
        dialect=layout.dialect,
        audio=rows.texts("audio"),
        text=rows.texts("text"),
        listener=rows.texts("listener"),
        rating=rating,
        system=system,
        split=split,
        anchor=anchor,
        scale=(low, high),
        scale_stated=bounds is not None,
        lines=np.array(table.lines, np.int64),
        unit=table.unit,
        extra=rows.others(),
        problems=rows.found(),
        notes=(*layout.notes, *guessed),
    ).take(good)
    return ratings if listeners is None else joined(ratings, Path(listeners))


def file_hash_of(ratings: Ratings) -> str | None:
    """SHA-256 of the file of ratings; None for ratings that were in memory."""
    return None if ratings.path == IN_MEMORY else file_hash(ratings.path)


def _bounds(rows: Rows, layout: Layout) -> Scale | None:
    if {"scale_min", "scale_max"} <= layout.columns.keys():
        return rows.stated_scale()
    if {"scale_min", "scale_max"} & layout.columns.keys():
        raise BadTable(f"{rows.table.path}: scale_min and scale_max belong together; add the other one")
    return layout.scale


def _occurring(rating: FloatArray, path: Path) -> Scale:
    low, high = float(rating.min()), float(rating.max())
    if low == high:
        raise BadTable(f"{path}: every rating is {low:g}, and the file says no scale; give it")
    return low, high
