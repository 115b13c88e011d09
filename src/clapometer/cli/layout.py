"""Tables for people, on standard output."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table

WIDTH_IN_A_PIPE = 200
"""Where no terminal says how wide it is; lines are only as long as they need to be."""


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Collection[str] = (), wrap: Collection[str] = ()
) -> None:
    """Print rows under their columns.

    Args:
        columns: headings.
        rows: cells, as many as columns.
        right: headings of the columns that stand to the right, such as numbers.
        wrap: headings of the columns that go on in the line below where the terminal is too narrow.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="", padding=(0, 2, 0, 0))
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in right else "left"
        table.add_column(column, justify=justify, overflow="fold", no_wrap=column not in wrap)
    for row in rows:
        # Cells are text, not markup: a file may well be called `[red].wav`.
        table.add_row(*[_plain(cell) for cell in row])
    width = None if sys.stdout.isatty() else WIDTH_IN_A_PIPE
    console = Console(width=width, highlight=False, soft_wrap=False)
    with console.capture() as capture:
        console.print(table)
    print("\n".join(line.rstrip() for line in capture.get().strip("\n").splitlines()))


def _plain(cell: object) -> str:
    return str(cell).replace("[", r"\[")
