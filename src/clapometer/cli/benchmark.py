"""`clapometer benchmark`: a model on published tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from clapometer.cli import console
from clapometer.cli.options import (
    MINI,
    MINI_IS_SMALL,
    BatchOption,
    CacheOption,
    DeviceOption,
    InferenceOptions,
    JsonOption,
    ModelOption,
    PrecisionOption,
    QuietOption,
    WindowOption,
    WorkersOption,
    load_model,
)
from clapometer.embedding.store import open_store, partial_store, remove_store
from clapometer.errors import BadOption

if TYPE_CHECKING:
    from clapometer.benchmark.result import Result

Tasks = Annotated[list[str] | None, typer.Argument(metavar="[TASK]...", help="Names of tasks; see --list.")]
List = Annotated[bool, typer.Option("--list", help="Print the tasks with their numbers, metrics and sources.")]
Root = Annotated[
    Path | None,
    typer.Option("--root", metavar="DIR", help="The folder of the data set, or one with the folders of several."),
]
Setup = Annotated[
    Literal["zeroshot", "linear", "mlp", "finetune", "retrieval"] | None,
    typer.Option(
        "--setup",
        help="Zero-shot; a linear probe or an MLP head on frozen vectors; fine-tuning of the audio tower. Default: "
        "zero-shot, or retrieval for tasks of captions.",
        show_default=False,
    ),
]
Templates = Annotated[
    list[str] | None,
    typer.Option(
        "--template",
        metavar="TEXT",
        help="The text of a class, which goes where `{}` stands; several are averaged; `ensemble`: all of the task's. "
        "Default: the task's first.",
        show_default=False,
    ),
]
Folds = Annotated[
    list[str] | None,
    typer.Option("--fold", metavar="NAME", help="Test on this fold; may be given several times. Default: all."),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER",
        help="Write the record, the clips, the classes and the confusion picture of each task there.",
    ),
]
Rates = Annotated[str, typer.Option("--rates", metavar="LIST", help="Learning rates that fine-tuning tries.")]
Epochs = Annotated[int, typer.Option("--epochs", min=1, help="How often fine-tuning hears each clip, at most.")]
IncludeSeen = Annotated[
    bool,
    typer.Option(
        "--include-seen", help="Test clips that the model was trained on or selected by, too, and mark every metric."
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the MLP head and of fine-tuning.")]


def benchmark(
    tasks: Tasks = None,
    list_tasks: List = False,
    root: Root = None,
    setup: Setup = None,
    template: Templates = None,
    fold: Folds = None,
    output: Output = None,
    model: ModelOption = MINI,
    rates: Rates = "1e-4,3e-5",
    epochs: Epochs = 10,
    seed: Seed = 0,
    include_seen: IncludeSeen = False,
    batch_size: BatchOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "fp32",
    workers: WorkersOption = None,
    window: WindowOption = "",
    cache: CacheOption = True,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Measure a model on published tasks, from folders as they are published.

    Prints the task's metric with its 95 % interval, and what others have
    measured, with the source and with what differs. Supervised set-ups keep
    to the published folds and choose their settings on a validation part,
    never on what is tested. Clips that the model was trained on or selected by
    are left out and counted.

    Exit status: 0 all well, 1 some clips are missing or unreadable, 2 bad input.
    """
    if list_tasks:
        _list(json)
        return
    if not tasks:
        raise BadOption("name a task, such as esc50; --list shows all")
    if root is None:
        raise BadOption("--root DIR: name the folder of the data set, or one with the folders of several")
    from clapometer.benchmark.report import write_benchmark
    from clapometer.benchmark.run import benchmark as measure
    from clapometer.benchmark.run import question, warnings_of
    from clapometer.evaluation.folder import check_folder

    options = InferenceOptions(
        model=model, device=device, precision=precision, batch_size=batch_size, workers=workers, window=window
    )
    if output is not None:
        check_folder(output)
    tuning = _tuning(rates, epochs) if setup == "finetune" else None
    asked = [question(name, root, setup=setup, templates=template or (), folds=fold or ()) for name in tasks]
    clap = load_model(options)
    store = open_store(output, cache=cache, log=console.say)
    results = []
    for one in asked:
        found = measure(
            clap,
            one,
            model=model,
            window=clap.window_of(window),
            batch_size=batch_size,
            workers=workers,
            store=store,
            seed=seed,
            tuning=tuning,
            include_seen=include_seen,
            progress=console.progress(quiet),
        )
        results.append(found)
        if not json:
            _print(found)
        for warning in warnings_of(found, clap.card.name):
            console.say(f"note: {warning}")
        if output is not None:
            written = write_benchmark(found, output)
            console.note(f"wrote {', '.join(map(str, written))}", quiet=quiet)
    if store is not None:
        store.close()
    if output is not None:
        remove_store(partial_store(output))
    if json:
        console.print_json({"results": [{**found.record, "failed": found.failed} for found in results]})
    if clap.card.name == MINI:
        console.note(MINI_IS_SMALL, quiet=quiet)
    raise typer.Exit(1 if any(found.failed for found in results) else 0)


