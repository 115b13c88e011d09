"""The pairs of an evaluation in groups: by system, by origin, by any column, by the events of their captions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapometer.errors import BadOption
from clapometer.evaluation.events import NONE_OF_THEM, memberships, read_events
from clapometer.evaluation.options import EVENT, NATURAL
from clapometer.evaluation.score_files import text_of
from clapometer.ratings.table import Ratings
from clapometer.tables import Table
from clapometer.types import IndexArray

SYSTEM, ORIGIN = "system", "origin"
SMALL = 10
"""A group of fewer pairs has no metrics of its own."""
MANY = 12
"""A column of more different numbers is cut at its quartiles."""


@dataclass(frozen=True, eq=False)
class Group:
    """Some of the pairs."""

    breakdown: str
    """What they are grouped by."""
    name: str
    pairs: IndexArray
    """Their numbers, rising."""


def by_system(systems: Sequence[str]) -> list[Group]:
    """One group per system; none where fewer than two are known."""
    return _named(SYSTEM, systems) if len({*systems} - {""}) > 1 else []


def by_origin(systems: Sequence[str], natural: Sequence[str] = NATURAL) -> list[Group]:
    """Recordings and synthesized sounds; none unless there are both."""
    known = {name.casefold() for name in natural}
    origins = ["" if not name else "natural" if name.casefold() in known else "synthesized" for name in systems]
    return _named(ORIGIN, origins) if {"natural", "synthesized"} <= {*origins} else []


def by_event(texts: Sequence[str], path: Path | None) -> list[Group]:
    """One group a kind of event, by the words of the captions; a caption may belong to several."""
    lists = read_events(path)
    members = memberships(texts, lists)
    groups = [
        Group(EVENT, kind, np.array([number for number, kinds in enumerate(members) if kind in kinds], np.int64))
        for kind in (*lists, NONE_OF_THEM)
    ]
    return [group for group in groups if len(group.pairs)]


def by_column(name: str, ratings: Ratings, table: Table, rows: IndexArray) -> list[Group]:
    """One group a value of a column of the ratings or else of the first score file.

    A column of more than a few different numbers is cut at its quartiles; values of few pairs are put together.

    Args:
        name: the column.
        ratings: those of the pairs.
        table: the score file.
        rows: (pairs,): the row of each pair in it.

    Raises:
        BadOption: neither has such a column, or it differs between the ratings of a pair.
    """
    return _named(name, _coarse(column_values(name, ratings, table, rows)))


def column_values(name: str, ratings: Ratings, table: Table, rows: IndexArray, option: str = "--by") -> list[str]:
    """(pairs,): the values of a column of the ratings or else of the first score file; arguments as `by_column`.

    Raises:
        BadOption: neither has such a column, or it differs between the ratings of a pair.
    """
    if name in table.columns and name not in ratings.extra and name not in ("system", "split"):
        return [text_of(table.rows[row].get(name)) for row in rows.tolist()]
    try:
        every = ratings.column(name)
    except BadOption as error:
        more = ", ".join(table.columns)
        and_event = "; and `event`" if option == "--by" else ""
        raise BadOption(f"{option} {name}: {error}; and in {table.path.name}: {more}{and_event}") from error
    values: list[str] = every[ratings.pairs.first].tolist()
    differ = np.flatnonzero(every != np.array(values, object)[ratings.pairs.index])
    if len(differ):
        where = ratings.where(int(differ[0]))
        raise BadOption(
            f"{option} {name}: differs between ratings of one pair ({where}); take a column that says something of the "
            "pair"
        )
    return values


def _named(breakdown: str, values: Sequence[str]) -> list[Group]:
    array = np.array(values, object)
    names = sorted({*values}, key=lambda name: (name == "", name.startswith("("), name.casefold()))
    return [Group(breakdown, name or "(none)", np.flatnonzero(array == name)) for name in names]


def _coarse(values: Sequence[str]) -> list[str]:
    numbers = _numbers(values)
    if numbers is not None and len(np.unique(numbers[np.isfinite(numbers)])) > MANY:
        return _quarters(numbers)
    counts = Counter(values)
    few = [value for value, count in counts.items() if count < SMALL and value]
    if len(few) < 2:
        return list(values)
    others = f"({len(few)} others, each of fewer than {SMALL} pairs)"
    return [others if value in set(few) else value for value in values]


def _numbers(values: Sequence[str]) -> npt.NDArray[np.float64] | None:
    try:
        return np.array([float(value) if value else np.nan for value in values])
    except ValueError:
        return None


def _quarters(numbers: npt.NDArray[np.float64]) -> list[str]:
    known = numbers[np.isfinite(numbers)]
    edges = np.unique(np.quantile(known, (0.25, 0.5, 0.75, 1)))
    low = [known.min(), *edges[:-1]]
    names = [f"{number}. {a:g} to {b:g}" for number, (a, b) in enumerate(zip(low, edges, strict=True), 1)]
    places = np.searchsorted(edges, numbers)  # NaN is larger than all
    return [names[place] if place < len(names) else "" for place in places.tolist()]
