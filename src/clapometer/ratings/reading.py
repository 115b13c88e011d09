"""Ratings in."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from clapometer.errors import BadOption, BadTable
from clapometer.ratings.formats import Layout, layout_of
from clapometer.ratings.listeners import joined
from clapometer.ratings.rows import Rows
from clapometer.ratings.table import Floats, Ratings
from clapometer.tables.reading import read_table

Scale = tuple[float, float]


def read_ratings(
    path: str | os.PathLike[str],
    *,
    columns: Mapping[str, str] | None = None,
    listeners: str | os.PathLike[str] | None = None,
    scale: Scale | None = None,
) -> Ratings:
    """Read what listeners said of pairs of a sound and a text.

    Args:
        path: a table (.csv, .tsv, .jsonl, .parquet) with one rating a row. The files of RELATE and XACLE, and the
            canonical columns `audio, text, listener, rating` (with `system, split, anchor, scale_min, scale_max` where
            there are such), are recognised by their headers.
        columns: which column is which, as `{"audio": "file", "rating": "mos"}`; goes before what the header says.
            `audio` and `rating` must be known in the end.
        listeners: a table with one listener a row, such as their questionnaire; its columns stand in `Ratings.extra`.
        scale: lowest and highest rating that could be given; default: what the file says, 0 to 10 for RELATE and
            XACLE, or else the lowest and highest that occur.

    Returns:
        The ratings that can be used. Rows that cannot (no number, out of the scale, nobody's, a listener's second
        rating of a pair, ...) are in `Ratings.problems`, each with its line.

    Raises:
        BadTable: the file cannot be used at all.
        BadOption: a column role that is unknown, or a scale that is none.
    """
    if scale is not None and not (all(map(math.isfinite, scale)) and scale[0] < scale[1]):
        raise BadOption(f"scale: {scale[0]:g} to {scale[1]:g} is none; give the lowest and the highest rating")
    table = read_table(path, required=())
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
        scale=bounds or _occurring(rating[good], table.path),
        scale_stated=bounds is not None,
        lines=np.array(table.lines, np.int64),
        unit=table.unit,
        extra=rows.others(),
        problems=rows.found(),
        notes=layout.notes,
    ).take(good)
    return ratings if listeners is None else joined(ratings, Path(listeners))


def _bounds(rows: Rows, layout: Layout) -> Scale | None:
    if {"scale_min", "scale_max"} <= layout.columns.keys():
        return rows.stated_scale()
    if {"scale_min", "scale_max"} & layout.columns.keys():
        raise BadTable(f"{rows.table.path}: scale_min and scale_max belong together; add the other one")
    return layout.scale


def _occurring(rating: Floats, path: Path) -> Scale:
    low, high = float(rating.min()), float(rating.max())
    if low == high:
        raise BadTable(f"{path}: every rating is {low:g}, and the file says no scale; give it")
    return low, high
