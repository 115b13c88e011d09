"""`clapometer score`: one audio file against texts, or a table of pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clapometer.cli import console
from clapometer.cli.options import (
    MINI,
    MINI_IS_SMALL,
    InferenceOptions,
    JsonOption,
    OutputOption,
    QuietOption,
    RootOption,
    load_model,
    with_options,
)
from clapometer.embedding.inputs import TABLE_EXTENSIONS, read_pairs
from clapometer.embedding.store import store_for
from clapometer.errors import BadAudio, BadInput, BadOption, BadText
from clapometer.tables import check_output, record_path

if TYPE_CHECKING:
    from clapometer.scoring.score_table import ScoredTable

Given = Annotated[
    str, typer.Argument(metavar="AUDIO | TABLE", help=f"An audio file, or a table ({', '.join(TABLE_EXTENSIONS)}).")
]
Texts = Annotated[
    list[str] | None, typer.Argument(metavar="[TEXT]...", help="Texts for the audio file.", show_default=False)
]


@with_options(options=InferenceOptions)
def score(
    given: Given,
    texts: Texts = None,
    output: OutputOption = None,
    audio_root: RootOption = None,
    *,
    options: InferenceOptions,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Score how well audio matches a text.

    An audio file and a text: prints the score. Several texts: prints a ranked
    list.

    A table with the columns audio and text: adds score, cosine and error, and,
    if the model is calibrated, rating: the rating predicted from the cosine.

    The score is max(cosine, 0), from 0 to 1. Rows that cannot be scored keep
    their error and do not stop the others. The same command resumes an
    interrupted run.

    Exit status: 0 all scored, 1 some rows failed, 2 bad input.
    """
    if Path(given).suffix.lower() not in TABLE_EXTENSIONS:
        if output is not None or audio_root is not None:
            raise BadOption("--output and --audio-root belong to a table; the scores of one file are printed")
        _score_file(given, texts or [], options, quiet, json)
        return
    if texts:
        raise BadOption(f"{given} is a table and takes its texts from its column `text`; leave {texts[0]!r} out")
    result = _score_table(given, output, audio_root, options, quiet)
    small = _notes(result, quiet)
    if json:
        console.print_json(_summary(result, output, note=small))
    else:
        _print_summary(result)
    if output is not None:
        console.wrote(output, result.inputs.table, result.columns, quiet=quiet)
    elif not json:
        console.note("the scores of the rows are not kept; name a table for them with -o", quiet=quiet)
    raise typer.Exit(1 if result.failed else 0)


def _score_file(given: str, texts: list[str], options: InferenceOptions, quiet: bool, json: bool) -> None:
    from clapometer.audio.files import check_files
    from clapometer.scoring.score_table import score_table

    for problem in check_files([given]).values():
        raise BadAudio(problem)
    if not texts:
        known = ", ".join(TABLE_EXTENSIONS)
        raise BadInput(f'{given}: give a text too, such as "a dog barks", or a table whose name ends in {known}')
    if not all(text.strip() for text in texts):
        raise BadText("a text is empty; describe the sound in words")
    with store_for(None, cache=options.cache, log=console.say) as store:
        result = score_table(load_model(options), [(given, text) for text in texts], options=options, store=store)
    for problem in filter(None, result.problems):
        raise BadInput(problem)
    _notes(result, quiet)
    ranked = sorted(result.to_records(), key=lambda row: -row["cosine"])
    columns = [name for name in ("score", "cosine", "rating") if name in result.columns]
    if json:
        scores = [{name: row[name] for name in ("text", *columns)} for row in ranked]
        console.print_json({"audio": given, "model": result.record["model"]["name"], "scores": scores})
    elif len(ranked) == 1:
        print(f"{ranked[0]['score']:.6f}")
    else:
        rows = [(*(f"{row[name]:.6f}" for name in columns), row["text"]) for row in ranked]
        console.print_table((*columns, "text"), rows, right=columns, wrap=("text",))


def _score_table(
    given: str, output: Path | None, audio_root: Path | None, options: InferenceOptions, quiet: bool
) -> ScoredTable:
    """The scored table, written if there is an output; problems are printed as they are found."""
    if output is not None:
        check_output(output, Path(given))
    inputs = read_pairs(given, audio_root=audio_root)
    console.print_problems(inputs.where, inputs.problems, "cannot be scored")

    from clapometer.scoring.score_table import score_table, write_scored_table

    clap = load_model(options)
    with store_for(output, cache=options.cache, log=console.say) as store:
        result = score_table(clap, inputs, options=options, progress=console.progress(quiet), store=store)
        if output is not None:
            write_scored_table(result, output)
    console.print_problems(inputs.where, result.problems, "could not be read", known=inputs.problems)
    return result


def _notes(result: ScoredTable, quiet: bool) -> str:
    """Print the notes; returns the one on the model."""
    small = MINI_IS_SMALL if result.record["model"]["name"] == MINI else ""
    for note in filter(None, (*result.notes, small)):
        console.note(note, quiet=quiet)
    return small


def _summary(result: ScoredTable, output: Path | None, note: str) -> dict[str, Any]:
    record = result.record
    summary = {
        "model": record["model"]["name"],
        "weights": record["model"]["weights"],
        **record["summary"],
        "sounds": record["counts"]["sounds"],
        "texts": record["counts"]["texts"],
        "texts_cut": record["texts_cut"]["texts"],
        "seen": record["seen"],
        **({"note": note} if note else {}),
    }
    if output is not None:
        return summary | {"output": str(output), "provenance": str(record_path(output))}
    table = result.inputs.table
    return summary | {
        "rows": [{table.unit: line, **row} for line, row in zip(table.lines, result.to_records(), strict=True)]
    }


def _print_summary(result: ScoredTable) -> None:
    from clapometer.scoring.score_table import STATISTICS

    record = result.record
    model, window, summary = record["model"], record["window"], record["summary"]
    print(f"model {model['name']}, weights {model['weights']}, window {window['seconds']:g} s, {window['long']}")
    groups = {"all": summary, **summary.get("systems", {})}
    rows = [[name or "(no name)", *(_cell(group[one]) for one in STATISTICS)] for name, group in groups.items()]
    console.print_table(("system" if "systems" in summary else "rows", *STATISTICS), rows, right=STATISTICS)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
