"""The log of a training run: JSON lines, and TensorBoard where it is installed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from clapometer.tables import atomic_write


class Log:
    """`log.jsonl` in a folder: one object per line, with `step` and metrics.

    Args:
        folder: where.
        step: the step from which a run resumes; lines after it, of a run that was stopped later, are removed.
        writes: whether this process is the one that writes.
    """

    def __init__(self, folder: Path, step: int, *, writes: bool = True) -> None:
        self._file: TextIO | None = None
        self._board: Any = None
        if not writes:
            return
        path = folder / "log.jsonl"
        kept = [line for line in _lines(path) if line["step"] <= step] if step else []
        with atomic_write(path) as file:
            file.write("".join(json.dumps(line) + "\n" for line in kept).encode())
        self._file = path.open("a", buffering=1, encoding="utf-8")  # readers see whole lines
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, metrics: Mapping[str, float], seconds: float | None = None, *, note: str = "") -> None:
        """Add a line.

        Args:
            step: of the run.
            metrics: metrics by name; an undefined one (NaN) is null.
            seconds: how long the step took.
            note: what a reader must know of these metrics, such as that the state was selected by them.
        """
        known = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        line = {"step": step, **known, **({} if seconds is None else {"seconds": round(seconds, 4)})}
        if self._file is not None:
            self._file.write(json.dumps(line | ({"note": note} if note else {})) + "\n")
        if self._board is not None:
            for name, value in metrics.items():
                self._board.add_scalar(f"{name} ({note})" if note else name, value, step)

    def flush(self) -> None:
        """Let readers see everything."""
        if self._file is not None:
            self._file.flush()
        if self._board is not None:
            self._board.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        if self._board is not None:
            self._board.close()


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:  # the end of a file whose writer was killed
            break
    return found