def _tuning(rates: str, epochs: int) -> Any:
    from clapometer.benchmark.end_to_end import Tuning

    try:
        return Tuning(rates=tuple(float(rate) for rate in rates.split(",")), epochs=epochs)
    except ValueError as error:
        raise BadOption(f"--rates {rates}: write them as 1e-4,3e-5 ({error})") from error


def _list(json: bool) -> None:
    from clapometer.benchmark.tasks import TASKS
    from clapometer.cli.console import print_table

    if json:
        about = ("name", "title", "domain", "metric", "protocol", "where", "licence")
        rows = [{name: getattr(task, name) for name in about} | {"counts": dict(task.counts)} for task in TASKS]
        for row, task in zip(rows, TASKS, strict=True):
            row["templates"] = [{"text": one.text, "source": one.source} for one in task.templates]
        console.print_json({"tasks": rows})
        return
    columns = ("task", "data", "domain", "clips", "classes", "folds", "metric", "from")
    lines = [
        (task.name, task.title, task.domain, task.counts.get("clips", task.counts.get("test", "")),
         task.counts.get("classes", ""), task.counts.get("folds", ""), task.metric, task.where)
        for task in TASKS
    ]  # fmt: skip
    print_table(columns, lines, right=("clips", "classes", "folds"), wrap=("data", "from"))


def _print(found: Result) -> None:
    from clapometer.benchmark.published_results import told
    from clapometer.benchmark.tasks.task import SETUP_NAMES
    from clapometer.cli.console import print_table
    from clapometer.seen import MARK

    record = found.record
    folds = f", fold {', '.join(record['tested']['folds'])}" if record["tested"]["folds"] else ""
    tested = len(found.answers.clips) if found.answers else record["tested"]["clips"] - len(found.failed)
    print(f"{found.task.title}, {SETUP_NAMES[found.setup]}, {record['model']['name']}: {tested} clips{folds}")
    mark = f" {MARK}" * record["includes_seen"]
    for name, figure in found.figures.estimates.items():
        print(f"  {name:<26}{told(figure)}{mark}")
    print(f"  {'drawn for the intervals':<26}{found.figures.drawn}")
    if len(found.figures.folds) > 1:
        folds = "  ".join(f"{name} {value:.4f}{mark}" for name, value in found.figures.folds.items())
        print(f"  {'by fold':<26}{folds}")
    if mark:
        print(f" {mark} includes clips that the model was trained on or selected by")
    templates = [one["text"] for one in record.get("prompts", {}).get("templates", [])]
    if templates:
        print(f"  {'prompts':<26}" + " | ".join(templates))
    if record["published"]:
        print()
        lines = [
            (one["model"], one["metric"] or found.figures.main, f"{one['value']:.4f}", one["evidence"], one["differs"],
             one["source"])
            for one in record["published"]
        ]  # fmt: skip
        columns = ("published", "metric", "value", "evidence", "what differs", "source")
        print_table(columns, lines, right=("value",), wrap=("what differs", "source"))
    print()
