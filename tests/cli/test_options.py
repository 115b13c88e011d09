"""Options of a command from a dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import pytest
import typer
from typer.testing import CliRunner

from clapometer.cli.options import with_options
from clapometer.types import option


def factors(given: list[str]) -> dict[str, float]:
    return {name: float(value) for name, value in (one.split("=") for one in given)}


@dataclass(frozen=True)
class Options:
    seed: int = option(7, "Seed of all random numbers.")
    precision: Literal["fp32", "bf16"] = option("fp32", "Arithmetic.")
    cache: bool = option(True, "Whether to keep vectors.")
    resume: bool = option(False, "Whether to resume.")
    screen: tuple[str, ...] = option((), "Rules.")
    lr_scale: Mapping[str, float] = option({}, "Factors.", metavar="NAME=FACTOR", parse=factors)
    hidden: int = 3


def called(*arguments: str, group: object = Options, **more: object) -> Options:
    made: list[Options] = []

    @with_options(options=group, **more)
    def command(name: str, options: Options) -> None:
        """Do it."""
        made.append(options)

    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, ["x", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return made[0]


def help_of(group: object) -> str:
    @with_options(options=group)
    def command(options: Options) -> None:
        """Do it."""

    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output


def test_without_arguments_every_field_has_the_default_of_the_dataclass() -> None:
    assert called() == Options()


def test_a_changed_default_is_in_the_help_and_in_the_value() -> None:
    changed = replace(Options(), seed=41, cache=False)
    assert "41" in help_of(changed)
    assert "41" not in help_of(Options)
    assert called(group=changed) == changed


def test_arguments_become_fields() -> None:
    given = ("--seed", "3", "--no-cache", "--resume", "--screen", "near", "--screen", "rest", "--lr-scale", "a=0.1")
    assert called(*given, "--precision", "bf16") == Options(3, "bf16", False, True, ("near", "rest"), {"a": 0.1})


def test_what_is_left_out_is_no_option() -> None:
    assert called(leave_out=("seed",)).seed == 7
    with pytest.raises(AssertionError, match="No such option"):
        called("--seed", "3", leave_out=("seed",))


def test_a_field_without_help_is_no_option() -> None:
    with pytest.raises(AssertionError, match="No such option"):
        called("--hidden", "3")
