"""Run commands under watch, and count what was tried and what failed."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOST_MEMORY = 2 * 2**30
TIMEOUT = 300.0
KILLED = -signal.SIGKILL
STATUSES = (0, 1, 2, 130)
COMMAND = (sys.executable, "-m", "clapometer")


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str
    memory: int
    """Peak resident set, bytes."""
    seconds: float

    def problem(self, *, statuses: Sequence[int] = STATUSES) -> str:
        """What is wrong with how a process ended; empty where nothing is."""
        if self.seconds >= TIMEOUT:
            return f"hangs ({self.seconds:.0f} s)"
        if "Traceback (most recent call last)" in self.err:
            return f"traceback: {self.err.strip().splitlines()[-1][:200]}"
        if self.status not in statuses:
            return f"exit status {self.status}: {self.err.strip()[-200:]}"
        if self.memory > MOST_MEMORY:
            return f"{self.memory / 2**30:.1f} GB of memory"
        return ""


@dataclass
class Tally:
    """Counts by kind; a failure is printed at once."""

    tried: dict[str, int] = field(default_factory=dict)
    failed: dict[str, list[str]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    most_memory: int = 0

    def count(self, kind: str, problem: str = "") -> None:
        self.tried[kind] = self.tried.get(kind, 0) + 1
        if problem:
            self.failed.setdefault(kind, []).append(problem)
            print(f"FAILED {kind}: {problem}", flush=True)

    def skip(self, kind: str, why: str) -> None:
        self.skipped[kind] = why
        print(f"skipped {kind}: {why}", flush=True)

    def ended(self, kind: str, ended: Ended, about: str = "", **more: Any) -> bool:
        """Count a run; whether it ended as it may."""
        self.most_memory = max(self.most_memory, ended.memory)
        problem = ended.problem(**more)
        self.count(kind, problem and f"{about}: {problem}")
        return not problem

    def table(self) -> str:
        lines = ["| kind | tried | failed |", "| --- | --- | --- |"]
        lines += [f"| {kind} | {tried} | {len(self.failed.get(kind, []))} |" for kind, tried in self.tried.items()]
        lines += [f"| {kind} | skipped | {why} |" for kind, why in self.skipped.items()]
        return "\n".join(lines)

    def write(self, path: Path, seed: int, seconds: float) -> None:
        found = {"seed": seed, "seconds": round(seconds), "most_memory_mb": self.most_memory // 2**20,
                 "tried": self.tried, "failed": self.failed, "skipped": self.skipped}  # fmt: skip
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def run(
    *words: object,
    cache: Path,
    folder: Path | None = None,
    kill_after: float | None = None,
    most_bytes: int | None = None,
    environment: dict[str, str] | None = None,
) -> Ended:
    """Run a command of clapometer.

    Args:
        words: of the command.
        cache: its folder of stored vectors.
        folder: where it runs.
        kill_after: seconds after which it is killed.
        most_bytes: largest file that it may write.
        environment: more variables.
    """
    variables = {**os.environ, "CLAPOMETER_CACHE": str(cache), "OMP_NUM_THREADS": "1", **(environment or {})}

    def limit() -> None:
        if most_bytes is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    begun = time.monotonic()
    with subprocess.Popen(
        [*COMMAND, *map(str, words)], cwd=folder, env=variables, text=True, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=limit,
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate(timeout=TIMEOUT if kill_after is None else kill_after)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
        seconds = time.monotonic() - begun
    # Of all children that have ended: the largest so far, which suffices for a bound.
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Ended(process.returncode, out, err, memory, seconds if kill_after is None else 0.0)


def both(work: Callable[[int], None], count: int) -> None:
    """Do work for 0, 1, ..., two at a time."""
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work, number) for number in range(count)]:
            done.result()


def generator(seed: int, *about: object) -> random.Random:
    return random.Random(f"{seed} {about}")
