"""`clapometer example`: files to try every command on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clapometer.cli import console
from clapometer.cli.options import QuietOption


def example(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write; made where it is missing.")],
    quiet: QuietOption = False,
) -> None:
    """Write sounds, pairs, ratings, captions and labels to try every command on.

    Sounds are synthesised and listeners are simulated: the results say nothing about a model.

    Exit status: 0 written, 2 bad input.
    """
    from clapometer.benchmark.example import write_example

    for path in write_example(folder):
        if not quiet:
            console.say(f"wrote {path}")
