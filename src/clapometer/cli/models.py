"""`clapometer models`: what can be loaded, what to know before quoting its numbers, and whether it is healthy."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clapometer.cli import console
from clapometer.errors import BadOption

if TYPE_CHECKING:
    from clapometer.models.diagnose import Examination
    from clapometer.types import ModelCard

CHECK = "check"
FIELD = 19
"""Width of the names of fields in a printed card."""
FAULTY = 1
"""Exit status where a checkpoint was found faulty."""

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME|check",
        help="A model, or the path of its file or folder: print its card. Or the word check.",
        show_default=False,
    ),
]


def models(
    name: Name = None,
    examined: Annotated[
        str | None, typer.Argument(metavar="NAME", help="After check: what to examine.", show_default=False)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """List the models that can be loaded, print the card of one, or examine one.

    A card says what a model is, what it hears, under which licence its weights are, and what it was measured to do.

    An examination says whether the scores of a checkpoint can be trusted: weights that are missing, left over or not
    finite, a text tower that answers every sentence alike, an audio tower that does not hear, filters of another model,
    fused weights that are called unfused. The exit status is 1 where it is faulty.
    """
    if examined is not None and name != CHECK:
        raise BadOption(f"give one model, not {name} and {examined}; or write `clapometer models check {examined}`")
    if name is None:
        _list(json)
    elif name != CHECK:
        _card(name, json)
    elif examined is None:
        raise BadOption("say which model to check: `clapometer models check NAME`, or the path of its file or folder")
    else:
        _check(examined, json)


def _list(json: bool) -> None:
    from clapometer.models.registry import DEFAULT_MODEL, list_models, where

    found = [(card, where(card.name)) for card in list_models()]
    facts = [{**asdict(card), "parameters": _parameters(card), "here": _is_here(path)} for card, path in found]
    if json:
        console.print_json({"default": DEFAULT_MODEL, "models": facts})
        return
    from clapometer.cli.console import print_table

    columns = ("name", "family", "size", "rate", "window", "here", "licence", "source")
    rows = [
        (
            card.name,
            card.family,
            _millions(_parameters(card)),
            f"{card.sample_rate / 1000:g} kHz",
            f"{card.window.seconds:g} s",
            "yes" if _is_here(path) else "no",
            card.licence,
            _repository(card),
        )
        for card, path in found
    ]
    print_table(columns, rows, right=("size", "rate", "window"), wrap=("licence", "source"))
    print("\nsize: parameters, in millions. here: whether the weights are on this machine; where they are not, the")
    print("first use downloads them from their source on huggingface.co. licence: of the weights.")
    print("`clapometer models NAME` prints a whole card, `clapometer models check NAME` examines the weights; NAME")
    print("may be the path of a file or folder.")
    print(f"Without --model, commands use {DEFAULT_MODEL}.")


def _card(name: str, json: bool) -> None:
    from clapometer.models.registry import find

    card, folder = find(name)
    text = _text(folder)
    if json:
        here = {"parameters": _parameters(card), "here": _is_here(folder), "folder": str(folder)}
        console.print_json({**asdict(card), **here, "card": text})
        return
    for field, value in _fields(card, folder).items():
        first, *others = textwrap.wrap(str(value), 90, break_on_hyphens=False) or [""]
        print(f"{field:<{FIELD}}{first}".rstrip(), *[f"{'':<{FIELD}}{line}" for line in others], sep="\n")
    if text:
        print(f"\n{text.rstrip()}")


def _fields(card: ModelCard, folder: Path) -> dict[str, Any]:
    parameters = _parameters(card)
    fields = {
        "name": card.name,
        "family": card.family,
        "summary": card.summary,
        **({"parameters": _millions(parameters)} if parameters else {}),
        "sample rate": f"{card.sample_rate} Hz",
        "window": card.window,
        "dimension": card.dimension,
        "licence (weights)": card.licence,
        "source": card.source,
        "on this machine": f"yes, {folder}" if _is_here(folder) else "no",
    }
    return {**fields, "differences": card.published} if card.published else fields


def _check(name: str, json: bool) -> None:
    from clapometer.models.diagnose import examine

    found = examine(name)
    if json:
        console.print_json({**asdict(found), "state": found.state, "verdict": found.verdict})
    else:
        _print_examination(found)
    if found.state == "faulty":
        raise typer.Exit(FAULTY)


def _print_examination(found: Examination) -> None:
    print(f"{found.model}: {found.kind or 'not recognised'}\n")
    for finding in found.findings:
        first, *others = textwrap.wrap(finding.words, 90, break_long_words=False, break_on_hyphens=False) or [""]
        print(f"{finding.state:<9} {finding.what:<12} {first}", *[f"{'':<23}{line}" for line in others], sep="\n")
    print("", *textwrap.wrap(found.verdict, 110), sep="\n")


def _parameters(card: ModelCard) -> int | None:
    """How many numbers a known model consists of; None where that is not known without loading it."""
    from clapometer.models.registry import FAMILIES, list_models

    known: dict[str, int] = getattr(FAMILIES.get(card.family), "PARAMETERS", {})
    return known.get(card.name) if card in list_models() else None  # a path may be called like a known model


def _repository(card: ModelCard) -> str:
    """Where the weights are published, in the fewest words: owner and name on huggingface.co."""
    return card.source.partition("huggingface.co/")[2].partition(",")[0] or "in the package"


def _millions(parameters: int | None) -> str:
    return "" if parameters is None else f"{parameters / 1e6:.1f} M"


def _is_here(path: Path | None) -> bool:
    return path is not None and path.exists()


def _text(folder: Path) -> str:
    """The model's own card in words, where its folder has one."""
    path = folder / "CARD.md"
    return path.read_text(encoding="utf-8") if path.is_file() else ""
