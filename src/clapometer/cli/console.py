"""What commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any


class _Line:
    """Whether the last line on standard error is one that is being rewritten, and has no end yet."""

    is_open = False


def say(message: str) -> None:
    """A line on standard error."""
    print(f"\n{message}" if _Line.is_open else message, file=sys.stderr, flush=True)
    _Line.is_open = False


def print_json(figures: Mapping[str, Any]) -> None:
    """One JSON object on standard output: the figures of a command, for programs."""
    print(json.dumps(figures, indent=2, ensure_ascii=False))


class Progress:
    """Rate and time left, on standard error: one line that is rewritten in a terminal, a line every 10 s in a log."""

    def __init__(self, what: str, total: int, *, quiet: bool = False) -> None:
        self.what = what
        self.total = total
        self.done = 0
        self._quiet = quiet or total == 0
        self._terminal = sys.stderr.isatty()
        self._started = time.monotonic()
        self._shown = self._started

    def __call__(self, count: int = 1) -> None:
        """Count finished items."""
        self.done += count
        now = time.monotonic()
        last = self.done >= self.total
        if self._quiet or (now - self._shown < (0.2 if self._terminal else 10.0) and not last):
            return
        self._shown = now
        rate = max(self.done, 1e-9) / max(now - self._started, 1e-9)
        line = f"{self.what} {self.done}/{self.total}  {rate:.1f}/s  {_clock((self.total - self.done) / rate)} left"
        if self._terminal:
            print(f"\r{line}\x1b[K", end="\n" if last else "", file=sys.stderr, flush=True)
            _Line.is_open = not last
        else:
            say(line)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
