"""Score files against ratings: read, evaluated, printed, reported, and a calibration put beside a model."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from clapometer._version import __version__
from clapometer.calibration import FILE, Calibration, write_calibration
from clapometer.cli import console
from clapometer.cli.layout import print_table
from clapometer.cli.rows import SHOWN_PROBLEMS
from clapometer.errors import BadOption
from clapometer.evaluation import export, sentences
from clapometer.evaluation.join import IS_ANCHOR, Loose
from clapometer.evaluation.listeners import Options, evaluate
from clapometer.evaluation.result import BETWEEN, Evaluation
from clapometer.ratings.options import parse_columns
from clapometer.ratings.reading import read_ratings
from clapometer.seen import MARK
from clapometer.stats.bootstrap import Estimate
from clapometer.types import Window


@dataclass(frozen=True)
class Task:
    """What is to be done."""

    scores: tuple[str, ...]
    ratings: Path
    columns: str
    """Which column of the ratings is which, as on the command line; empty: as its header says."""
    scale: tuple[float, float] | None
    options: Options
    output: Path | None
    audio_root: Path | None
    calibrate: Path | None
    overwrite: bool
    json: bool
    quiet: bool


def evaluate_files(task: Task) -> int:
    """Do it; returns how many rated pairs have no score.

    Raises:
        BadInput: files or options cannot be used.
    """
    if task.output is not None:
        from clapometer.evaluation.folder import check_folder

        check_folder(task.output)
    columns = parse_columns(task.columns) if task.columns else None
    ratings = read_ratings(task.ratings, columns=columns, scale=task.scale)
    if task.calibrate is not None and (task.calibrate / FILE).exists() and not task.overwrite:
        raise BadOption(f"--calibrate {task.calibrate}: {FILE} is there already; it would be replaced with --overwrite")
    found = evaluate(task.scores, ratings, task.options, progress=partial(console.Progress, quiet=task.quiet))
    calibration = None if task.calibrate is None else _calibration(found, task.calibrate)
    _tell(found, task)
    if task.output is not None:
        from clapometer.evaluation.folder import write_report

        roots = [task.audio_root] if task.audio_root else list(dict.fromkeys(one.path.parent for one in found.files))
        write_report(found, task.output, _record(found), roots)
    if task.json:
        console.print_json(export.as_json(found))
    else:
        _print(found)
    if calibration is not None and task.calibrate is not None:
        _note(task, f"written: {write_calibration(calibration, task.calibrate)}")
    if task.output is not None:
        _note(task, f"written: {task.output / 'index.html'}, and its figures beside it")
    return sum(map(len, found.unscored))


def _note(task: Task, message: str) -> None:
    if not task.quiet:
        console.say(message)


def _tell(found: Evaluation, task: Task) -> None:
    """What did not join, on standard error, whether the user wants quiet or not; and notes."""
    for file, joined, unscored in zip(found.files, found.joined, found.unscored, strict=True):
        _tell_loose(f"{len(joined.loose)} of {len(file.audio)} rows of {file.path.name} did not join", joined.loose)
        _tell_loose(f"{len(unscored)} of {found.wanted} rated pairs have no score in {file.path.name}", unscored)
        if joined.by_name:
            _note(
                task, f"note: {joined.by_name} rows of {file.path.name} joined by the name of the file alone; their "
                "folders are other ones than in the ratings",
            )  # fmt: skip
    dropped = found.ratings.problem_counts()
    if dropped:
        told = ", ".join(f"{count} {kind}" for kind, count in dropped.items())
        console.say(f"{found.ratings.path.name}: rows with problems: {told}; `clapometer ratings` lists them")
    for note in found.notes:
        _note(task, f"note: {note}")


def _tell_loose(what: str, loose: Sequence[Loose]) -> None:
    if not loose:
        return
    reasons = export.reasons(loose)
    console.say(f"{what}: {'; '.join(f'{why} ({count})' for why, count in reasons.items())}")
    loose = [one for one in loose if one.why != IS_ANCHOR]  # nothing is wrong with these
    for one in loose[:SHOWN_PROBLEMS]:
        where = f"{one.where}: " if one.where else ""
        console.say(f"  {where}{one.audio}, {one.text!r}: {one.why}")
    if len(loose) > SHOWN_PROBLEMS:
        console.say(f"  ... and {len(loose) - SHOWN_PROBLEMS} more")


def _print(found: Evaluation) -> None:
    level = f"{found.resamples.level * 100:g} %"
    mark = f" {MARK}" * found.includes_seen
    print(f"{len(found.pairs)} pairs, {len(found.ratings)} ratings; SRCC with {level} intervals; MSE on 0 to 1")
    print(f"drawn for the intervals: {found.drawn}\n")
    all_rows = export.in_order((*found.rows, *found.ceiling))
    for breakdown in dict.fromkeys(row.breakdown for row in all_rows):
        rows = [row for row in all_rows if row.breakdown == breakdown]
        grouped = breakdown not in sentences.ORDER
        columns = [*([breakdown] if grouped else []), "score" if grouped else sentences.title(found, breakdown)]
        numbers = ["systems" if breakdown == BETWEEN else "pairs", "SRCC", "LCC", "KTAU", "MSE"]
        cells = [
            [
                *([row.group] if grouped else []),
                row.predictor,
                row.n,
                *(f"{cell}{mark}" for cell in _cells((row.srcc, row.lcc, row.ktau, row.mse))),
            ]
            for row in rows
        ]
        print_table([*columns, *numbers], cells, right=numbers)
        print()
    verdicts = sentences.verdicts(found) or [sentences.verdict(found)]
    more = (
        *sentences.reservations(found),
        *sentences.between_origins(found),
        *_calibrated(found),
        *sentences.against_constant(found),
    )
    for sentence in filter(None, (*verdicts, sentences.ranks(found), *more)):
        print(f"{sentence}{mark}")
    if found.includes_seen:
        print(f"{MARK} includes pairs that the model was trained on or selected by")


def _cells(figures: Sequence[Estimate]) -> list[str]:
    """SRCC with its interval, the others without: a terminal is not wide. The report has all."""
    return [sentences.figure(figures[0]), *(sentences.number(figure.value) for figure in figures[1:])]


def _calibrated(found: Evaluation) -> list[str]:
    return [
        f"{one.predictor}: MSE {sentences.figure(one.before)} as it is, {sentences.figure(one.after)} with a monotone "
        f"map to ratings fitted on {one.n} pairs of {' and '.join(one.splits)}."
        for one in found.calibrated
    ]


def _record(found: Evaluation) -> dict[str, Any]:
    """What the JSON file of the report says of its making."""
    from clapometer.provenance import file_hash

    paths = [*(file.path for file in found.files), found.ratings.path]
    return {
        "command": "evaluate",
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"clapometer": __version__, "python": platform.python_version(), "numpy": np.__version__},
        "hashes": {str(path): file_hash(path) for path in paths},
    }


def _calibration(found: Evaluation, folder: Path) -> Calibration:
    """The map of the one score file, if it can be said to which weights it belongs.

    Raises:
        BadOption: it cannot, or there is no map.
    """
    from clapometer.provenance import file_hash

    if len(found.files) != 1:
        raise BadOption("--calibrate wants the scores of one model, in one table")
    file = found.files[0]
    if not found.calibrated:
        raise BadOption(f"--calibrate: no map from cosine to rating was fitted: {found.notes[-1]}")
    if found.includes_seen:
        raise BadOption("--calibrate with --include-seen: the map would be judged on pairs that the model learned from")
    beside, model = file.path.with_suffix(".json"), file.record.get("model", {})
    if not file.has_cosine or "weights" not in model:
        raise BadOption(
            f"--calibrate: {file.path.name} needs a column `cosine` and, beside it, {beside.name}, both of which "
            "`clapometer score` writes"
        )
    try:
        name = json.loads((folder / "config.json").read_text(encoding="utf-8"))["card"]["name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadOption(f"--calibrate {folder}: is not the folder of a model ({error})") from error
    if name != model.get("name"):
        raise BadOption(
            f"--calibrate {folder}: is the model {name!r}, and the scores are those of {model.get('name')!r}"
        )
    one = found.calibrated[0]
    return Calibration(
        mapping=one.mapping,
        scale=found.ratings.scale,
        weights=model["weights"],
        window=str(Window(**file.record["window"])),
        ratings=found.ratings.path.name,
        ratings_sha256=file_hash(found.ratings.path),
        splits=one.splits,
        pairs=one.n,
        mse_before=one.before.value,
        mse_after=one.after.value,
    )
