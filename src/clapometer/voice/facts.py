"""Facts about the clips of a table: measures of their audio, and columns of the table."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clapometer.audio.files import resolve_audio_path
from clapometer.errors import BadTable
from clapometer.tables import Table, read_table
from clapometer.types import FloatArray
from clapometer.voice.bins import Bins
from clapometer.voice.phrasebook import Phrasebook
from clapometer.voice.queries import Facts


@dataclass(frozen=True)
class Known:
    """Facts about the clips of a table.

    Attributes:
        clips: a record a row.
        notes: for each row what could not be used; empty where all could.
        columns: the numbers of each measure and column that has bins, (rows,); NaN where unknown.
    """

    clips: list[Facts]
    notes: list[str]
    columns: dict[str, FloatArray]


def known_of(table: Table, measures: dict[str, FloatArray], book: Phrasebook, labels: Sequence[str] = ()) -> Known:
    """Put together what is known.

    Args:
        table: its columns that the phrase book knows are used where they exist.
        measures: by name, (rows,); NaN where unknown.
        book: which columns are numbers, and which names.
        labels: further columns of names.

    Raises:
        BadTable: a column of `labels` is not there.
    """
    if missing := [column for column in labels if column not in table.columns]:
        raise BadTable(f"{table.path}: no column {missing[0]!r}; its columns are {', '.join(table.columns)}")
    notes: list[list[str]] = [[] for _ in table.rows]
    wanted = {column for scale in book.scales.values() for column in scale.columns}
    numbers = {name: values for name, values in measures.items() if name in wanted}
    names = {column: _names(table, column) for column in table.columns if column in book.labels or column in labels}
    for column in table.columns:
        if column in book.ranges:
            numbers[column], strange = _numbers(table, column)
            if strange:  # ages such as "adult" are names
                names[column] = [cell if number in strange else "" for number, cell in enumerate(_names(table, column))]
        elif column in wanted and column not in numbers:
            numbers[column], strange = _numbers(table, column)
            for number, cell in strange.items():
                notes[number].append(f"{column} is {cell!r}, which is not a number; it is not used")
    clips = [
        Facts(
            {name: float(values[number]) for name, values in numbers.items()},
            {name: cells[number] for name, cells in names.items()},
        )
        for number in range(len(table.rows))
    ]
    columns = {name: values for name, values in numbers.items() if name in wanted}
    return Known(clips, ["; ".join(some) for some in notes], columns)


def without_bins(known: Known, bins: Bins) -> list[str]:
    """Sentences on the numbers that the bins cannot tell low from high."""
    found = []
    for name, values in known.columns.items():
        there = values[np.isfinite(values)]
        if name in bins.edges:
            continue
        if len(there) == 0:
            why = "no clip has a value"
        elif len(there) == 1:
            why = "one clip alone is neither low nor high; take the bins of a corpus (--bins)"
        else:
            why = f"all its {len(there)} values are {there[0]:g}"
            why = why if len(np.unique(there)) == 1 else "the bins come from a corpus that does not have it"
        found.append(f"{name} is not used: {why}")
    return found


def _names(table: Table, column: str) -> list[str]:
    cells = [row.get(column) for row in table.rows]
    return ["" if cell is None else str(cell).strip() for cell in cells]


def _numbers(table: Table, column: str) -> tuple[FloatArray, dict[int, str]]:
    """The numbers of a column, NaN where a cell is empty or holds something else; and those cells, by row."""
    values, strange = np.full(len(table.rows), math.nan), dict[int, str]()
    for number, cell in enumerate(_names(table, column)):
        try:
            values[number] = float(cell) if cell else math.nan
        except ValueError:
            strange[number] = cell
    return values, strange


def table_measures(path: Path, table: Table, root: Path) -> dict[str, FloatArray]:
    """Measures from a table of another program, or of `--save-features`, by the column `audio`.

    Args:
        path: the table with the measures: a column `audio`, and columns of numbers.
        table: the rows that they are for.
        root: where its relative paths begin.

    Returns:
        By column (rows,); NaN where a cell is empty. Columns that hold something else than numbers are left out.

    Raises:
        BadTable: it cannot be read, names a clip twice, or lacks some.
    """
    given = read_table(path, ("audio",))
    # The same file: by the name that stands in both tables, or else by where that leads.
    place = {_path(name, path.parent): number for number, name in enumerate(given.texts("audio"))}
    if len(place) < len(given.rows):
        raise BadTable(f"{path}: names a clip twice; give each one row")
    place |= {name: number for number, name in enumerate(given.texts("audio"))}
    names = [name if name in place else name and _path(name, root) for name in table.texts("audio")]
    if strangers := [name for name in names if name and name not in place]:
        raise BadTable(f"{path}: has no row for {len(strangers)} clips, first {strangers[0]!r}; add them")
    found = {}
    for column in given.columns:
        values, strange = _numbers(given, column)
        if not strange:
            found[column] = np.array([values[place[name]] if name else math.nan for name in names])
    return found


def _path(name: str, root: Path) -> str:
    return os.path.abspath(resolve_audio_path(root, name))  # noqa: PTH100 - links stay as they are
