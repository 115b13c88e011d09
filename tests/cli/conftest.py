"""What tests of commands share: a small model, and the command line in this process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from helpers.commands import Ended, Run

from clapometer import save
from clapometer.cli import main
from clapometer.models.families.mini import tiny


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model with random weights."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model") / "tiny"
    save(tiny(), folder)
    return folder


@pytest.fixture
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process; it begins with the test module's COMMAND."""

    def runner(*arguments: object) -> Ended:
        words = [*getattr(request.module, "COMMAND", ()), *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", ["clapometer", *words])
        with pytest.raises(SystemExit) as end:
            main()
        return Ended(int(end.value.code or 0), *capsys.readouterr())

    return runner
