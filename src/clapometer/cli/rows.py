"""What commands that go through the rows of a table have in common: the place of the output, and bad rows told."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clapometer.cli import console
from clapometer.tables import Table

SHOWN_PROBLEMS = 20


def problems_of(table: Table, sounds: Sequence[str]) -> list[str]:
    """For each row what can be seen to be wrong without a model; empty where nothing is.

    Args:
        table: the rows.
        sounds: the sound file of each row.
    """
    from clapometer.audio.files import check_files  # brings numpy

    bad = check_files(sound for sound, problem in zip(sounds, table.problems, strict=True) if not problem)
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
