"""The folder of a report: the page, and the numbers as JSON and CSV."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clapometer.errors import BadOption
from clapometer.evaluation import export
from clapometer.evaluation.page import page
from clapometer.evaluation.result import Evaluation
from clapometer.tables import atomic_write, write_rows

PAGE = "index.html"
TABLES: Mapping[str, Callable[[Evaluation], tuple[list[str], list[dict[str, Any]]]]] = {
    "agreement.csv": export.agreement_table,
    "differences.csv": export.difference_table,
    "group_differences.csv": export.group_difference_table,
    "pairs.csv": export.pair_table,
    "not_joined.csv": export.loose_table,
}


def check_folder(folder: Path) -> None:
    """Refuse a place for a report before any work is done.

    Raises:
        BadOption: there is a file of that name, or no folder to make it in.
    """
    if folder.exists() and not folder.is_dir():
        raise BadOption(f"{folder}: is a file; name a folder for the report")
    if not folder.absolute().parent.is_dir():
        raise BadOption(f"{folder}: there is no folder {folder.absolute().parent}; make it first")


def write_report(found: Evaluation, folder: Path, record: Mapping[str, Any], roots: Sequence[Path] = ()) -> None:
    """Write the page, `evaluation.json` and the tables; the page appears last.

    Args:
        found: what is reported.
        folder: made where it is missing; files of a former report in it are replaced.
        record: how it came about: versions, files, hashes.
        roots: folders in which the sounds may lie.

    Raises:
        BadOption: it cannot be written.
    """
    check_folder(folder)
    folder.mkdir(exist_ok=True)
    figures = {**record, **export.as_json(found)}
    with atomic_write(folder / "evaluation.json") as file:
        file.write((json.dumps(figures, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())
    for name, table in TABLES.items():
        columns, rows = table(found)
        with atomic_write(folder / name) as file:
            write_rows(file, "csv", columns, rows, {name: float for name in columns if _is_figure(name)})
    text = page(found, roots, sources=record.get("hashes"))
    with atomic_write(folder / PAGE) as file:
        file.write(text.encode("utf-8", "replace"))


def _is_figure(name: str) -> bool:
    return name.split("_")[0].split(":")[0] in ("srcc", "lcc", "ktau", "mse", "score", "rank", "mean")
