"""The model card that a run of fine-tuning writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from clapometer.calibration import Calibration
from clapometer.evaluation.ceiling import above_ceiling
from clapometer.evaluation.result import ALL, BETWEEN, CEILING, CONSTANT, GENERATOR, WITHIN, Evaluation
from clapometer.evaluation.words import verdicts
from clapometer.records import ModelCard
from clapometer.stats.bootstrap import Estimate
from clapometer.train.loop import Trained
from clapometer.train.rated import Material, RatedPairs

SHOWN = {ALL: "all pairs", WITHIN: "within systems", BETWEEN: "between systems"}


def card(
    model: ModelCard,
    trained: Trained,
    material: Material,
    run: Mapping[str, Any],
    found: Evaluation,
    on: str,
    calibration: Calibration | None,
) -> str:
    """Markdown: what the model learnt from, how, and what came of it."""
    pages = Environment(loader=PackageLoader("clapometer", "train"), undefined=StrictUndefined, autoescape=False)
    pages.filters |= {"capital": _capital, "counted": _counted, "figure": _figure}
    rows = [row for row in (*found.rows, *found.ceiling) if row.breakdown in SHOWN]
    return pages.get_template("card.md.j2").render(
        model=model,
        trained=trained,
        material=material,
        run=run,
        arguments=run["arguments"],
        ratings=found.ratings.path.name,
        found=found,
        on=on,
        calibration=calibration,
        rows=[row for row in rows if row.breakdown == ALL or row.predictor not in (CONSTANT, GENERATOR, CEILING)],
        shown=SHOWN,
        verdicts=" ".join([*verdicts(found), *(f"{one}." for one in above_ceiling(found.rows, found.ceiling))]),
        versions=", ".join(f"{name} {version}" for name, version in run["versions"].items()),
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _counted(pairs: RatedPairs) -> str:
    return f"{len(pairs)} pairs ({len(pairs.ratings)} ratings)"


def _figure(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})".replace("nan (nan to nan)", "-")
