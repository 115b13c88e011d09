"""Classes told by their words alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clapometer.benchmark.data import Data, Heard
from clapometer.benchmark.result import Answers
from clapometer.benchmark.tasks.task import Task, Template
from clapometer.classification.classifier import class_vectors
from clapometer.errors import BadOption
from clapometer.labels import class_texts

if TYPE_CHECKING:
    from clapometer.models.clap import Clap

ENSEMBLE = "ensemble"
"""In place of a template: all of the task's."""
GIVEN = "given on the command line"


def templates_of(task: Task, given: Sequence[str] = ()) -> tuple[Template, ...]:
    """The templates to use.

    Args:
        task: whose.
        given: texts with `{}`, or the one word `ensemble`; default: the task's first.

    Raises:
        BadOption: a template without `{}`.
    """
    if not given:
        return task.templates[:1]
    if list(given) == [ENSEMBLE]:
        return task.templates
    known = {template.text: template for template in task.templates}
    for text in given:
        if "{}" not in text:
            raise BadOption(f"template {text!r} has no {{}} where the class goes; or write {ENSEMBLE!r} alone")
    return tuple(known.get(text, Template(text, GIVEN)) for text in given)


def zero_shot(
    clap: Clap, data: Data, heard: Heard, templates: Sequence[Template], batch_size: int | None = None
) -> tuple[Answers, dict[str, Any]]:
    """The cosine of each clip with each class, a class being the mean of the vectors of its texts; and the prompts."""
    words = [data.task.word(label) for label in data.labels]
    texts = [template.text for template in templates]
    classes = class_vectors(clap, words, texts, batch_size=batch_size)
    # einsum: added in one order whatever the number of clips, so that a clip's figures do not depend on it.
    scores = np.einsum("id,jd->ij", heard.vectors.astype(np.float64), classes.astype(np.float64))
    prompts = {
        "templates": [{"text": template.text, "source": template.source} for template in templates],
        "texts": {label: class_texts(word, texts) for label, word in zip(data.labels, words, strict=True)},
    }
    return Answers(
        [data.clips[place] for place in heard.places], data.labels, scores, [data.turn(place) for place in heard.places]
    ), prompts
