"""Class labels and prompt templates: reading, checks, comparison with true labels. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from clapometer.errors import BadOption, BadTable, BadText

DEFAULT_TEMPLATE = "the sound of {}"


def class_key(label: str) -> str:
    """The key by which labels are compared: case, underscores and repeated spaces are ignored."""
    return " ".join(label.replace("_", " ").split()).casefold()


def checked_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels without surrounding space.

    Raises:
        BadText: a label is empty.
        BadOption: fewer than two labels, or two that are equal by `class_key`.
    """
    if isinstance(labels, str):
        raise BadOption(f"labels must be a list of texts, not the one text {labels!r}")
    labels = tuple(label.strip() for label in labels)
    first: dict[str, int] = {}
    for number, label in enumerate(labels, 1):
        if not class_key(label):
            raise BadText(f"label {number} of {len(labels)} is empty; remove it or name the class")
        if class_key(label) in first:
            other = first[class_key(label)]
            raise BadOption(
                f"labels {other} ({labels[other - 1]!r}) and {number} ({label!r}) read the same; keep one of them"
            )
        first[class_key(label)] = number
    if len(labels) < 2:
        raise BadOption(
            f"{len(labels)} label{'s' * (not labels)} given; classification needs two or more to choose from"
        )
    return labels


def checked_templates(templates: Sequence[str]) -> tuple[str, ...]:
    """The templates as given.

    Raises:
        BadOption: none, or one without the `{}` where the label goes.
    """
    if isinstance(templates, str):
        templates = (templates,)
    if not templates:
        raise BadOption(f"no template given; the usual one is {DEFAULT_TEMPLATE!r}")
    for template in templates:
        if "{}" not in template:
            raise BadOption(f"template {template!r} has no {{}} where the label goes; write it as {DEFAULT_TEMPLATE!r}")
    return tuple(templates)


def class_texts(label: str, templates: Sequence[str]) -> list[str]:
    """The texts of a class; underscores in a label, as data sets write them, are read as spaces."""
    name = " ".join(label.replace("_", " ").split())
    return [template.replace("{}", name) for template in templates]


def read_labels(given: str) -> tuple[str, ...]:
    """The labels of a file, one a line, or of a list joined by commas.

    Empty lines and spaces around a label are dropped. What exists as a file is read; anything else is a list.

    Raises:
        BadOption: no such file, or as `checked_labels`.
        BadText: a line is not UTF-8, or as `checked_labels`.
    """
    path = Path(given)
    if "," in given and not path.is_file():
        return checked_labels(given.split(","))
    if path.is_dir():
        raise BadOption(f"labels {given}: is a folder; name a text file with one label a line, or list them: dog,cat")
    if not path.is_file():
        raise BadOption(f"labels {given}: no such file, and not a list of two or more labels joined by commas")
    labels = []
    for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        try:
            labels.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            raise BadText(f"labels {given}: line {number} is not UTF-8; save the file as UTF-8") from None
    try:
        return checked_labels([label for label in labels if label.strip()])
    except BadOption as error:
        raise BadOption(f"labels {given}: {error}") from error


def true_labels(
    column: Sequence[str], labels: Sequence[str], *, where: Callable[[int], str], name: str = "label"
) -> list[str | None] | None:
    """The label that each cell of a table's label column means, as it is spelt in `labels`.

    Case, underscores and runs of spaces are ignored. A column with no cell among the labels is about something else and
    returns None; one with only some of them is an error, since metrics would cover an unknown part of the rows.

    Args:
        column: one cell per row; an empty one means that the true label is not known.
        labels: those that can be predicted.
        where: describes row `number`, counted from 0, as `Table.where` does.
        name: what the column is called, for messages.

    Returns:
        A label or None per row, or None where the column is about something else.

    Raises:
        BadTable: some cells are among the labels and some are not; all of those are listed.
    """
    known = {class_key(label): label for label in labels}
    found = [known.get(class_key(cell)) for cell in column]
    if not any(found):
        return None
    strangers: dict[str, list[int]] = {}
    for number, (cell, label) in enumerate(zip(column, found, strict=True)):
        if label is None and cell.strip():
            strangers.setdefault(cell.strip(), []).append(number)
    if strangers:
        listed = "; ".join(
            f"{cell!r} ({len(rows)} row{'s' * (len(rows) > 1)}, first {where(rows[0])})"
            for cell, rows in strangers.items()
        )
        raise BadTable(
            f"column {name!r} holds {len(strangers)} label{'s' * (len(strangers) > 1)} not among --labels: {listed}. "
            "Add them to --labels, correct them, or empty those cells to leave their rows out of the metrics"
        )
    return found
