"""`clapometer evaluate`: how far scores agree with listeners."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clapometer.cli.engine import JsonOption, QuietOption
from clapometer.errors import BadOption

Screen = Annotated[list[str] | None, typer.Option("--screen")]
Scores = Annotated[
    list[str],
    typer.Argument(
        metavar="SCORES...",
        help="Tables that `clapometer score` wrote, or others with audio, text and a score; NAME=TABLE names one.",
    ),
]
RatingsFile = Annotated[
    Path,
    typer.Option(
        "--ratings", metavar="TABLE", help="What listeners said: canonical, RELATE or XACLE, one rating a row."
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FOLDER", help="Write a report there: a page, its figures as JSON and CSV."),
]
By = Annotated[
    list[str] | None,
    typer.Option(
        "--by",
        metavar="COLUMN",
        help="Break the figures down by a column of the ratings or scores; `event`: by the kinds of sound events that "
        "the captions name. May be given several times.",
        show_default=False,
    ),
]
Events = Annotated[
    Path | None,
    typer.Option("--events", metavar="FILE", help="Word list of --by event (TOML); default: that of the package."),
]
Split = Annotated[
    str,
    typer.Option(
        "--split",
        metavar="NAMES",
        help="Splits to evaluate, separated by commas, or `all`; default: all but train and excluded.",
        show_default=False,
    ),
]
Train = Annotated[
    str, typer.Option("--train", metavar="NAMES", help="Splits to fit calibration and trivial predictors on.")
]
Column = Annotated[str, typer.Option("--score-column", metavar="COLUMN", help="Where the scores stand.")]
ScoreScale = Annotated[
    str,
    typer.Option(
        "--score-scale",
        metavar="MIN,MAX",
        help="Lowest and highest possible score, for the MSE; default: 0,1, and for a column `rating` the listeners'.",
        show_default=False,
    ),
]
Columns = Annotated[
    str,
    typer.Option(
        "--columns",
        metavar="ROLES",
        help="Columns of the ratings, such as `audio=file,rating=mos`.",
        show_default=False,
    ),
]
Scale = Annotated[
    str,
    typer.Option("--scale", metavar="MIN,MAX", help="Lowest and highest possible rating.", show_default=False),
]
Natural = Annotated[
    str,
    typer.Option(
        "--natural", metavar="NAMES", help="Systems that are recordings; default: natural, gt, ...", show_default=False
    ),
]
Ceiling = Annotated[
    bool, typer.Option("--ceiling/--no-ceiling", help="Say what a perfect predictor could reach, which takes seconds.")
]
Level = Annotated[float, typer.Option("--level", help="Share of such intervals that hold the truth.")]
Number = Annotated[int, typer.Option("--resamples", metavar="N", help="Bootstrap resamples.")]
Resample = Annotated[
    str,
    typer.Option(
        "--resample",
        metavar="UNIT",
        help="What is drawn anew: pairs; audio, text or a COLUMN with all pairs of each value; listeners with all "
        "their ratings; both (pairs, audio or text, and listeners). Default: audio, text or both where they repeat "
        "over pairs, else pairs.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Of the resamples.")]
Root = Annotated[
    Path | None,
    typer.Option(
        "--audio-root", metavar="FOLDER", help="Where the sounds are, to be heard in the report; default: where the "
        "scores are.",
    ),
]  # fmt: skip
IncludeSeen = Annotated[
    bool,
    typer.Option(
        "--include-seen",
        help="Evaluate pairs that the model was trained on or selected by, too, and mark every metric.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a calibration that the model has already.")]
Calibrate = Annotated[
    Path | None,
    typer.Option(
        "--calibrate",
        metavar="MODEL",
        help="Put the map from cosine to rating, fitted on the training split, into the folder of the model that gave "
        "the scores; `clapometer score` then gives a column `rating`.",
    ),
]


def evaluate(
    scores: Scores,
    ratings: RatingsFile,
    output: Output = None,
    by: By = None,
    events: Events = None,
    split: Split = "",
    train: Train = "train",
    include_seen: IncludeSeen = False,
    score_column: Column = "score",
    score_scale: ScoreScale = "",
    columns: Columns = "",
    scale: Scale = "",
    natural: Natural = "",
    screen: Screen = None,
    ceiling: Ceiling = True,
    level: Level = 0.95,
    resamples: Number = 10_000,
    resample: Resample = "auto",
    seed: Seed = 0,
    audio_root: Root = None,
    calibrate: Calibrate = None,
    overwrite: Overwrite = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Agreement of scores with listeners' ratings, with confidence intervals, and which of two scores agrees better.

    Scores and ratings are joined by sound and text. SRCC, LCC, KTAU (tau-b) and MSE (on 0 to 1) stand for all pairs,
    within systems and between systems, beside the constant, the mean of the system that made the sound, and the
    ceiling that the listeners' noise sets. Pairs that the model behind the scores
    was trained on or selected by (column `seen` of the scores) are left out.

    Exit status: 0 every rated pair has a score, 1 some have none, 2 bad input.
    """
    from clapometer.evaluation.groups import NATURAL
    from clapometer.evaluation.listeners import Options
    from clapometer.stats.bootstrap import Resamples

    if events is not None and "event" not in (by or ()):
        raise BadOption("--events is the word list of --by event; give both")
    if audio_root is not None and not audio_root.is_dir():
        raise BadOption(f"--audio-root {audio_root}: no such folder")
    options = Options(
        by=tuple(dict.fromkeys(by or ())),
        split=_names(split),
        train=_names(train),
        score_column=score_column,
        score_scale=_bounds("--score-scale", score_scale),
        natural=_names(natural) or NATURAL,
        events=events,
        screen=tuple(screen or ()),
        ceiling=ceiling,
        include_seen=include_seen,
        resamples=Resamples(resamples, resample, level, seed),
    )
    from clapometer.cli.evaluate_files import Task, evaluate_files

    task = Task(
        tuple(scores), ratings, columns, _bounds("--scale", scale), options, output, audio_root, calibrate, overwrite,
        json, quiet,
    )  # fmt: skip
    raise typer.Exit(1 if evaluate_files(task) else 0)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _bounds(option: str, text: str) -> tuple[float, float] | None:
    if not text:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise BadOption(f"{option} {text}: give the lowest and the highest value, such as 0,10") from None
    if not low < high:
        raise BadOption(f"{option} {text}: the first value must be lower than the second")
    return low, high
