"""`clapometer finetune`: Human-CLAP on any model and any ratings."""

from __future__ import annotations

import math
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from clapometer.cli import console, training
from clapometer.cli.options import DeviceOption, JsonOption, QuietOption, WindowOption
from clapometer.errors import BadOption
from clapometer.types import parse_range

if TYPE_CHECKING:
    from clapometer.training.finetune import Finetuned, Reminder

Columns = Annotated[str, typer.Option("--columns", metavar="ROLES", help="Which column is which.")]
Scale = Annotated[str, typer.Option("--scale", metavar="LOW,HIGH", help="Lowest and highest possible rating.")]
Screen = Annotated[list[str] | None, typer.Option("--screen", metavar="RULE", help="Keep what a rule keeps.")]
Given = Annotated[
    Path | None,
    typer.Argument(metavar="RATINGS", help="A table with one rating a row (.csv, .tsv, ...).", show_default=False),
]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where model, card, log and state go.")]
Model = Annotated[str, typer.Option("--model", metavar="NAME", help="The model to start from: a known one, or a path.")]
Loss = Annotated[
    str,
    typer.Option("--loss", metavar="SUM", help="Of wsce, mae, mse, listnet, margin and infonce, such as wsce+2*mae."),
]
Targets = Annotated[
    Literal["mean", "standardised", "listener", "listener-standardised"],
    typer.Option(
        "--targets",
        help="What a pair's score is brought to: the mean of its ratings; the mean after each listener's own mean and "
        "spread were taken out; or each time what one of its listeners said, as it is or standardised.",
    ),
]
AudioRoot = Annotated[
    Path | None,
    typer.Option("--audio-root", metavar="FOLDER", help="Where the sounds are; default: the folder of RATINGS."),
]
Share = Annotated[
    float,
    typer.Option("--validation", help="Share of the pairs for the validation split, where RATINGS has none."),
]
TestShare = Annotated[
    float,
    typer.Option(
        "--test",
        help="Share of the pairs for the test split, where RATINGS has neither validation nor test; none is created "
        "of fewer than 20 pairs.",
    ),
]
Captions = Annotated[
    list[Path] | None,
    typer.Option(
        "--captions",
        metavar="TABLE",
        help="Captions (audio and text) heard beside the ratings, so that the model keeps what it knew; may be given "
        "several times.",
        show_default=False,
    ),
]
Average = Annotated[
    float,
    typer.Option(
        help="Share of the weights that the model began with in what is validated and written: it keeps more of what "
        "it knew."
    ),
]
Repeat = Annotated[
    Path | None,
    typer.Option(
        "--repeat",
        metavar="FILE",
        help="Do again what this run.json says; no other options but -o, --device, --quiet and --json.",
        show_default=False,
    ),
]


