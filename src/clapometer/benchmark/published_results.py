"""A result beside published figures, and what differs between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from clapometer.benchmark.data import Data
from clapometer.benchmark.result import Figures
from clapometer.benchmark.tasks.task import SETUP_NAMES, PublishedResult, Setup, Template
from clapometer.stats.intervals import Estimate

SETTLED = 0.1
"""Intervals that are wider have two decimals."""


@dataclass(frozen=True)
class Beside:
    """A published figure and what stands between it and ours."""

    published: PublishedResult
    ours: Estimate | None
    """The same figure of this run; None where it has none."""
    differs: str


def beside(
    data: Data, setup: Setup, figures: Figures, model: str, templates: Sequence[Template], missing: int, copies: int
) -> list[Beside]:
    """The published figures of a task, those of this model and this use of it first.

    Args:
        data: what was measured on.
        setup: how.
        figures: what came of it.
        model: the name on the model's card.
        templates: of the prompts; none where there are none.
        missing: clips that could not be read.
        copies: tested clips that were left out as copies of training clips.
    """
    rows = []
    for published in data.task.published:
        name = published.metric or figures.main
        found = _differences(published, data, setup, model, [one.text for one in templates])
        found += [f"{missing} clips missing here"] * bool(missing)
        found += [f"{copies} copies of training clips left out here"] * bool(copies)
        differs = "; ".join([*found, *filter(None, [published.note])])
        rows.append(Beside(published, figures.estimates.get(name), differs or "nothing that is known"))
    return sorted(rows, key=lambda row: (row.published.model != model, row.published.setup != setup))


def _differences(published: PublishedResult, data: Data, setup: Setup, model: str, templates: list[str]) -> list[str]:
    found = []
    if published.model != model:
        found.append("another model")
    if published.setup != setup:
        found.append(f"{SETUP_NAMES[published.setup]} there")
    elif setup == "zeroshot":
        if not published.prompt:
            found.append("its prompt is not known")
        elif [published.prompt] != templates:
            found.append(f"prompt {published.prompt!r} there")
    if published.metric and published.metric != data.task.metric and data.task.metric != "retrieval":
        found.append(f"{published.metric} there")
    if data.folds and data.folds != data.all_folds:
        found.append(f"only fold {', '.join(data.folds)} here")
    return found


def told(figure: Estimate | None) -> str:
    """A figure with its interval, as text."""
    if figure is None or not math.isfinite(figure.value):
        return ""
    if not math.isfinite(figure.low):
        return f"{figure.value:.4f}"
    # 1,000 resamples settle no more than a fiftieth of an interval's width.
    decimals = 3 if figure.high - figure.low < SETTLED else 2
    return f"{figure.value:.4f} ({figure.low:.{decimals}f} to {figure.high:.{decimals}f})"
