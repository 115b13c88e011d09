"""`clapometer models`: what can be loaded, and what a user must know before quoting its numbers."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clapometer.cli import console

if TYPE_CHECKING:
    from clapometer.records import ModelCard

Name = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="A model or its folder: print its whole card.", show_default=False),
]


def models(
    name: Name = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """List the models that can be loaded, or print the card of one.

    A card says what a model is, what it hears, under which licence its weights are, and what it was measured to do.
    """
    if name is None:
        _list(json)
    else:
        _card(name, json)


def _list(json: bool) -> None:
    from clapometer.checkpoints import DEFAULT_MODEL, find, list_models

    found = [(card, _is_here(find(card.name)[1])) for card in list_models()]
    if json:
        facts = [{**asdict(card), "here": here} for card, here in found]
        console.print_json({"default": DEFAULT_MODEL, "models": facts})
        return
    from clapometer.cli.layout import print_table

    columns = ("name", "family", "rate", "window", "dimension", "licence", "here", "summary")
    rows = [
        (
            card.name,
            card.family,
            f"{card.sample_rate} Hz",
            f"{card.window.seconds:g} s",
            card.dimension,
            card.licence,
            "yes" if here else "no",
            card.summary,
        )
        for card, here in found
    ]
    print_table(columns, rows, right=("rate", "window", "dimension"), wrap=("summary",))
    print("\nhere: whether the weights are on this machine. `clapometer models NAME` prints a whole card.")
    print(f"Without --model, commands use {DEFAULT_MODEL}.")


def _card(name: str, json: bool) -> None:
    from clapometer.checkpoints import find

    card, folder = find(name)
    text = _text(folder)
    if json:
        figures = {**asdict(card), "here": _is_here(folder), "folder": str(folder), "card": text}
        console.print_json(figures)
        return
    for field, value in _fields(card, folder).items():
        first, *others = textwrap.wrap(str(value), 90) or [""]
        print(f"{field:<16}{first}".rstrip(), *[f"{'':<16}{line}" for line in others], sep="\n")
    if text:
        print(f"\n{text.rstrip()}")


def _fields(card: ModelCard, folder: Path) -> dict[str, Any]:
    fields = {
        "name": card.name,
        "family": card.family,
        "summary": card.summary,
        "sample rate": f"{card.sample_rate} Hz",
        "window": card.window,
        "dimension": card.dimension,
        "licence": f"{card.licence} (weights)",
        "source": card.source,
        "on this machine": f"yes, {folder}" if _is_here(folder) else "no",
    }
    return {**fields, "differences": card.published} if card.published else fields


def _is_here(folder: Path) -> bool:
    return (folder / "model.safetensors").is_file()


def _text(folder: Path) -> str:
    """The model's own card in words, where its folder has one."""
    path = folder / "CARD.md"
    return path.read_text(encoding="utf-8") if path.is_file() else ""
