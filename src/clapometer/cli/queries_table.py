"""A table of speech to a table of queries, a record of how they came about, and a count of every phrase."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from clapometer._version import __version__
from clapometer.audio.files import resolve_audio_path
from clapometer.cli import console
from clapometer.cli.console import print_problems, print_table
from clapometer.embedding.inputs import row_problems
from clapometer.embedding.store import open_store, partial_store, remove_store
from clapometer.errors import BadOption, BadTable
from clapometer.provenance import file_hash
from clapometer.tables import Table, atomic_write, format_of, read_table, write_rows, write_with_record
from clapometer.voice.bins import Bins, Numbers, bins_of, read_bins, save_bins
from clapometer.voice.extract import extract
from clapometer.voice.extractors import OWN, egemaps
from clapometer.voice.facts import columns_of, known_of, same_source, table_measures, without_bins
from clapometer.voice.phrasebook import Phrasebook, read_phrasebook
from clapometer.voice.queries import Facts, Query, QueryOptions, make_queries


@dataclass(frozen=True)
class Wanted:
    """What was asked for on the command line."""

    table: Path
    output: Path
    options: QueryOptions
    labels: tuple[str, ...]
    low: float | None
    high: float | None
    bins: Path | None
    save_bins: Path | None
    phrases: Path | None
    features: str
    save_features: Path | None
    audio_root: Path | None
    workers: int | None
    cache: bool
    quiet: bool

    def note(self, message: str) -> None:
        """A line on standard error, unless the user wants quiet."""
        if not self.quiet:
            console.say(message)


@dataclass(frozen=True)
class Names:
    """The sounds of a table by the names that stand there."""

    names: list[str]
    root: Path
    """Where those that are relative begin."""

    def seen_from(self, folder: Path, number: int) -> str:
        """The name by which a table in this folder has sound `number`."""
        name = self.names[number]
        return name if os.path.isabs(name) else os.path.relpath(self.root / name, folder)  # noqa: PTH117 - often


@dataclass(frozen=True)
class Voices:
    """The measures of the rows of a table."""

    source: str
    columns: dict[str, Numbers]
    errors: list[str]
    """For each row why its clip was not read; empty where it was."""
    notes: list[str]
    """For each row what is missing or doubtful."""


def queries_table(wanted: Wanted, as_json: bool) -> int:
    """Make the queries of a table; returns how many clips could not be read.

    Raises:
        BadInput: the table, the phrases, the bins or an option cannot be used, or nothing can be said of any clip.
    """
    book = read_phrasebook(wanted.phrases, as_released=wanted.options.as_released)
    bins = None if wanted.bins is None else read_bins(wanted.bins)
    table = read_table(wanted.table, ("audio",))
    root = wanted.table.parent if wanted.audio_root is None else wanted.audio_root
    if not root.is_dir():
        raise BadOption(f"--audio-root {root}: no such folder")
    sounds = [resolve_audio_path(root, name) for name in table.texts("audio")]
    voices = _voices(wanted, table, root, sounds)
    known = known_of(table, voices.columns, book, wanted.labels)
    print_problems(table.where, voices.errors, "cannot be used")
    notes = ["; ".join(filter(None, both)) for both in zip(voices.notes, known.notes, strict=True)]
    print_problems(table.where, notes, "have less said of them")
    if bins is None:
        low = book.low if wanted.low is None else wanted.low
        high = book.high if wanted.high is None else wanted.high
        bins = bins_of(known.columns, low, high, voices.source)
    missing = [] if wanted.options.mode == "label" else without_bins(known, same_source(bins, voices.source))
    for sentence in missing:
        wanted.note(f"note: {sentence}")
    facts = [Facts() if error else clip for clip, error in zip(known.clips, voices.errors, strict=True)]
    names = Names(table.texts("audio"), root)
    found = make_queries(facts, bins, book, wanted.options)
    if not found:
        raise BadTable(f"{table.path}: {_why_nothing(wanted, book, table)}")
    if wanted.save_bins is not None:
        save_bins(bins, wanted.save_bins)
    if wanted.save_features is not None:
        _write_features(wanted.save_features, names, voices)
    figures = _figures(wanted, table, voices, notes, missing, bins, found)
    _write(wanted, names, found, figures)
    remove_store(partial_store(wanted.output))
    if as_json:
        console.print_json(figures)
    else:
        _print(figures)
    wanted.note(f"written: {wanted.output}, and how it came about: {wanted.output.with_suffix('.json')}")
    return figures["counts"]["unreadable"]  # type: ignore[no-any-return]


def _voices(wanted: Wanted, table: Table, root: Path, sounds: list[str]) -> Voices:
    problems = row_problems(table, sounds)
    nothing = [""] * len(sounds)
    if wanted.features not in ("own", "egemaps"):
        return Voices("table", table_measures(Path(wanted.features), table, root), problems, nothing)
    if wanted.options.mode == "label" and wanted.save_features is None and wanted.save_bins is None:
        return Voices(wanted.features, {}, problems, nothing)
    source = egemaps(console.say) if wanted.features == "egemaps" else OWN
    good = [number for number, problem in enumerate(problems) if not problem]
    store = open_store(wanted.output, cache=wanted.cache, log=console.say)
    with store or nullcontext():
        progress = partial(console.Progress, quiet=wanted.quiet)
        measured = extract(
            [sounds[number] for number in good], source, workers=wanted.workers, store=store, progress=progress
        )
    columns = {name: np.full(len(sounds), np.nan) for name in source.names}
    for name, values in columns_of(measured).items():
        columns[name][good] = values
    notes = list(nothing)
    for number, error, note in zip(good, measured.errors, measured.notes, strict=True):
        problems[number], notes[number] = error, note
    return Voices(source.name, columns, problems, notes)


def _why_nothing(wanted: Wanted, book: Phrasebook, table: Table) -> str:
    if wanted.options.mode == "label":
        return f"nothing can be said of {book.mode_label!r}: its columns are {', '.join(table.columns)}"
    return "nothing can be said of any clip; see the notes above"


def _figures(
    wanted: Wanted,
    table: Table,
    voices: Voices,
    notes: Sequence[str],
    missing: Sequence[str],
    bins: Bins,
    found: Sequence[Query],
) -> dict[str, Any]:
    """What is printed, and what the JSON file beside the output says."""
    used = Counter(
        (about, value, phrase)
        for query in found
        for phrase, (about, value) in zip(query.phrases, query.says, strict=True)
    )
    clips = {query.clip for query in found}
    return {
        "command": "queries",
        "version": __version__,
        "input": {"file": str(table.path), "sha256": file_hash(table.path)},
        "options": asdict(wanted.options),
        "features": voices.source,
        "phrases": {"file": str(wanted.phrases or "phrases.toml of the package")},
        "bins": {
            "file": str(wanted.bins or ""),
            "low": bins.low,
            "high": bins.high,
            "edges": {name: asdict(edges) for name, edges in bins.edges.items()},
        },
        "counts": {
            "rows": len(table.rows),
            "unreadable": sum(map(bool, voices.errors)),
            "with_notes": sum(map(bool, notes)),
            "with_queries": len(clips),
            "queries": len(found),
        },
        "notes": list(missing),
        "used": [
            {"about": about, "value": value, "phrase": phrase, "times": times}
            for (about, value, phrase), times in sorted(used.items())
        ],
    }


def _write(wanted: Wanted, names: Names, found: Sequence[Query], figures: dict[str, Any]) -> None:
    rows = (
        {
            "audio": names.seen_from(wanted.output.parent, query.clip),
            "text": query.text,
            "says": "; ".join(f"{about}={value}" for about, value in query.says),
        }
        for query in found
    )
    write_with_record(wanted.output, ("audio", "text", "says"), rows, figures, {"says": str})


def _write_features(path: Path, names: Names, voices: Voices) -> None:
    columns = ("audio", *voices.columns, "note")
    rows = (
        {"audio": names.seen_from(path.parent, number), "note": error or note}
        | {name: value for name, values in voices.columns.items() if np.isfinite(value := float(values[number]))}
        for number, (error, note) in enumerate(zip(voices.errors, voices.notes, strict=True))
    )
    form = format_of(path)
    # In text all digits, not the six of scores: read again, they are to fall into the same bins.
    types = dict.fromkeys(voices.columns, float) if form == "parquet" else {}
    with atomic_write(path) as file:
        write_rows(file, form, columns, list(rows), {**types, "note": str})


def _print(figures: dict[str, Any]) -> None:
    counts = figures["counts"]
    rows = [[one["about"], one["value"], one["phrase"], one["times"]] for one in figures["used"]]
    print_table(("about", "value", "phrase", "times"), rows, right=("times",), wrap=("phrase",))
    print()
    print(f"{counts['queries']} queries for {counts['with_queries']} of {counts['rows']} clips")
