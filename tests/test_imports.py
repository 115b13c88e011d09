"""The direction of dependence: a room imports only rooms to its left."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

import clapometer

SOURCE = Path(clapometer.__file__).parent

# From left to right; rooms that stand together do not know each other.
ROOMS = (
    ("errors",),
    ("records", "text"),
    ("tables", "stats", "labels", "threads", "integrity", "hub", "folders"),
    ("seen",),
    ("calibration", "panel"),
    ("evaluation",),
    ("audio",),
    ("frontend", "nets", "weights", "losses", "tokens", "published"),
    ("model",),
    ("families", "engines"),
    ("checkpoints",),
    ("provenance", "cache", "doctor"),
    ("embed", "voice"),
    ("score", "tasks"),
    ("zeroshot", "search", "metrics"),
    ("train",),
    ("benchmark",),
    ("report", "listen"),
    ("cli",),
    ("__main__",),
)
POSITION = {room: number for number, rooms in enumerate(ROOMS) for room in rooms}
ONLY = {"losses": {"errors"}, "nets": set[str](), "stats": {"errors", "records"}}
"""Rooms that see even less than what stands to their left."""
WITHOUT_TORCH = (
    "errors",
    "records",
    "text",
    "seen",
    "tables",
    "stats",
    "labels",
    "folders",
    "tasks",
    "calibration",
    "evaluation",
    "panel",
    "voice",
    "listen",
    "report",
    "cli",
)
BRINGS_TORCH = {"torch", "transformers", "torchmetrics"}


def module_name(path: Path) -> str:
    parts = ("clapometer", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(SOURCE.rglob("*.py"))}


def room(module: str) -> str:
    """`clapometer.cli.score` is in the room `cli`; the package itself is in none."""
    return module.split(".")[1] if "." in module else ""


def imports(path: Path, *, at_start: bool) -> Iterator[tuple[int, str]]:
    """Line and name of what a file imports; `at_start` leaves out what waits in functions or is for type checkers."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            # The public names are only named for type checkers in `__init__`, and found by `_HOMES`.
            if not at_start and path != SOURCE / "__init__.py":
                waiting += node.body
            waiting += node.orelse
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: write imports out from `clapometer`"
            assert node.module
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield node.lineno, inner if inner in MODULES else node.module
        elif not (at_start and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))):
            waiting += ast.iter_child_nodes(node)


@cache
def brings_torch(module: str) -> str:
    """The chain of imports by which loading a module loads torch; empty where it does not."""
    seen: dict[str, str] = {module: module}
    waiting = [module]
    while waiting:
        current = waiting.pop()
        for _, name in imports(MODULES[current], at_start=True):
            if name.split(".")[0] in BRINGS_TORCH or name == "safetensors.torch":
                return f"{seen[current]} -> {name}"
            parts = name.split(".")
            for loaded in (".".join(parts[:end]) for end in range(1, len(parts) + 1)):  # packages load before modules
                if loaded in MODULES and loaded not in seen:
                    seen[loaded] = f"{seen[current]} -> {loaded}"
                    waiting.append(loaded)
    return ""


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_its_place_and_imports_only_from_the_left(module: str) -> None:
    own = room(module)
    assert own in POSITION or module == "clapometer", (
        f"{module} stands in no room: place {own!r} in ROOMS of {Path(__file__).name}, as far left as its imports allow"
    )
    for line, name in imports(MODULES[module], at_start=False):
        other = room(name)
        if name.split(".")[0] != "clapometer" or other in ("", own):
            continue
        assert module != "clapometer", f"line {line}: `import clapometer` must stay free; find names in _HOMES"
        assert other in POSITION, f"{module}:{line} imports {name}, whose room has no place in ROOMS"
        assert POSITION[other] < POSITION[own], f"{module}:{line} imports {name}, which is not to its left"
        assert other in ONLY.get(own, {other}), f"{module}:{line} imports {name}; {own} may see only {ONLY[own]}"


@pytest.mark.parametrize("module", [module for module in MODULES if room(module) in ("", *WITHOUT_TORCH)])
def test_these_modules_do_not_load_torch(module: str) -> None:
    assert brings_torch(module) == ""


def test_the_table_holds_no_room_twice() -> None:
    assert len(POSITION) == sum(map(len, ROOMS))
    assert {*ONLY, *WITHOUT_TORCH} <= POSITION.keys()


@pytest.mark.parametrize("module", ["clapometer", "clapometer.tables", "clapometer.stats", "clapometer.cli"])
def test_torch_is_not_loaded_in_a_fresh_interpreter(module: str) -> None:
    if find_spec(module) is None:
        pytest.skip(f"{module} does not exist yet")
    program = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_help_is_quick_and_does_not_load_torch() -> None:
    program = (
        "import sys, clapometer.cli as cli\n"
        "sys.argv = ['clapometer', '--help']\n"
        "try: cli.main()\n"
        "finally: assert 'torch' not in sys.modules\n"
    )
    seconds = []
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0
        seconds.append(usage.ru_utime + usage.ru_stime)
    assert min(seconds) < 0.5, f"clapometer --help took {min(seconds):.2f} s of CPU time"
