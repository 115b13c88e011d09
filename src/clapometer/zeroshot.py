"""Zero-shot classification: labels and templates become class vectors, similarities become probabilities.

The method is that of CLIP (Radford et al. 2021, section 3.1.4) and of every CLAP since: a class is the mean of the unit
vectors of its texts, brought back to unit length, and the probabilities are a softmax over cosines multiplied by the
model's learned inverse temperature, exp(logit_scale).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clapometer.errors import BadOption, BadText

if TYPE_CHECKING:
    from clapometer.model import Clap

DEFAULT_TEMPLATE = "the sound of {}"
Vectors = npt.NDArray[np.float32]
Probabilities = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Classification:
    """One classified clip."""

    audio: str
    labels: tuple[str, ...]
    """The most probable labels, best first; empty where the clip could not be read."""
    probabilities: tuple[float, ...]
    """Their probabilities, 0..1; those of all labels, not only of these, sum to 1."""
    error: str = ""
    """Why the clip could not be classified; empty where it could."""


@dataclass(frozen=True)
class Figures:
    """How well predicted labels agree with true ones."""

    n: int
    """Clips that have both."""
    accuracy: float
    """Share of the clips whose most probable label is the true one."""
    balanced_accuracy: float
    """Unweighted average recall (UAR): the mean recall of the labels that occur among the true ones."""
    macro_f1: float
    """Mean F1 of the labels that occur among the true or the predicted ones; a label never hit counts 0."""
    labels: tuple[str, ...]
    """Rows and columns of the confusion matrix."""
    confusion: Counts
    """(labels, labels): clips by true label (row) and predicted label (column)."""


def class_key(label: str) -> str:
    """What two labels have in common that no model can tell apart: case, underscores and runs of spaces are ignored."""
    return " ".join(label.replace("_", " ").split()).casefold()


def checked_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels without surrounding space.

    Raises:
        BadText: a label is empty.
        BadOption: fewer than two labels, or two that read the same.
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


def class_vectors(
    clap: Clap, labels: Sequence[str], templates: Sequence[str] = (DEFAULT_TEMPLATE,), *, batch_size: int | None = None
) -> Vectors:
    """One unit vector a label.

    Args:
        clap: any model.
        labels: two or more, all different.
        templates: texts with `{}` where the label goes; their unit vectors are averaged.
        batch_size: texts a forward pass; default: the model's.

    Returns:
        float32 (labels, dimension), unit length: of the mean of the templates' unit vectors.

    Raises:
        BadText, BadOption: as `checked_labels` and `checked_templates`.
    """
    labels, templates = checked_labels(labels), checked_templates(templates)
    texts = [text for label in labels for text in class_texts(label, templates)]
    vectors = clap.embed_text(texts, batch_size=batch_size).numpy()
    return averaged(vectors.reshape(len(labels), len(templates), -1))


def averaged(vectors: Vectors) -> Vectors:
    """(classes, templates, dimension), unit length -> (classes, dimension), unit length of their means."""
    means = vectors.astype(np.float64).mean(axis=1)
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(means / np.maximum(lengths, 1e-12), dtype=np.float32)


def probabilities(sounds: Vectors, classes: Vectors, logit_scale: float) -> Probabilities:
    """Softmax over the classes of exp(logit_scale) times the cosine.

    Args:
        sounds: (clips, dimension), unit length.
        classes: (classes, dimension), unit length.
        logit_scale: natural logarithm of the inverse temperature, as the model learned it.

    Returns:
        float64 (clips, classes); rows sum to 1.
    """
    # einsum, not matmul: it adds in one order whatever the number of clips, so a clip's figures do not depend on it.
    cosines = np.einsum("id,jd->ij", sounds.astype(np.float64), classes.astype(np.float64))
    logits = np.exp(logit_scale) * cosines
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


def best(row: npt.NDArray[np.float64], labels: Sequence[str], top_k: int) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The `top_k` most probable labels of a clip and their probabilities; equal ones in the order of the labels."""
    order = np.argsort(-row, kind="stable")[:top_k]
    return tuple(labels[number] for number in order), tuple(float(row[number]) for number in order)


def figures(true: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> Figures:
    """Agreement of predicted with true labels.

    As scikit-learn's `accuracy_score`, `balanced_accuracy_score` and `f1_score(average="macro", zero_division=0)`
    called without `labels`: a label that occurs neither among the true nor among the predicted ones counts nowhere.

    Args:
        true: one label a clip.
        predicted: one label a clip, in the same order.
        labels: all that may occur; rows and columns of the confusion matrix.

    Raises:
        BadOption: different lengths, no clips, or a label that is not among `labels`.
    """
    if len(true) != len(predicted) or not true:
        raise BadOption(f"{len(true)} true and {len(predicted)} predicted labels; give as many of both, at least one")
    place = {label: number for number, label in enumerate(labels)}
    unknown = sorted({*true, *predicted} - place.keys())
    if unknown:
        raise BadOption(f"labels that were not announced: {', '.join(map(repr, unknown))}; add them to `labels`")
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(confusion, ([place[label] for label in true], [place[label] for label in predicted]), 1)
    hits, occurring, named = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    either = (occurring + named) > 0
    return Figures(
        n=len(true),
        accuracy=float(hits.sum() / len(true)),
        balanced_accuracy=float((hits[occurring > 0] / occurring[occurring > 0]).mean()),
        macro_f1=float((2 * hits[either] / (occurring + named)[either]).mean()),
        labels=tuple(labels),
        confusion=confusion,
    )
