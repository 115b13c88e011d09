"""Which vectors are nearest: exactly, by going through all of them, or by a graph that sees a few.

Either way the cosine that is told is computed anew, in double precision and one fixed order: it is the number that
`clapometer score` gives for the pair.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clapometer.errors import BadOption
from clapometer.search.storage import ROWS_AT_A_TIME, Places, Vectors
from clapometer.similarity import paired_cosine

MANY = 1_000_000
"""Vectors beyond which an index gets a graph where usearch is installed."""
_ROUNDING = 2e-6
"""What single precision may be wrong by in a cosine; vectors so near the last one are looked at too."""
_CONNECTIVITY, _EXPANSION_ADD, _EXPANSION_SEARCH = 16, 128, 256
"""Of the graph, in the words of HNSW (Malkov and Yashunin 2016, arXiv 1603.09320): M, efConstruction and ef."""


def nearest(
    vectors: Vectors, query: Vectors, count: int, least: float = -np.inf
) -> tuple[Places, npt.NDArray[np.float64]]:
    """The rows nearest to a vector, exactly.

    Args:
        vectors: (n, dimension), unit length.
        query: (dimension,), unit length.
        count: how many, at most.
        least: cosines below this are left out.

    Returns:
        Rows and cosines, the largest first, equal ones in the order of the rows.
    """
    rows, likeness = np.zeros(0, np.int64), np.zeros(0, np.float32)
    for start in range(0, len(vectors), ROWS_AT_A_TIME):
        block = vectors[start : start + ROWS_AT_A_TIME] @ query
        good = np.flatnonzero(block >= _floor(likeness, count, least))
        rows, likeness = np.concatenate([rows, good + start]), np.concatenate([likeness, block[good]])
        keep = likeness >= _floor(likeness, count, least)
        rows, likeness = rows[keep], likeness[keep]
    return settled(vectors, rows, query, count, least)


def settled(
    vectors: Vectors, rows: Places, query: Vectors, count: int, least: float = -np.inf
) -> tuple[Places, npt.NDArray[np.float64]]:
    """Of some rows the nearest ones with their cosines; arguments and result as `nearest`."""
    rows = np.unique(rows)  # in order, which is that of a file on disk, too
    if not len(rows):
        return rows, np.zeros(0)
    cosines = paired_cosine(np.asarray(vectors[rows]), query[None])
    order = np.argsort(-cosines, kind="stable")[:count]
    order = order[cosines[order] >= least]
    return rows[order], cosines[order]


def build_graph(vectors: Vectors, numbers: Places, path: Path) -> None:
    """Write a graph over vectors, from which `from_graph` finds most of the nearest ones quickly.

    Args:
        vectors: (n, dimension), unit length.
        numbers: (n,): what `from_graph` gives for each.
        path: where to.

    Raises:
        BadOption: usearch is not installed.
    """
    graph = _usearch().Index(
        ndim=vectors.shape[1],
        metric="ip",
        dtype="i8",  # a quarter of the memory; the order of what is found is settled in full precision
        connectivity=_CONNECTIVITY,
        expansion_add=_EXPANSION_ADD,
        expansion_search=_EXPANSION_SEARCH,
    )
    for start in range(0, len(vectors), ROWS_AT_A_TIME):
        some = np.array(vectors[start : start + ROWS_AT_A_TIME])
        graph.add(numbers[start : start + len(some)].astype(np.uint64), some)
    part = path.with_name(f".{path.name}.tmp")
    graph.save(str(part))
    part.replace(path)


def open_graph(path: Path) -> Any:
    """A graph that was built, mapped from the disk.

    Raises:
        BadOption: usearch is not installed, or the file is damaged.
    """
    restore = _usearch().Index.restore
    try:
        graph = restore(str(path), view=True)
        graph.expansion_search = _EXPANSION_SEARCH
    except (RuntimeError, ValueError, AttributeError) as error:  # AttributeError: no index came of it
        raise BadOption(f"{path}: is not a graph that usearch can read ({error}); search with --exact") from error
    return graph


def from_graph(graph: Any, query: Vectors, count: int) -> Places:
    """The numbers of the vectors that a graph, from `open_graph`, finds near to one."""
    return np.asarray(graph.search(query, count).keys).astype(np.int64)


def has_usearch() -> bool:
    """Whether graphs can be built and read here."""
    try:
        _usearch()
    except BadOption:
        return False
    return True


def _floor(likeness: npt.NDArray[np.float32], count: int, least: float) -> float:
    """What a vector must reach to be among the nearest, given those so far."""
    if len(likeness) < count:
        return least - _ROUNDING
    return max(least, float(np.partition(likeness, len(likeness) - count)[len(likeness) - count])) - _ROUNDING


def _usearch() -> Any:
    try:
        return import_module("usearch.index")
    except ImportError as error:
        raise BadOption("graphs need usearch: pip install 'clapometer[search]', or search with --exact") from error
