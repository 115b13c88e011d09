"""`clapometer pretrain`: contrastive training on captions."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from clapometer.cli import console, training
from clapometer.cli.options import MINI, DeviceOption, JsonOption, QuietOption, WindowOption
from clapometer.errors import BadOption
from clapometer.labels import DEFAULT_TEMPLATE

Captions = Annotated[
    list[Path],
    typer.Argument(
        metavar="TABLE", help="Tables with the columns audio and text, and group where sounds belong together."
    ),
]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where model, log and state go.")]
Validation = Annotated[
    list[Path] | None,
    typer.Option(
        "--val",
        metavar="TABLE",
        help="Keep the state that is best on this table: by zero-shot accuracy (audio and label), or by R@1 from "
        "sounds to texts (audio and text). None of its sounds may be trained on. May be given several times.",
        show_default=False,
    ),
]
Template = Annotated[
    list[str] | None,
    typer.Option(
        "--template",
        metavar="TEXT",
        help=f"For the labels of --val; default: {DEFAULT_TEMPLATE!r}.",
        show_default=False,
    ),
]


def pretrain(
    captions: Captions,
    output: Output,
    val: Validation = None,
    template: Template = None,
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="The model to start from.")] = MINI,
    scratch: Annotated[
        bool, typer.Option("--scratch", help="Take the model's architecture and tokenizer with random weights.")
    ] = False,
    train: training.TrainOption = "",
    epochs: Annotated[
        float | None,
        typer.Option(help="How often each clip is heard; default: 20.", show_default=False),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Updates of the weights, in place of --epochs.")] = None,
    batch_size: Annotated[int, typer.Option(help="Pairs an update; each is held against all others.")] = 64,
    accumulate: training.AccumulateOption = 1,
    checkpointing: training.CheckpointingOption = False,
    learning_rate: Annotated[float, typer.Option(help="At the end of the warm-up.")] = 1e-4,
    rate: training.RateOption = None,
    warmup: Annotated[int, typer.Option(help="Updates over which the learning rate rises.")] = 100,
    weight_decay: training.WeightDecayOption = 0.01,
    window: WindowOption = "",
    seconds: Annotated[
        float | None,
        typer.Option(help="Length of the random stretches of sounds that are trained on; default: the window's."),
    ] = None,
    mix: Annotated[float, typer.Option(help="Share of sounds that are mixed with another, or followed by it.")] = 0.3,
    augment: Annotated[
        bool, typer.Option("--augment/--no-augment", help="Gain, mixing, and masks over time and frequency.")
    ] = True,
    validate_every: Annotated[int, typer.Option(help="Updates between validations.")] = 200,
    save_every: Annotated[int, typer.Option(help="Updates between states from which a stopped run goes on.")] = 200,
    seed: training.SeedOption = 0,
    precision: training.TrainPrecisionOption = "fp32",
    device: DeviceOption = "auto",
    workers: training.BatchWorkersOption = 2,
    audio_root: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where relative paths of the tables begin; default: their own folders."),
    ] = None,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Train a model on sounds with captions.

    Symmetric InfoNCE with a learned temperature. A clip may have several
    captions, a row each; texts that are true of a sound are never its
    negatives. A sound that is trained on is refused in --val, under any name;
    texts that are trained on are counted. What the folder gets: the model (the best by --val, or the last),
    last/, log.jsonl, run.json, state.pt. A run that was stopped goes on by the
    same command.

    Exit status: 0 trained, 2 bad input.
    """
    if epochs is not None and steps is not None:
        raise BadOption("--epochs and --steps say the same thing; give one of them")
    from clapometer.training.options import NO_AUGMENTATION, Augmentation, TrainOptions
    from clapometer.training.pretrain import pretrain as run
    from clapometer.training.run_folder import silent

    options = TrainOptions(
        steps=1 if steps is None else steps,
        batch_size=batch_size,
        accumulate=accumulate,
        learning_rate=learning_rate,
        rates=training.rates(rate),
        warmup=warmup,
        weight_decay=weight_decay,
        parts=training.parts(train),
        checkpointing=checkpointing,
        precision=precision,
        seed=seed,
        workers=workers,
        validate_every=validate_every,
        save_every=save_every,
    )
    trained = run(
        captions,
        output,
        model=model,
        scratch=scratch,
        validation=val or (),
        templates=tuple(template or (DEFAULT_TEMPLATE,)),
        audio_root=audio_root,
        window=window or None,
        seconds=seconds,
        options=options,
        epochs=None if steps is not None else 20 if epochs is None else epochs,
        augmentation=Augmentation(mix=mix) if augment else NO_AUGMENTATION,
        device=device,
        progress=partial(console.Progress, quiet=quiet),
        tell=silent if quiet else console.say,
    )
    if json:
        console.print_json(training.summary(trained))
    else:
        training.print_trained(trained)
