"""A result table and the JSON record written next to it: its provenance."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clapometer.errors import BadOption
from clapometer.tables.table import format_of
from clapometer.tables.writing import atomic_write, write_rows


def record_path(output: Path) -> Path:
    """The JSON record of a table: `scores.json` of `scores.csv`."""
    return output.with_suffix(".json")


def check_output(output: Path, given: Path | None = None) -> None:
    """Refuse a path for an output table before any work is done.

    Args:
        output: where the table will be written.
        given: the table that is read, if there is one.

    Raises:
        BadTable: the extension is not that of a table.
        BadOption: nothing can be written there, or it is the table that is read.
    """
    format_of(output)
    if not output.parent.is_dir():
        raise BadOption(f"{output}: there is no folder {output.parent}; make it first")
    if output.is_dir():
        raise BadOption(f"{output}: is a folder; name a file in it")
    if not os.access(output.parent, os.W_OK):
        raise BadOption(f"{output}: the folder {output.parent} is not writable; choose another path")
    if given is not None and given.exists() and output.exists() and given.samefile(output):
        raise BadOption(f"{output}: is the input table itself; give the output another name")


def write_with_record(
    output: Path,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    record: Mapping[str, Any],
    types: Mapping[str, Any] | None = None,
) -> None:
    """Write a table and, next to it, its record with the table's SHA-256; the table appears last.

    Args:
        output: the table; its extension chooses the format.
        columns: names in order.
        rows: values by column.
        record: how the table was made; `output` is added.
        types: as for `write_rows`.

    Raises:
        BadOption: they cannot be written.
    """
    with atomic_write(output) as file:
        write_rows(file, format_of(output), columns, rows, types)
        file.flush()
        file.seek(0)
        written = {"file": output.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
        write_json(record_path(output), {**record, "output": written})


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all; NaN and infinity become null."""
    with atomic_write(path) as file:
        file.write((json.dumps(finite(value), indent=2, ensure_ascii=False) + "\n").encode("utf-8", "replace"))


def finite(value: Any) -> Any:
    """A value as JSON has it: a number that is not finite becomes null.

    Example:
        >>> finite({"srcc": float("nan"), "n": [1, 2.5]})
        {'srcc': None, 'n': [1, 2.5]}
    """
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
