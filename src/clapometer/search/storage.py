"""The folder of an index: a table of sounds, their vectors, and `index.json`, which says which files belong together.

Every writing makes files under new names and then replaces `index.json`, so that a reader, or a run that was killed,
finds the old index or the new one, whole, and nothing in between.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clapometer.errors import BadOption
from clapometer.tables import atomic_write

FORMAT = 1
"""Of the folder; raised when an older version could not read it."""
RECORD = "index.json"
LOCK = "lock.sqlite"
ROWS_AT_A_TIME = 65_536
"""Vectors that are held in memory at once."""

Vectors = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Listed:
    """The sounds of an index, one a row, in the order of their paths.

    Attributes:
        paths: relative to the folder of the sounds, as the file system spells them.
        sizes: (sounds,), bytes.
        times: (sounds,), when they were last written, nanoseconds since 1970.
        numbers: (sounds,): identity of the sound and its content within the index, never given twice; -1 for a sound
            without a vector.
        errors: why a sound has no vector; empty where it has one.
    """

    paths: list[str]
    sizes: Places
    times: Places
    numbers: Places
    errors: list[str]

    @property
    def rows(self) -> Places:
        """(sounds,): where the vector of a sound stands; -1 where it has none."""
        has = self.numbers >= 0
        return np.where(has, np.cumsum(has) - 1, -1)


_NONE = np.zeros(0, np.int64)
NOTHING = Listed([], _NONE, _NONE, _NONE, [])


def read_record(folder: Path) -> dict[str, Any] | None:
    """What `index.json` says; None where there is none.

    Raises:
        BadOption: it is damaged, or of a later version.
    """
    path = folder / RECORD
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        form = record["format"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadOption(f"{path}: is not the record of an index ({error!r}); remove the folder, index again") from error
    if form != FORMAT:
        raise BadOption(f"{path}: was written by another version (format {form}, here {FORMAT}); index again elsewhere")
    return record


def read_sounds(folder: Path, record: Mapping[str, Any]) -> Listed:
    """The table of an index.

    Raises:
        BadOption: it is damaged.
    """
    import pyarrow as pa
    from pyarrow import parquet

    path = folder / record["files"]["sounds"]
    try:
        table = parquet.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise BadOption(f"{path}: cannot be read ({error}); index again with --rebuild") from error
    sizes, times, numbers = (table[name].to_numpy().astype(np.int64) for name in ("size", "time", "number"))
    paths = [os.fsdecode(path) for path in table["path"].to_pylist()]
    return Listed(paths, sizes, times, numbers, table["error"].to_pylist())


def read_vectors(folder: Path, record: Mapping[str, Any]) -> Vectors:
    """(sounds with a vector, dimension), unit length, mapped from the disk and read when used.

    Raises:
        BadOption: the file is damaged.
    """
    path, expected = folder / record["files"]["vectors"], (record["counts"]["sounds"], record["model"]["dimension"])
    try:
        if expected[0] == 0:  # nothing can be mapped
            return np.zeros(expected, np.float32)
        vectors: Vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BadOption(f"{path}: cannot be read ({error}); index again with --rebuild") from error
    if vectors.shape != expected or vectors.dtype != np.dtype("<f4"):
        raise BadOption(f"{path}: holds {vectors.dtype} of shape {vectors.shape}, not {expected}; index again")
    return vectors


def write_sounds(path: Path, sounds: Listed) -> None:
    """Write the table of an index, whole or not at all."""
    import pyarrow as pa
    from pyarrow import parquet

    columns = {
        "path": pa.array([os.fsencode(path) for path in sounds.paths], pa.binary()),
        "size": pa.array(sounds.sizes, pa.int64()),
        "time": pa.array(sounds.times, pa.int64()),
        "number": pa.array(sounds.numbers, pa.int64()),
        "error": pa.array(sounds.errors, pa.string()),
    }
    with atomic_write(path) as file:
        parquet.write_table(pa.table(columns), file)


def write_vectors(path: Path, blocks: Iterator[Vectors], rows: int, dimension: int) -> None:
    """Write vectors as `.npy`, some at a time, whole or not at all."""
    about = {"descr": "<f4", "fortran_order": False, "shape": (rows, dimension)}
    with atomic_write(path) as file:
        np.lib.format.write_array_header_1_0(file, about)
        for block in blocks:
            file.write(np.ascontiguousarray(block, "<f4").tobytes())


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Make the files that the record names the index, and remove those of former ones."""
    with atomic_write(folder / RECORD) as file:
        file.write((json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "replace"))
    named = {RECORD, LOCK, *filter(None, record["files"].values())}
    for path in folder.iterdir():
        own = path.name.lstrip(".").split(".")[0] in ("sounds", "vectors", "graph")
        if own and path.name not in named:
            path.unlink(missing_ok=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else writes the index meanwhile.

    A transaction of SQLite is a lock that every system knows, and that ends with the process whatever ends it.

    Raises:
        BadOption: another process writes it, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = sqlite3.connect(folder / LOCK, timeout=0, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise BadOption(f"{folder}: cannot be written ({error}); choose another place") from error
    try:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            why = "another run is writing it; wait for its end" if "locked" in str(error) else str(error)
            raise BadOption(f"{folder}: the index cannot be written: {why}") from error
        yield
    finally:
        lock.close()
