"""The files of a measured task: the record, what was said of each clip, the classes, the confusion picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clapometer.benchmark.tasks.task import SETUP_NAMES
from clapometer.plots.figures import confusion_matrix
from clapometer.tables import atomic_write, write_rows

if TYPE_CHECKING:
    from clapometer.benchmark.result import Result

CLASSES = ("label", "clips", "recall", "precision", "f1", "average_precision", "taken_for")
CLIPS = ("audio", "fold", "label", "predicted", "score")


def write_benchmark(result: Result, folder: Path) -> list[Path]:
    """Write what a result consists of into a folder, which is made where it is missing; the record comes last.

    Returns:
        The files: the record as JSON, then clips and classes as CSV, and the confusion picture where there is one.

    Raises:
        BadOption: they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{result.task.name}.{result.setup}"
    written = []
    figures = result.figures
    if result.answers is not None:
        written.append(folder / f"{stem}.clips.csv")
        with atomic_write(written[-1]) as file:
            write_rows(file, "csv", CLIPS, _clips(result), {"score": float})
    if figures.classes:
        written.append(folder / f"{stem}.classes.csv")
        kinds = dict.fromkeys(("recall", "precision", "f1", "average_precision"), float)
        with atomic_write(written[-1]) as file:
            write_rows(file, "csv", CLASSES, [asdict(row) for row in figures.classes], kinds)
    if figures.confusion is not None and result.answers is not None:
        written.append(folder / f"{stem}.confusion.png")
        confusion_matrix(figures.confusion, result.answers.labels, written[-1], title=_title(result))
    record = folder / f"{stem}.json"
    with atomic_write(record) as file:
        whole = {**result.record, "failed": result.failed, "files": [path.name for path in written]}
        file.write((json.dumps(whole, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "replace"))
    return [record, *written]


def _clips(result: Result) -> Iterator[dict[str, Any]]:
    """A row a clip: of tags, all of them, and the one with the highest score."""
    answers = result.answers
    if answers is None:
        return
    for clip, scores, fold in zip(answers.clips, answers.scores, answers.folds, strict=True):
        first = int(np.argmax(scores))
        said = {"predicted": answers.labels[first], "score": float(scores[first])}
        yield {"audio": clip.audio, "fold": fold, "label": "|".join(clip.labels), **said}


def _title(result: Result) -> str:
    from clapometer.benchmark.published_results import told

    value = result.figures.value
    folds = f", fold {', '.join(result.record['tested']['folds'])}" if result.record["tested"]["folds"] else ""
    return (
        f"{result.record['model']['name']} on {result.task.title}, {SETUP_NAMES[result.setup]}{folds}\n"
        f"{result.figures.main} {told(value)}"
    )
