"""`clapometer queries`: sentences about voices, made of what is measured and of columns of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from clapometer.cli.options import CacheOption, JsonOption, QuietOption
from clapometer.errors import BadOption
from clapometer.tables import check_output

Given = Annotated[Path, typer.Argument(metavar="TABLE", help="A table with a column `audio`, a row a clip.")]
Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="TABLE", help="Where the queries go: audio, text, says.")
]
Mode = Annotated[
    Literal["all", "sample", "label"],
    typer.Option("--mode", help="Say everything, one to five things of it, or the emotion alone."),
]
Number = Annotated[int, typer.Option("--queries", min=1, help="Queries a clip, all different.")]
Always = Annotated[
    list[str] | None,
    typer.Option("--always", metavar="WHAT", help="With `sample`: what each query says besides, such as emotion."),
]
Label = Annotated[
    list[str] | None,
    typer.Option(
        "--label", metavar="COLUMN", help="A further column of names to speak of; may be given several times."
    ),
]
Phrases = Annotated[
    Path | None, typer.Option("--phrases", metavar="FILE", help="Phrases of your own: a changed copy of phrases.toml.")
]
BinsFrom = Annotated[
    Path | None, typer.Option("--bins", metavar="FILE", help="What is low and high, from another corpus.")
]
SaveBins = Annotated[
    Path | None, typer.Option("--save-bins", metavar="FILE", help="Keep what is low and high in this corpus.")
]
FeaturesFrom = Annotated[
    str,
    typer.Option(
        "--features",
        metavar="own|egemaps|TABLE",
        help="Who measures: this program, openSMILE (non-commercial licence), or a table with measures by `audio`.",
    ),
]
SaveFeatures = Annotated[Path | None, typer.Option("--save-features", metavar="TABLE", help="Keep the measures.")]


def queries(
    given: Given,
    output: Output,
    mode: Mode = "sample",
    number: Number = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    always: Always = None,
    label: Label = None,
    as_released: Annotated[
        bool,
        typer.Option("--as-released", help="As the script that came with ParaCLAP has it, contradictions included."),
    ] = False,
    low: Annotated[
        float | None, typer.Option(help="Share of the corpus that is low; default: 0.3.", show_default=False)
    ] = None,
    high: Annotated[
        float | None, typer.Option(help="Share that is not high; default: 0.7.", show_default=False)
    ] = None,
    bins: BinsFrom = None,
    save_bins: SaveBins = None,
    phrases: Phrases = None,
    features: FeaturesFrom = "own",
    save_features: SaveFeatures = None,
    audio_root: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where relative paths begin; default: the table's folder.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads; default: one a processor.", show_default=False)
    ] = None,
    cache: CacheOption = True,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Make text queries for speech, which has no captions: for `clapometer pretrain`.

    Pitch, loudness, level, duration, rate, jitter and shimmer are measured and told as low, normal or high within the
    corpus; the columns emotion, gender, age, intensity, arousal, valence and dominance are used where they exist. What
    cannot be measured of a clip (no voice, too short, silent) is told, and left out of its queries.

    Exit status: 0 all well, 1 some clips could not be read, 2 bad input.
    """
    from clapometer.cli.queries_table import Wanted, queries_table
    from clapometer.voice.queries import QueryOptions

    if bins is not None and (low is not None or high is not None):
        raise BadOption("--low and --high are for bins that are made; those of --bins have their own")
    if features not in ("own", "egemaps") and not Path(features).is_file():
        raise BadOption(f"--features {features}: neither own nor egemaps, and no such table")
    for place in filter(None, (output, save_features)):
        check_output(place, given)
    wanted = Wanted(
        table=given,
        output=output,
        options=QueryOptions(mode, number, seed, tuple(always or ()), as_released),
        labels=tuple(label or ()),
        low=low,
        high=high,
        bins=bins,
        save_bins=save_bins,
        phrases=phrases,
        features=features,
        save_features=save_features,
        audio_root=audio_root,
        workers=workers,
        cache=cache,
        quiet=quiet,
    )
    raise typer.Exit(1 if queries_table(wanted, json) else 0)
