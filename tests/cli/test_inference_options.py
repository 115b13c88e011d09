"""The options by which commands load a model and embed with it."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from clapometer.cli.options import CacheOption, DeviceOption, InferenceOptions, with_options
from clapometer.errors import BadOption


def called(*arguments: str) -> InferenceOptions:
    made: list[InferenceOptions] = []

    @with_options(options=InferenceOptions)
    def command(options: InferenceOptions) -> None:
        made.append(options)

    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return made[0]


def test_options_of_inference_are_one_per_field_with_its_default() -> None:
    assert called() == InferenceOptions()
    given = called("--window", "hop=5", "--batch-size", "4", "--model", "laion", "--no-cache")
    assert given == InferenceOptions(window="hop=5", batch_size=4, model="laion", cache=False)
    with pytest.raises(BadOption, match="hop"):
        called("--window", "hop=x")


def test_an_option_alone_is_that_of_the_dataclass() -> None:
    made: list[object] = []

    def command(device: DeviceOption = "auto", cache: CacheOption = True) -> None:
        made.append((device, cache))

    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, ["--device", "cpu", "--no-cache"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert made == [("cpu", False)]
    help_text = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "250", "TERM": "dumb"}).output
    assert InferenceOptions.__dataclass_fields__["device"].metadata["help"] in help_text
