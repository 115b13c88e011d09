"""The options by which a command loads a model and embeds with it: checked early, used late.

Imports that cost time stand in functions, here and in the commands, so that `--help` is there at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clapometer.cli import console
from clapometer.errors import BadOption
from clapometer.types import TORCH, EngineName, Window

if TYPE_CHECKING:
    from clapometer.calibration import Calibration
    from clapometer.embedding.pipeline import Progress
    from clapometer.embedding.store import VectorStore
    from clapometer.models.clap import Clap

MINI = "mini"
MINI_IS_SMALL = (
    "mini is a small model. For figures that will be published use a published checkpoint, such as --model laion or "
    "--model human-clap (`clapometer models` lists them)"
)

Precision = Literal["fp32", "bf16", "fp16"]
ModelOption = Annotated[str, typer.Option("--model", metavar="NAME", help="A known model, or the folder of one.")]
BatchOption = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        min=1,
        help="Windows or texts a forward pass; default: 1 on a CPU, where more costs memory and time, 32 on a GPU.",
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help="cpu, cuda, mps, or auto: an accelerator if there is one.")]
PrecisionOption = Annotated[Precision, typer.Option("--precision", help="Arithmetic of the networks.")]
EngineOption = Annotated[
    EngineName,
    typer.Option(
        "--engine",
        help="What runs the networks. On a CPU onednn is quicker than torch, and openvino quicker still (pip install "
        "'clapometer[openvino]'); openvino-int8 rounds to eight bits, and its scores are a little off.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Threads that decode and embed; default: one a processor, 16 at most."),
]
WindowOption = Annotated[
    str,
    typer.Option(
        "--window",
        metavar="CHANGES",
        help="Treatment of long and short clips, such as `hop=5`, `head` or `seconds=10,short=repeat`; default: the "
        "model's own.",
        show_default=False,
    ),
]
CacheOption = Annotated[
    bool,
    typer.Option(
        "--cache/--no-cache",
        help="Keep vectors in $CLAPOMETER_CACHE, or ~/.cache/clapometer, and take them from there.",
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]


@dataclass(frozen=True)
class Engine:
    """How to embed, as asked for on a command line.

    Raises:
        BadOption: the window is not understood; the engine is not installed, or does not go with the device or the
            precision.
    """

    model: str
    device: str
    precision: Precision
    batch_size: int | None
    workers: int | None
    window: str
    cache: bool
    quiet: bool
    engine: EngineName = TORCH

    def __post_init__(self) -> None:
        from clapometer.models.backends import check_engine

        check_engine(self.engine)
        if self.engine != TORCH and (self.device not in ("auto", "cpu") or self.precision != "fp32"):
            raise BadOption(f"--engine {self.engine} is for --device cpu and --precision fp32; leave the others out")
        if self.window:  # the model's own is not known yet
            Window.check(self.window)

    def load(self) -> Clap:
        """The model. Torch gets one thread: the workers are the threads, and a number does not depend on how many."""
        import torch

        from clapometer.models.registry import load

        torch.set_num_threads(1)
        return load(self.model, device=self.device, precision=self.precision, engine=self.engine)

    def window_of(self, clap: Clap) -> Window:
        """Treatment of short and long clips."""
        return clap.window_of(self.window)

    def calibration(self, clap: Clap) -> Calibration | None:
        """The map from cosines to ratings that stands beside the model, if it is of these weights."""
        from clapometer.calibration import FILE, read_calibration
        from clapometer.models.weights.safetensors import weights_hash

        if clap.origin is None:
            return None
        folder = clap.origin.folder
        found = read_calibration(folder)
        if found is not None and found.weights != weights_hash(clap):
            self.note(f"note: {folder / FILE} was fitted to other weights than the model's; there are no ratings")
            return None
        if found is not None and found.window != str(self.window_of(clap)):
            self.note(
                f"note: {folder / FILE} was fitted to scores of the window {found.window}, not {self.window_of(clap)}"
            )
        return found

    def store(self, output: Path | None) -> VectorStore | None:
        """Where vectors are kept: the cache, or else a journal beside the output."""
        from clapometer.embedding.store import open_store

        return open_store(output, cache=self.cache, log=console.say)

    @property
    def progress(self) -> Progress:
        """A line on standard error that shows how far the work is."""
        return partial(console.Progress, quiet=self.quiet)

    def note(self, message: str) -> None:
        """A line on standard error, unless the user wants quiet."""
        if not self.quiet:
            console.say(message)
