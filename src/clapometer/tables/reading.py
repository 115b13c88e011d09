"""Tables in."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clapometer.errors import BadTable
from clapometer.tables.table import SURROGATE, Format, Row, Table, checked, format_of

_LONGEST_FIELD = 2**31 - 1
_UTF16 = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_NOT_UTF8 = "bytes that are not UTF-8 (shown as \ufffd); save the table as UTF-8"


def read_table(path: str | os.PathLike[str], required: Sequence[str] = ("audio", "text")) -> Table:
    """Read a table.

    Args:
        path: a file whose name ends in .csv, .tsv, .jsonl or .parquet. Text is UTF-8, with or without a byte order
            mark.
        required: columns that must be there, with a text in each row.

    Returns:
        The table. Rows that cannot be used (bytes that are not UTF-8, too few or too many fields, no text where one
        must be, a line that is not a JSON object) are in it, with their problem.

    Raises:
        BadTable: it cannot be read at all, lacks a column, or has no rows.
    """
    path = Path(path)
    form = format_of(path)
    try:
        with path.open("rb") as file:
            head = file.read(65536)
        if not head:
            raise BadTable(f"{path}: the file is empty (0 bytes)")
        if form == "parquet":
            from clapometer.tables.parquet import read_parquet  # pyarrow, and only where it is needed

            return checked(read_parquet(path), required)
        _must_be_text(path, head, form)
        return checked(_jsonl(path) if form == "jsonl" else _delimited(path, form), required)
    except csv.Error as error:
        raise BadTable(f"{path}: not a table that can be read ({error}); save it as {form} in UTF-8") from error
    except OSError as error:
        raise BadTable(f"{path}: cannot be read ({error.strerror or error}); check the name") from error


def _must_be_text(path: Path, head: bytes, form: Format) -> None:
    if head.startswith(_UTF16):
        raise BadTable(f"{path}: is text in UTF-16 or UTF-32; save it as UTF-8")
    if head.startswith((b"PAR1", b"PK\x03\x04")) or b"\0" in head.lstrip().split(b"\n", 1)[0]:
        raise BadTable(f"{path}: is not {form.upper()} but binary data, or text in UTF-16; save it as {form} in UTF-8")


def _delimited(path: Path, form: Format) -> Table:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file, _long_fields():
        raw = _Lines(file)
        reader = csv.reader(raw, delimiter="\t" if form == "tsv" else ",")
        header = _header(reader, path)
        table = Table(path, form, tuple(header), [], [], [])
        raw.since.clear()
        for line, fields in _records(reader):
            if fields:
                row, problem = _row(header, fields)
                table.rows.append(row)
                table.lines.append(line)
                table.problems.append(problem)
                last = list(raw.since)
            raw.since.clear()
        if table.rows and _is_open(last, reader.dialect):
            table.problems[-1] = (
                f"a quotation mark that begins here is never closed, so that the {len(last)} lines to the end of the "
                'file are one row; close it, or double it ("") inside a text'
            )
    return table


class _Lines:
    """An iterator over lines that keeps those that were taken `since` it was last cleared."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.since: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.since.append(line)
        return line


@contextmanager
def _long_fields() -> Iterator[None]:
    previous = csv.field_size_limit(_LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(previous)


def _header(reader: Any, path: Path) -> list[str]:
    header: list[str] = next((fields for fields in reader if fields), [])
    if not header:
        raise BadTable(f"{path}: holds no text; its first line must name the columns")
    if any(SURROGATE.search(name) for name in header):
        raise BadTable(f"{path}: its first line is not UTF-8 text; save the table as UTF-8")
    return header


def _records(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """The line at which each record begins, and its fields; a blank line has none."""
    while True:
        line = reader.line_num + 1
        fields = next(reader, None)
        if fields is None:
            return
        yield line, fields


def _row(header: Sequence[str], fields: Sequence[str]) -> tuple[Row, str]:
    row: Row = dict.fromkeys(header, "") | dict(zip(header, fields, strict=False))
    problem = "" if "".join(fields).isascii() else _repair(row)
    if len(fields) != len(header):
        problem = (
            f"the row has {len(fields)} fields and the header {len(header)}; "
            "put a text that holds the separator in quotation marks"
        )
    return row, problem


def _is_open(lines: Sequence[str], dialect: Any) -> bool:
    try:
        list(csv.reader(lines, dialect, strict=True))
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return False


def _repair(row: Row) -> str:
    """Put U+FFFD for what is not UTF-8, in place; the problem of the row, naming its first such column."""
    bad = [name for name, value in row.items() if _has_surrogate(name) or _has_surrogate(value)]
    for name in bad:
        value = row.pop(name) if _has_surrogate(name) else row[name]
        row[_valid(name)] = _valid(value)
    return f"column {_valid(bad[0])!r}: {_NOT_UTF8}" if bad else ""


def _has_surrogate(value: Any) -> bool:
    if isinstance(value, str):
        return SURROGATE.search(value) is not None
    if isinstance(value, dict):
        return any(map(_has_surrogate, value)) or any(map(_has_surrogate, value.values()))
    return isinstance(value, list) and any(map(_has_surrogate, value))


def _valid(value: Any) -> Any:
    if isinstance(value, str):
        return SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_valid(name): _valid(item) for name, item in value.items()}
    return [_valid(item) for item in value] if isinstance(value, list) else value


def _jsonl(path: Path) -> Table:
    table = Table(path, "jsonl", (), [], [], [])
    columns: dict[str, None] = {}
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            row, problem = _object(line)
            problem = _repair(row) or problem
            columns.update(dict.fromkeys(row))
            table.rows.append(row)
            table.lines.append(number)
            table.problems.append(problem)
    if not table.rows:
        raise BadTable(f"{path}: holds no lines; it needs one JSON object a line")
    if not columns:
        raise BadTable(f"{path}: no line is a JSON object: {table.problems[0]}")
    return Table(path, "jsonl", tuple(columns), table.rows, table.lines, table.problems)


def _object(line: str) -> tuple[Row, str]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
        return {}, f'the line is not JSON ({error}); write one object a line, such as {{"audio": ..., "text": ...}}'
    if not isinstance(value, dict):
        return {}, 'the line is JSON, but not an object; write {"audio": ..., "text": ...}, one a line'
    return value, ""
