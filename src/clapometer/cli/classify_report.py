"""What is written and printed of classified sounds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clapometer.classification.classifier import Classification
from clapometer.cli import console
from clapometer.cli.engine import MINI, MINI_IS_SMALL, Engine
from clapometer.cli.layout import print_table
from clapometer.cli.what import What
from clapometer.stats.bootstrap import FEWEST_UNITS, Estimate
from clapometer.stats.classes import Figures
from clapometer.stats.grouped import SpeechFigures
from clapometer.tables import Row, clear_names, write_with_record


@dataclass(frozen=True)
class Task:
    """What is to be done, checked."""

    what: What
    labels: tuple[str, ...]
    templates: tuple[str, ...]
    top_k: int
    true: list[str | None] | None
    """For each row its true label, None where that is not known; None where there are none to compare with."""
    output: Path | None
    picture: Path | None
    groups: list[str] | None = None
    """For each row what it belongs to, such as its speaker; None where clips are taken as independent."""

    @property
    def added(self) -> list[str]:
        """The columns that stand behind those of the input."""
        more = [
            name for number in range(2, self.top_k + 1) for name in (f"predicted_{number}", f"probability_{number}")
        ]
        return ["predicted", "probability", *more, "error"]


@dataclass(frozen=True)
class ClassifiedTable:
    """A task, a classification for each of its rows, and the record of how they came about."""

    task: Task
    clips: list[Classification]
    figures: Figures | None
    intervals: SpeechFigures | None
    record: dict[str, Any]


def write(result: ClassifiedTable, output: Path) -> None:
    """Write the table with its labels, and its record beside it; the table appears last.

    Raises:
        BadOption: they cannot be written.
    """
    table, added = result.task.what.table, result.task.added
    names = clear_names(table.columns, added)
    types: dict[str, Any] = {name: float if name.startswith("probability") else str for name in added}
    if table.schema is not None:
        types |= {names[name]: table.schema.field(name).type for name in table.columns}
    renamed = {old: new for old, new in names.items() if old != new}
    record = {**result.record, "renamed_columns": renamed}
    write_with_record(output, [*names.values(), *added], list(_rows(result, names)), record, types)


def report(engine: Engine, result: ClassifiedTable, as_json: bool) -> None:
    """Print the labels, unless they are written, and the figures on standard output; notes on standard error."""
    task, small = result.task, result.record["model"]["name"] == MINI
    if as_json:
        console.print_json(_figures(result, note=MINI_IS_SMALL if small else ""))
    else:
        if task.output is None:
            _print_rows(result)
        _print_summary(result)
    for old, new in clear_names(task.what.table.columns, task.added).items():
        if old != new and task.output is not None:
            engine.note(f"note: the column {old} of {task.what.table.path.name} is called {new} in {task.output.name}")
    if small:
        engine.note(f"note: {MINI_IS_SMALL}")
    if task.picture is not None and result.figures is not None:
        engine.note(f"written: {task.picture}, the confusion matrix")
    if task.output is not None:
        engine.note(f"written: {task.output}, and how it came about: {task.output.with_suffix('.json')}")


def summary_figures(
    clips: list[Classification], found: Figures | None, intervals: SpeechFigures | None
) -> dict[str, Any]:
    """How often each label was predicted, and the agreement with true labels where there are some."""
    failed = sum(1 for clip in clips if clip.error)
    predicted = Counter(clip.labels[0] for clip in clips if not clip.error)
    figures: dict[str, Any] = {
        "n": len(clips) - failed,
        "failed": failed,
        "predicted": dict(sorted(predicted.items(), key=lambda item: (-item[1], item[0]))),
    }
    if found is not None:
        figures |= {
            "with_true_label": found.n,
            "accuracy": round(found.accuracy, 6),
            "balanced_accuracy": round(found.balanced_accuracy, 6),
            "macro_f1": round(found.macro_f1, 6),
            "confusion": {"labels": list(found.labels), "true_by_predicted": found.confusion.tolist()},
        }
    if intervals is not None:
        if intervals.speakers is not None:
            figures["groups"] = intervals.speakers
        named = {"accuracy": intervals.accuracy, "balanced_accuracy": intervals.uar, "macro_f1": intervals.macro_f1}
        figures["intervals"] = {
            name: None if math.isnan(one.low) else [round(one.low, 6), round(one.high, 6)]
            for name, one in named.items()
        }
    return figures


def _rows(result: ClassifiedTable, names: Mapping[str, str]) -> Iterator[Row]:
    for row, clip in zip(result.task.what.table.rows, result.clips, strict=True):
        yield {names[name]: row[name] for name in names if name in row} | _added(result.task, clip)


def _added(task: Task, clip: Classification) -> dict[str, Any]:
    """The added columns of a row."""
    pairs = zip(clip.labels, clip.probabilities, strict=True)
    values = [value for label, probability in pairs for value in (label, round(probability, 6))]
    cells: dict[str, Any] = dict.fromkeys(task.added)
    return cells | dict(zip(task.added, values, strict=False)) | {"error": clip.error}


def _figures(result: ClassifiedTable, note: str) -> dict[str, Any]:
    task, record = result.task, result.record
    figures: dict[str, Any] = {
        "model": record["model"]["name"],
        "weights": record["model"]["weights"],
        "labels": list(task.labels),
        "templates": list(task.templates),
        **record["summary"],
        "sounds": record["counts"]["sounds"],
    }
    if note:
        figures["note"] = note
    if task.picture is not None and result.figures is not None:
        figures["picture"] = str(task.picture)
    if task.output is not None:
        return figures | {"output": str(task.output), "provenance": str(task.output.with_suffix(".json"))}
    rows = [{"audio": clip.audio, **_added(task, clip)} for clip in result.clips]
    if task.true is not None:
        rows = [{**row, "label": label} for row, label in zip(rows, task.true, strict=True)]
    return figures | {"rows": rows}


def _print_rows(result: ClassifiedTable) -> None:
    task, added = result.task, result.task.added[:-1]
    lines = []
    for number, clip in enumerate(result.clips):
        cells = _added(task, clip)
        shown = [f"{cell:.3f}" if isinstance(cell := cells[name], float) else cell or "" for name in added]
        true = [task.true[number] or ""] if task.true is not None else []
        lines.append([clip.audio, *true, *(shown if not clip.error else ["(failed)", *[""] * (len(added) - 1)])])
    columns = ["audio", *(["label"] if task.true is not None else []), *added]
    print_table(columns, lines, right=[name for name in added if name.startswith("prob")], wrap=("audio",))
    print()


def _print_summary(result: ClassifiedTable) -> None:
    task, found, record = result.task, result.figures, result.record
    summary = record["summary"]
    failed = f", {summary['failed']} failed" if summary["failed"] else ""
    print(f"model {record['model']['name']}, weights {record['model']['weights']}")
    print(f"{summary['n']} of {len(result.clips)} sounds classified into {len(task.labels)} labels{failed}")
    if task.true is None:
        return
    if found is None:
        print("no row has both a true label and a prediction: there are no figures")
        return
    print(f"{'with true label':<18}{found.n}")
    over = result.intervals
    print(f"{'accuracy':<18}{found.accuracy:.4f}{_interval(over.accuracy if over else None)}")
    uar = f"{found.balanced_accuracy:.4f}{_interval(over.uar if over else None)}"
    print(f"{'balanced accuracy':<18}{uar}  (UAR: mean recall of the labels that are true)")
    print(f"{'macro-F1':<18}{found.macro_f1:.4f}{_interval(over.macro_f1 if over else None)}")
    if over is not None and over.speakers is not None:
        few = "; too few, at least 3 are needed" if over.speakers < FEWEST_UNITS else ""
        print(f"{'groups':<18}{over.speakers}, drawn with all their clips for the 95 % intervals{few}")
    elif over is not None:
        print("95 % intervals take all clips as independent; --group COLUMN draws speakers or recordings whole")


def _interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    return "" if math.isnan(estimate.low) else f" ({estimate.low:.4f} to {estimate.high:.4f})"
