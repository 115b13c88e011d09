"""What commands print beside their results."""

from __future__ import annotations

import io
import sys

import pytest

from clapometer.cli import console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    count = console.Progress("sounds", 3)
    for _ in range(3):
        count(1)
    console.Progress("nothing", 0)
    err = capsys.readouterr().err
    assert err.startswith("sounds 3/3  ")
    assert err.endswith("0:00 left\n")
    assert err.count("\n") == 1


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    console.Progress("sounds", 1, quiet=True)(1)
    assert capsys.readouterr().err == ""


def test_a_message_does_not_stand_in_the_line_of_the_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    count = console.Progress("sounds", 3)
    count._shown -= 1
    count(1)
    console.say("stopped")
    console.say("for good")
    assert screen.getvalue().split("\x1b[K")[1] == "\nstopped\nfor good\n"
