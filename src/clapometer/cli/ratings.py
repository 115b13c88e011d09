"""`clapometer ratings`: what a set of listeners' ratings is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clapometer.cli import console
from clapometer.cli.options import JsonOption
from clapometer.errors import BadOption

Given = Annotated[Path, typer.Argument(metavar="FILE", help="A table with one rating a row (.csv, .tsv, ...).")]
Columns = Annotated[
    str,
    typer.Option(
        "--columns",
        metavar="NAMES",
        help="Which column is which, such as `audio=file,text=caption,listener=worker,rating=mos`; not needed for "
        "`audio, text, listener, rating` and for the files of RELATE and XACLE.",
        show_default=False,
    ),
]
Scale = Annotated[
    str,
    typer.Option(
        "--scale", metavar="LOW,HIGH", help="Lowest and highest rating; default: what the file says.",
        show_default=False,
    ),
]  # fmt: skip
Listeners = Annotated[
    Path | None,
    typer.Option("--listeners", metavar="TABLE", help="What listeners said of themselves, one a row, to be joined."),
]
Split = Annotated[
    str,
    typer.Option(
        "--split",
        metavar="NAMES",
        help="Only these, such as `test,validation`; `all` for everything; default: all but `excluded`.",
        show_default=False,
    ),
]
Screen = Annotated[
    list[str] | None,
    typer.Option(
        "--screen",
        metavar="RULE",
        help="Keep what a rule keeps; may be given several times. `relate`: listeners whose anchors sum to at most 5 "
        "(AudioCaps train) or 2 (test). `anchors=0.17`: listeners whose mean rating of anchors is at most this share "
        "of the scale. `near=5`: ratings within 5 points of another rating of the same pair. `rest=0.2`: listeners who "
        "correlate with the mean of the others by 0.2 or more. `constant`: drop listeners who gave one rating 10 times "
        "or more and no other. After `near` and `rest`, reliability and ceiling are those before them.",
        show_default=False,
    ),
]
Aggregate = Annotated[
    Path | None,
    typer.Option(
        "--aggregate", "-o", metavar="TABLE", help="Write one row a pair, and a .json file beside it that says how it "
        "came about.",
    ),
]  # fmt: skip
Standardise = Annotated[
    bool,
    typer.Option(
        "--standardise", help="Add the mean of ratings that were standardised listener by listener to --aggregate."
    ),
]


def ratings(
    given: Given,
    columns: Columns = "",
    scale: Scale = "",
    listeners: Listeners = None,
    split: Split = "",
    screen: Screen = None,
    aggregate: Aggregate = None,
    standardise: Standardise = False,
    json: JsonOption = False,
) -> None:
    """Say what listeners' ratings are worth: how many, how reliable, and how well they can be predicted at best.

    Without --screen it says what each rule would remove; with it, rules are applied in their order, to all ratings
    (also to those that the file labels excluded). Ratings of anchors are used for screening alone.

    The noise ceiling is what a scorer that knows the true mean of each pair would get against these ratings: no
    metric can be expected to do better. Where listeners rated the same pairs, their levels are separated from noise.
    Reliability and ceilings carry 95 % confidence intervals.

    Exit status: 0 all well, 1 some rows could not be used, 2 bad input.
    """
    from clapometer.cli.ratings_report import report
    from clapometer.cli.ratings_study import study
    from clapometer.cli.ratings_table import write
    from clapometer.ratings.formats import parse_columns
    from clapometer.ratings.reading import read_ratings
    from clapometer.tables import check_output

    if standardise and aggregate is None:
        raise BadOption("--standardise adds a column to --aggregate; say where that is to go")
    if aggregate is not None:
        check_output(aggregate, given)
    found = read_ratings(
        given,
        columns=parse_columns(columns) if columns else None,
        listeners=listeners,
        scale=scale_of(scale) if scale else None,
    )
    result = study(found, split, screen or [])
    if aggregate is not None:
        write(result, aggregate, standardised=standardise)
    report(result, as_json=json, output=aggregate)
    if aggregate is not None and not json:
        console.say(f"written: {aggregate}, and how it came about: {aggregate.with_suffix('.json')}")
    raise typer.Exit(1 if any(problem.dropped for problem in found.problems) else 0)


def scale_of(text: str) -> tuple[float, float]:
    """`--scale` as numbers.

    Raises:
        BadOption: it is not two numbers.
    """
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise BadOption(f"--scale {text}: give the lowest and the highest rating, such as 0,10") from None
    return low, high
