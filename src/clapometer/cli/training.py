"""The options that `pretrain` and `finetune` share, and what they print."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from clapometer.errors import BadOption

if TYPE_CHECKING:
    from clapometer.training.loop import Trained

RateOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rate",
        metavar="NAME=FACTOR",
        help="Factor of the learning rate for weights whose names begin so, such as audio.blocks=0.1; 0 freezes.",
        show_default=False,
    ),
]
TrainOption = Annotated[
    str, typer.Option("--train", metavar="PARTS", help="Parts that learn, such as audio,projection; default: all.")
]
AccumulateOption = Annotated[
    int,
    typer.Option(
        "--accumulate", help="Parts in which a batch goes through the networks: less memory, the same update."
    ),
]
CheckpointingOption = Annotated[
    bool,
    typer.Option("--checkpointing", help="Compute blocks of the networks anew for gradients: less memory, slower."),
]
WeightDecayOption = Annotated[float, typer.Option("--weight-decay", help="AdamW's.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Of everything random.")]
TrainPrecisionOption = Annotated[
    Literal["fp32", "bf16"], typer.Option("--precision", help="Arithmetic of the networks.")
]
BatchWorkersOption = Annotated[int, typer.Option("--workers", help="Threads that make batches ahead.")]


def rates(given: list[str] | None) -> dict[str, float]:
    """`--rate` as `TrainOptions.rates`.

    Raises:
        BadOption: one is not `NAME=FACTOR`.
    """
    return dict(_factor(one) for one in given or ())


def parts(given: str) -> tuple[str, ...]:
    """`--train` as `TrainOptions.parts`."""
    return tuple(name.strip() for name in given.split(",") if name.strip())


def summary(trained: Trained) -> dict[str, Any]:
    """What `--json` prints of a run; an undefined metric is null."""
    from clapometer.training.run_folder import SELECTED_ON

    metrics = {name: value if math.isfinite(value) else None for name, value in trained.figures.items()}
    return {
        "model": str(trained.folder),
        "steps": trained.steps,
        "resumed_from": trained.resumed_from,
        "loss": trained.loss,
        "best_step": trained.best_step,
        "is_the_start": trained.is_start,
        **({"validation": {**metrics, "note": SELECTED_ON}} if metrics else {}),
    }


def print_trained(trained: Trained) -> None:
    """What is printed of a run for people."""
    from clapometer.training.run_folder import SELECTED_ON

    metrics = "  ".join(f"{name} {value:.4f}" for name, value in trained.figures.items())
    validation = f"  validation: {metrics} ({SELECTED_ON})" if metrics else ""
    print(f"{trained.steps} steps  loss {trained.loss:.4f}")
    if trained.is_start:
        why = "no step had a higher validation metric"
        if math.isnan(next(iter(trained.figures.values()))):
            why = "the validation metric is undefined at every step, so that no state can be selected"
        print(f"{trained.folder}: this is the model you started from; {why}{validation}")
        return
    print(f"{trained.folder}: the model of step {trained.best_step}{validation}; use it with --model {trained.folder}")


def _factor(given: str) -> tuple[str, float]:
    name, _, value = given.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise BadOption(f"--rate {given}: write it as NAME=FACTOR, such as audio.blocks=0.1") from None
