"""What is written and printed of a scored table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clapometer.cli import console
from clapometer.cli.engine import MINI, MINI_IS_SMALL, Engine
from clapometer.cli.layout import print_table
from clapometer.scoring.pairs import Summary, summarise
from clapometer.seen import COLUMN
from clapometer.tables import Row, Table, clear_names, write_with_record
from clapometer.types import Score

TEXTS = (COLUMN, "error")
"""The added columns that hold text."""
_NUMBERS = ("n", "failed", "mean", "q1", "median", "q3")


@dataclass(frozen=True)
class ScoredTable:
    """A table, a score for each of its rows, and the record of how they came about."""

    table: Table
    scores: list[Score]
    record: dict[str, Any]

    @property
    def added(self) -> tuple[str, ...]:
        """The columns that are added to those of the input; `rating` where the model is calibrated."""
        return ("score", "cosine", *(["rating"] if "calibration" in self.record else []), COLUMN, "error")


def write(result: ScoredTable, output: Path) -> None:
    """Write the table with its scores, and its record beside it; the table appears last.

    Raises:
        BadOption: they cannot be written.
    """
    table = result.table
    names = clear_names(table.columns, result.added)
    types: dict[str, Any] = {name: str if name in TEXTS else float for name in result.added}
    if table.schema is not None:
        types |= {names[name]: table.schema.field(name).type for name in table.columns}
    renamed = {old: new for old, new in names.items() if old != new}
    record = {**result.record, "renamed_columns": renamed}
    write_with_record(output, [*names.values(), *result.added], _rows(result, names), record, types)


def report(engine: Engine, result: ScoredTable, output: Path | None, as_json: bool) -> None:
    """Print the summary on standard output, and notes on standard error."""
    record = result.record
    small = record["model"]["name"] == MINI
    if as_json:
        console.print_json(_figures(result, output, note=MINI_IS_SMALL if small else ""))
    else:
        _print_summary(record, record["summary"])
    for old, new in clear_names(result.table.columns, result.added).items():
        if old != new and output is not None:
            engine.note(f"note: the column {old} of {result.table.path.name} is called {new} in {output.name}")
    if record["texts_cut"]["rows"]:
        lines = record["texts_cut"]["lines"]
        first = ", ".join(map(str, lines[:20])) + (", ..." if len(lines) > 20 else "")
        engine.note(
            f"note: the model reads only the beginning of a text so long, and scores it by that: {len(lines)} "
            f"row{'s' * (len(lines) > 1)} ({result.table.unit} {first})"
        )
    if small:
        engine.note(f"note: {MINI_IS_SMALL}")
    excluded = record["seen"]["excluded_by_evaluate"]
    if excluded:
        engine.note(
            f"note: {excluded} of {len(result.scores)} rows are training or validation data of the model (column "
            f"{COLUMN}); `clapometer evaluate` leaves them out"
        )
    if output is not None:
        engine.note(f"written: {output}, and how it came about: {output.with_suffix('.json')}")
    elif not as_json:
        engine.note("note: the scores of the rows are not kept; name a table for them with -o")


def summary_figures(table: Table, scores: Sequence[Score]) -> dict[str, Any]:
    """Count, mean and quartiles of all scores, and by `system` where the table has that column."""
    figures: dict[str, Any] = _numbers(summarise(scores))
    if "system" in table.columns:
        groups: dict[str, list[Score]] = {}
        for row, score in zip(table.rows, scores, strict=True):
            name = row.get("system")
            groups.setdefault("" if name is None else str(name), []).append(score)
        figures["systems"] = {name: _numbers(summarise(groups[name])) for name in sorted(groups)}
    return figures


def _numbers(summary: Summary) -> dict[str, Any]:
    low, middle, high = summary.quartiles or (None, None, None)
    values = (summary.n, summary.failed, summary.mean, low, middle, high)
    return dict(zip(_NUMBERS, (rounded(value) if isinstance(value, float) else value for value in values), strict=True))


def rounded(value: float | None) -> float | None:
    """Six decimals, and no minus before a zero."""
    return None if value is None else round(value, 6) + 0.0


def _rows(result: ScoredTable, names: Mapping[str, str]) -> Iterator[Row]:
    for row, score in zip(result.table.rows, result.scores, strict=True):
        new = {names[name]: row[name] for name in names if name in row}
        yield new | {name: _value(score, name) for name in result.added}


def _value(score: Score, name: str) -> float | str | None:
    value = getattr(score, name)
    return str(value) if name in TEXTS else rounded(value)


def _figures(result: ScoredTable, output: Path | None, note: str) -> dict[str, Any]:
    record = result.record
    figures = {
        "model": record["model"]["name"],
        "weights": record["model"]["weights"],
        **record["summary"],
        "sounds": record["counts"]["sounds"],
        "texts": record["counts"]["texts"],
        "texts_cut": record["texts_cut"]["texts"],
        "seen": record["seen"],
    }
    if note:
        figures["note"] = note
    if output is not None:
        return figures | {"output": str(output), "provenance": str(output.with_suffix(".json"))}
    lines = result.table.lines
    rows = zip(lines, result.scores, strict=True)
    return figures | {
        "rows": [
            {
                result.table.unit: line,
                "audio": score.audio,
                "text": score.text,
                **{name: _value(score, name) for name in result.added},
            }
            for line, score in rows
        ]
    }


def _print_summary(record: Mapping[str, Any], figures: Mapping[str, Any]) -> None:
    print(f"model {record['model']['name']}, weights {record['model']['weights']}, window {_window(record['window'])}")
    groups = {"all": figures, **figures.get("systems", {})}
    rows = [[name or "(no name)", *(_cell(group[number]) for number in _NUMBERS)] for name, group in groups.items()]
    print_table(("system" if "systems" in figures else "rows", *_NUMBERS), rows, right=_NUMBERS)


def _window(window: Mapping[str, Any]) -> str:
    return f"{window['seconds']:g} s, {window['long']}"


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
