"""What commands that go through the rows of a table have in common: the place of the output, and bad rows told."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from clapometer.cli import console
from clapometer.errors import BadOption
from clapometer.tables import Table, format_of

SHOWN_PROBLEMS = 20


def check_output(output: Path, given: Path | None) -> None:
    """Refuse a place for the output before any work is done.

    Args:
        output: where the table is to go.
        given: the table that is read, if there is one.

    Raises:
        BadTable: the ending is not that of a table.
        BadOption: it cannot be written there, or is the table that is read.
    """
    format_of(output)
    if not output.parent.is_dir():
        raise BadOption(f"{output}: there is no folder {output.parent}; make it first")
    if output.is_dir():
        raise BadOption(f"{output}: is a folder; name a file in it")
    if not os.access(output.parent, os.W_OK):
        raise BadOption(f"{output}: the folder {output.parent} cannot be written; choose another place")
    if given is not None and given.exists() and output.exists() and given.samefile(output):
        raise BadOption(f"{output}: is the table itself; give the output another name")


def problems_of(table: Table, sounds: Sequence[str]) -> list[str]:
    """For each row what can be seen to be wrong without a model; empty where nothing is.

    Args:
        table: the rows.
        sounds: the sound file of each row.
    """
    from clapometer.scoring.pairs import check_sounds  # brings numpy

    bad = check_sounds(sound for sound, problem in zip(sounds, table.problems, strict=True) if not problem)
    return [problem or bad.get(sound, "") for problem, sound in zip(table.problems, sounds, strict=True)]


def tell(where: Callable[[int], str], problems: Sequence[str], what: str) -> None:
    """Say on standard error which rows are bad and why, the first twenty of them.

    Args:
        where: says how to find a row, counted from 0.
        problems: one a row; empty where nothing is wrong.
        what: what follows from it, such as `cannot be scored`.
    """
    bad = [number for number, problem in enumerate(problems) if problem]
    if not bad:
        return
    console.say(f"{len(bad)} of {len(problems)} rows {what}:")
    for number in bad[:SHOWN_PROBLEMS]:
        console.say(f"  {where(number)}: {problems[number]}")
    if len(bad) > SHOWN_PROBLEMS:
        console.say(f"  ... and {len(bad) - SHOWN_PROBLEMS} more")