def finetune(
    context: typer.Context,
    output: Output,
    ratings: Given = None,
    model: Model = "",
    loss: Loss = "wsce+mae",
    targets: Targets = "mean",
    columns: Columns = "",
    scale: Scale = "",
    screen: Screen = None,
    audio_root: AudioRoot = None,
    validation: Share = 0.1,
    test: TestShare = 0.2,
    captions: Captions = None,
    captions_root: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder of their sounds.")] = None,
    captions_share: Annotated[float, typer.Option(help="Captions a batch, as a share of the rated pairs.")] = 0.5,
    captions_weight: Annotated[float, typer.Option(help="Weight of their InfoNCE in the loss.")] = 1.0,
    average: Average = 0.0,
    train: training.TrainOption = "",
    epochs: Annotated[
        float | None,
        typer.Option(
            help="How often each pair is heard, with a validation after each; default: 20.", show_default=False
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Updates of the weights, in place of --epochs.")] = None,
    validate_every: Annotated[int, typer.Option(help="Updates between validations, with --steps.")] = 100,
    patience: Annotated[int, typer.Option(help="Validations without gain after which it ends; 0: never.")] = 5,
    batch_size: Annotated[int, typer.Option(help="Rated pairs an update.")] = 32,
    accumulate: training.AccumulateOption = 1,
    checkpointing: training.CheckpointingOption = False,
    learning_rate: Annotated[float, typer.Option(help="At the end of the warm-up.")] = 3e-5,
    rate: training.RateOption = None,
    warmup: Annotated[int, typer.Option(help="Updates over which the learning rate rises.")] = 50,
    weight_decay: training.WeightDecayOption = 0.01,
    fixed_temperature: Annotated[
        bool, typer.Option("--fixed-temperature", help="The temperature of wsce does not learn.")
    ] = False,
    learn_statistics: Annotated[
        bool, typer.Option("--learn-statistics", help="Batch norms learn new statistics; better with large batches.")
    ] = False,
    window: WindowOption = "",
    augment: Annotated[bool, typer.Option("--augment", help="Gain, and masks over time and frequency.")] = False,
    seed: training.SeedOption = 0,
    precision: training.TrainPrecisionOption = "fp32",
    device: DeviceOption = "auto",
    workers: training.BatchWorkersOption = 2,
    repeat: Repeat = None,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Fine-tune a model on listeners' ratings, so that its score agrees with people.

    Human-CLAP (arXiv 2506.23553): the loss is a sum of a contrastive one that
    is weighted by the ratings and the error of the score. Splits of the table
    are used where it has them; else a validation and a test split are created
    that share no audio and no text with training (FOLDER/ratings.csv has them).
    FOLDER gets the best state by SRCC on validation, a model card with the
    agreement before and after on the test, seen.csv (what it has learned from,
    which `clapometer evaluate` leaves out), and a calibration, with which
    `clapometer score --model FOLDER` writes a column `rating`. A run that was
    stopped resumes by the same command; `torchrun -m clapometer finetune ...`
    uses several GPUs.

    Exit status: 0 trained, 2 bad input.
    """
    from clapometer.training import finetune as room
    from clapometer.training.options import Augmentation, TrainOptions
    from clapometer.training.run_folder import silent

    shown: dict[str, Any] = {"device": device, "progress": partial(console.Progress, quiet=quiet)}
    shown["tell"] = silent if quiet else console.say
    if repeat is not None:
        _only_repeat(context)
        _print(room.repeat(repeat, output, **shown), as_json=json)
        return
    if ratings is None or not model:
        raise BadOption("give RATINGS and the --model to start from, such as laion; or --repeat a run.json")
    if epochs is not None and steps is not None:
        raise BadOption("--epochs and --steps say the same thing; give one of them")
    options = TrainOptions(
        steps=1 if steps is None else steps,
        batch_size=batch_size,
        accumulate=accumulate,
        learning_rate=learning_rate,
        warmup=warmup,
        rates=training.rates(rate),
        weight_decay=weight_decay,
        parts=training.parts(train),
        learn_temperature=not fixed_temperature,
        keep_statistics=not learn_statistics,
        precision=precision,
        checkpointing=checkpointing,
        average=average,
        patience=patience,
        seed=seed,
        workers=workers,
        validate_every=validate_every,
        save_every=validate_every,
    )
    reminder: Reminder | None = None
    if captions:
        root = None if captions_root is None else str(captions_root)
        reminder = room.Reminder(tuple(map(str, captions)), root, captions_share, captions_weight)
    done = room.finetune(
        ratings,
        output,
        model=model,
        loss=loss,
        targets=targets,
        screen=screen or (),
        columns=_columns(columns),
        scale=parse_range(scale) if scale else None,
        audio_root=audio_root,
        validation_share=validation,
        test_share=test,
        reminder=reminder,
        window=window or None,
        options=options,
        epochs=None if steps is not None else room.EPOCHS if epochs is None else epochs,
        augmentation=Augmentation(mix=0.0) if augment else None,
        **shown,
    )
    _print(done, as_json=json)


def _only_repeat(context: typer.Context) -> None:
    """Raise where something else is asked for beside `--repeat`."""
    alone = ("output", "repeat", "device", "quiet", "json")
    more = [name for name in context.params if name not in alone]
    sources = {name: context.get_parameter_source(name) for name in more}
    given = [name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"]
    if given:
        raise BadOption(f"--repeat does what its file says; leave out {', '.join(given)}")


def _columns(text: str) -> dict[str, str] | None:
    from clapometer.ratings.options import parse_columns

    return dict(parse_columns(text)) if text else None


def _print(done: Finetuned, *, as_json: bool) -> None:
    from clapometer.training.distributed import processes
    from clapometer.training.run_folder import SELECTED_ON

    if not processes().is_first:
        return
    found = done.outcome
    if as_json:
        rows = {name: found.evaluation.row(name) for name in ("before", "after")}
        figures = {
            name: {
                metric: value if math.isfinite(value := getattr(row, metric).value) else None
                for metric in ("srcc", "lcc", "ktau", "mse")
            }
            for name, row in rows.items()
        }
        selected = {} if found.on == "test" else {"note": SELECTED_ON}
        console.print_json({**training.summary(done.trained), "measured_on": found.on, **selected, **figures})
        return
    training.print_trained(done.trained)
    for sentence in () if done.trained.is_start else found.verdicts:
        print(f"on the {found.on} split: {sentence}")
    if found.calibration is None:
        console.say(f"no calibration, so `clapometer score` will write no column `rating`: {found.no_calibration}")
    if found.not_exported:
        console.say(f"note: {found.not_exported}")
    sys.stdout.flush()
