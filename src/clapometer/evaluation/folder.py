"""The folder of a report: the page, and the numbers as JSON and CSV."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from clapometer._version import __version__
from clapometer.audio.files import check_audio_root
from clapometer.errors import BadOption
from clapometer.evaluation import export
from clapometer.evaluation.page import page
from clapometer.evaluation.result import Evaluation
from clapometer.provenance import file_hash
from clapometer.tables import atomic_write, make_folder, write_json, write_rows
from clapometer.tables.memory import IN_MEMORY

PAGE, RECORD = "index.html", "evaluation.json"
TABLES: Mapping[str, Callable[[Evaluation], tuple[list[str], list[dict[str, Any]]]]] = {
    "agreement.csv": export.agreement_table,
    "differences.csv": export.difference_table,
    "group_differences.csv": export.group_difference_table,
    "pairs.csv": export.pair_table,
    "not_joined.csv": export.loose_table,
}


def check_folder(folder: Path, *, overwrite: bool = False) -> None:
    """Refuse a place for a report before any work is done.

    Args:
        folder: of the report.
        overwrite: also write into a folder that holds files and no report.

    Raises:
        BadOption: there is a file of that name, no folder to make it in, or it holds other files.
    """
    if folder.exists() and not folder.is_dir():
        raise BadOption(f"{folder}: is a file; name a folder for the report")
    if not folder.absolute().parent.is_dir():
        raise BadOption(f"{folder}: there is no folder {folder.absolute().parent}; make it first")
    # The record is the first file of a report; hidden files are what a killed run has left.
    others = folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir())
    if others and not overwrite and not (folder / RECORD).is_file():
        raise BadOption(f"{folder}: holds files and no report; name an empty folder, or --overwrite")


def write_report(found: Evaluation, folder: Path, *, audio_root: Path | None = None) -> None:
    """Write the page, `evaluation.json` and the tables; the page appears last.

    Args:
        found: the evaluation.
        folder: made where it is missing; files of a former report in it are replaced.
        audio_root: folder of the sounds, which the page plays; default: the folders of the score files.

    Raises:
        BadOption: it cannot be written, or the folder of sounds does not exist.
    """
    check_folder(folder, overwrite=True)
    check_audio_root(audio_root)
    make_folder(folder)
    record = _record(found)
    write_json(folder / RECORD, {**record, **export.as_json(found)})
    for name, table in TABLES.items():
        columns, rows = table(found)
        with atomic_write(folder / name) as file:
            write_rows(file, "csv", columns, rows, {name: float for name in columns if _is_figure(name)})
    roots = [audio_root] if audio_root else list(dict.fromkeys(one.path.parent for one in found.files))
    text = page(found, roots, sources=record["hashes"])
    with atomic_write(folder / PAGE) as file:
        file.write(text.encode("utf-8", "replace"))


def _record(found: Evaluation) -> dict[str, Any]:
    """How the report was made: versions, time, and hashes of the files."""
    paths = [path for path in (*(file.path for file in found.files), found.ratings.path) if path != IN_MEMORY]
    return {
        "command": "evaluate",
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"clapometer": __version__, "python": platform.python_version(), "numpy": np.__version__},
        "hashes": {str(path): file_hash(path) for path in paths},
    }


def _is_figure(name: str) -> bool:
    return name.split("_")[0].split(":")[0] in ("srcc", "lcc", "ktau", "mse", "score", "rank", "mean")
