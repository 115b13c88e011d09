"""What came of it, as JSON."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clapometer.evaluation.listeners import evaluate
from clapometer.evaluation.options import EvaluationOptions
from clapometer.evaluation.result import ALL, Evaluation, Row
from clapometer.ratings.reading import read_ratings
from clapometer.ratings.table import Ratings
from clapometer.stats.agreement import METRICS, agreement
from clapometer.stats.intervals import Estimate
from clapometer.tables import read_table
from panel.likeness import side_by_side
from panel.methods import BASE, SETTINGS, Method

WHAT = "a simulation: real sounds, made-up listeners whose habits are estimated from RELATE's ratings; see bench/panel"
PAPER = {
    "what": "Human-CLAP on RELATE's test split, real listeners (Takano et al. 2025, arXiv 2506.23553, poster)",
    "wsce+mae": {"srcc": 0.457, "lcc": 0.481, "ktau": 0.320, "mse": 0.057},
    "wsce": {"srcc": 0.383, "lcc": 0.410, "ktau": 0.265, "mse": 0.063},
    "mae": {"srcc": 0.453, "lcc": 0.472, "ktau": 0.317, "mse": 0.051},
    "base": {"srcc": 0.280, "lcc": 0.294, "ktau": 0.192, "mse": 0.068},
}
Json = dict[str, Any]


def results(study: Path, data: Path, folders: dict[str, Path], methods: list[Method]) -> Json:
    """Everything that is reported.

    Args:
        study: its folder.
        data: where RELATE's ratings are.
        folders: where `scores.csv` and `esc50.json` of the base and of each method are, by name.
        methods: those of `folders`, without the base.
    """
    ratings = read_ratings(study / "ratings.csv")
    first = [BASE, *(method.name for method in methods if not method.seed)]
    options = EvaluationOptions(by=("kind",), split=("test",), train=("validation",))
    found = evaluate([f"{name}={folders[name] / 'scores.csv'}" for name in first], ratings, options)
    return {
        "what": WHAT,
        "machine": {"cores": os.cpu_count(), "processor": platform.machine(), "torch": torch.__version__},
        "settings": " ".join(SETTINGS),
        "likeness": side_by_side(ratings, data),
        "agreement": [_row(row) for row in (*found.rows, *found.ceiling)],
        "gain": {name: _gains(found, name) for name in first[1:]},
        "calibrated_mse": {one.predictor: _ends(one.after) for one in found.calibrated},
        "esc50_fold5": {name: _read(folders[name] / "esc50.json")["accuracy"] for name in folders},
        "seconds": {method.name: _read(folders[method.name] / "seconds.json")["seconds"] for method in methods},
        "seeds": _seeds(ratings, folders, methods),
        "curve": _curve(found, methods, len(ratings.only(split="train").pairs)),
        "paper": PAPER,
    }


def _row(row: Row) -> Json:
    figures = {metric: _ends(getattr(row, metric)) for metric in METRICS}
    return {"predictor": row.predictor, "breakdown": row.breakdown, "group": row.group, "n": row.n, **figures}


def _gains(found: Evaluation, name: str) -> Json:
    """A method less the base, in paired resamples: on all pairs and within systems."""
    return {
        one.breakdown: {metric: _ends(getattr(one, metric), -1 if one.first == BASE else 1) for metric in METRICS}
        for one in found.differences
        if {one.first, one.second} == {BASE, name}
    }


def _seeds(ratings: Ratings, folders: dict[str, Path], methods: list[Method]) -> Json:
    """Mean and standard deviation over seeds of each loss that has several."""
    pairs = ratings.only(split="test").pairs
    rated = dict(zip(zip(pairs.audio, pairs.text, strict=True), pairs.mean / ratings.scale[1], strict=True))
    found: dict[str, list[tuple[float, ...]]] = {}
    for method in methods:
        if method.pairs is None:
            rows = read_table(folders[method.name] / "scores.csv", ("audio", "text", "score")).rows
            both = [(float(row["score"]), rated[key]) for row in rows if (key := (row["audio"], row["text"])) in rated]
            found.setdefault(method.loss, []).append(agreement(*map(np.array, zip(*both, strict=True))).values)
    return {
        loss: {
            "runs": len(runs),
            **{
                metric: {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1))}
                for metric, values in zip(METRICS, zip(*runs, strict=True), strict=True)
            },
        }
        for loss, runs in found.items()
        if len(runs) > 1
    }


def _curve(found: Evaluation, methods: list[Method], everything: int) -> list[Json]:
    """Gain over the base by number of rated pairs; empty where all methods have all of them."""
    several = {method.loss for method in methods if method.pairs}
    some = [method for method in methods if not method.seed and method.loss in several]
    return sorted(
        ({"pairs": method.pairs or everything, **_gains(found, method.name)[ALL]} for method in some),
        key=lambda point: point["pairs"],
    )


def _ends(estimate: Estimate, sign: int = 1) -> list[float | None]:
    low, high = sorted((sign * estimate.low, sign * estimate.high))
    # Of what is constant there is no correlation: null. Nothing less is 0, not -0.
    return [None if np.isnan(number) else round(number, 4) + 0.0 for number in (sign * estimate.value, low, high)]


def _read(path: Path) -> Json:
    read: Json = json.loads(path.read_text(encoding="utf-8"))
    return read
