"""`clapometer classify`: which of some labels fits each sound best."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clapometer.cli.engine import (
    MINI,
    BatchOption,
    CacheOption,
    DeviceOption,
    Engine,
    EngineOption,
    JsonOption,
    ModelOption,
    PrecisionOption,
    QuietOption,
    WindowOption,
    WorkersOption,
)
from clapometer.cli.what import TABLE_ENDINGS, What, read_what
from clapometer.errors import BadOption, BadTable
from clapometer.labels import DEFAULT_TEMPLATE, checked_templates, read_labels, true_labels
from clapometer.tables import check_output
from clapometer.types import TORCH

Given = Annotated[
    list[str],
    typer.Argument(
        metavar="WHAT",
        help=f"Sound files, folders of them, or one table ({', '.join(TABLE_ENDINGS)}) with a column `audio`.",
    ),
]
Labels = Annotated[
    str, typer.Option("--labels", metavar="FILE | LIST", help="A file with one label a line, or a list: `rain,dog`.")
]
Templates = Annotated[
    list[str] | None,
    typer.Option(
        "--template",
        metavar="TEXT",
        help=f"The text of a label, which goes where `{{}}` stands; may be given several times, and is averaged; "
        f"default: `{DEFAULT_TEMPLATE}`.",
        show_default=False,
    ),
]
TopK = Annotated[int, typer.Option("--top-k", min=1, help="How many labels to give each sound, the best first.")]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="TABLE", help="Write the table with its labels, and a .json file beside it that says "
        "how they came about; default: print them.",
    ),
]  # fmt: skip
Root = Annotated[
    Path | None,
    typer.Option(
        "--audio-root", metavar="FOLDER", help="Where relative paths of a table begin; default: its own folder."
    ),
]
Picture = Annotated[
    Path | None,
    typer.Option(
        "--picture",
        metavar="FILE",
        help="Draw the confusion matrix there (.png, .svg, .pdf); default: beside the output, as its name with "
        ".confusion.png, where the table has a column `label`.",
        show_default=False,
    ),
]
TrueColumn = Annotated[str, typer.Option("--true", metavar="COLUMN", help="The table's column with the true labels.")]
Group = Annotated[
    str | None,
    typer.Option(
        "--group",
        metavar="COLUMN",
        help="A column that says which clips belong together, such as speaker or recording: intervals are for others "
        "of them. Default: clips are taken as independent.",
        show_default=False,
    ),
]
ApartFrom = Annotated[
    Path | None,
    typer.Option(
        "--apart-from",
        metavar="TABLE",
        help="What the model was trained on: refused where a --group, such as a speaker, is in both.",
        show_default=False,
    ),
]


def classify(
    given: Given,
    labels: Labels,
    template: Templates = None,
    top_k: TopK = 1,
    model: ModelOption = MINI,
    output: Output = None,
    picture: Picture = None,
    true: TrueColumn = "label",
    group: Group = None,
    apart_from: ApartFrom = None,
    audio_root: Root = None,
    batch_size: BatchOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "fp32",
    engine: EngineOption = TORCH,
    workers: WorkersOption = None,
    window: WindowOption = "",
    cache: CacheOption = True,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Say which of some labels fits each sound best, without training on them.

    The columns `predicted`, `probability`, `predicted_2`, ... and `error` stand behind those of the table.
    Underscores in labels are read as spaces. A column `label` in the table is taken for the true labels (case and
    underscores aside; --true names another one): accuracy, balanced accuracy, macro-F1 and a confusion matrix follow,
    with 95 % intervals, over the groups of --group, such as speakers, drawn with all their clips. Rows whose label is
    empty stay out of these, as do rows that fail. If some of its labels are among --labels and others are not, the
    table is refused; if none is, the column is about something else. Exit status: 0 all classified, 1 some rows
    failed, 2 bad input.
    """
    from clapometer.cli.classify_report import Task
    from clapometer.cli.classify_table import classify_table

    runs = Engine(model, device, precision, batch_size, workers, window, cache, quiet, engine)
    names, templates = read_labels(labels), checked_templates(template or (DEFAULT_TEMPLATE,))
    if top_k > len(names):
        raise BadOption(f"--top-k {top_k}: there are only {len(names)} labels")
    what = read_what(given, audio_root)
    if output is not None:
        check_output(output, None if what.root is None else what.table.path)
    labelled = _true_labels(runs, what, names, true)
    groups = _groups(what, group, apart_from, labelled is not None)
    task = Task(
        what, names, templates, top_k, labelled, output, _picture(picture, output, labelled is not None), groups
    )
    raise typer.Exit(1 if classify_table(runs, task, json) else 0)


def _true_labels(engine: Engine, what: What, labels: tuple[str, ...], column: str) -> list[str | None] | None:
    if column not in what.table.columns:
        if column != "label":
            raise BadOption(f"--true {column}: no such column; there are {', '.join(what.table.columns)}")
        return None
    # Tables of JSON lines and Parquet may have numbers for labels, which `texts` would leave out.
    cells = [str(cell) if (cell := row.get(column)) is not None else "" for row in what.table.rows]
    true = true_labels(cells, labels, where=what.where, name=column)
    if true is None:
        engine.note(
            f"note: {what.table.path}: nothing in its column `{column}` is among --labels, so that there are no true "
            "labels to compare with"
        )
    return true


def _groups(what: What, column: str | None, apart_from: Path | None, is_labelled: bool) -> list[str] | None:
    """What each row belongs to, such as its speaker.

    Raises:
        BadOption: there is no such column, or nothing to make figures of, or a group is in the other table too.
        BadTable: a row does not say, or the other table cannot be used.
    """
    if column is None:
        if apart_from is not None:
            raise BadOption("--apart-from compares groups: say by --group which column names them, such as speaker")
        return None
    if not is_labelled:
        raise BadOption(f"--group {column}: intervals need true labels, a column `label` or the one of --true")
    if column not in what.table.columns:
        raise BadOption(f"--group {column}: no such column; there are {', '.join(what.table.columns)}")
    cells = ["" if (cell := row.get(column)) is None else str(cell).strip() for row in what.table.rows]
    if "" in cells:
        raise BadTable(
            f"{what.where(cells.index(''))}: {column} is empty; every clip must belong to one, or leave it out"
        )
    if apart_from is not None:
        from clapometer.stats.grouped import check_apart
        from clapometer.tables import read_table

        other = read_table(apart_from, (column,))
        check_apart(cells, [str(row.get(column, "")).strip() for row in other.rows], column)
    return cells


def _picture(picture: Path | None, output: Path | None, true: bool) -> Path | None:
    if picture is not None and not true:
        raise BadOption("--picture draws true against predicted labels and needs a table with a column `label`")
    if picture is None and output is not None and true:
        picture = output.with_suffix(".confusion.png")
    if picture is not None:
        from clapometer.plots.figures import check_picture

        check_picture(picture)
    return picture
