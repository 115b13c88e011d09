"""Fit monotone maps from cosines to ratings, as calibrations of a model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapometer.calibration import FILE, Calibration
from clapometer.errors import BadOption, BadTable
from clapometer.evaluation.result import Evaluation
from clapometer.ratings.reading import file_hash_of
from clapometer.stats.agreement import mse
from clapometer.stats.isotonic import MonotoneMap, isotonic
from clapometer.tables import record_path
from clapometer.types import FloatArray, Window

ENOUGH_TO_FIT = 50
"""Pairs below which no map is fitted."""
FOLDS = 5


def fit_map(cosines: npt.ArrayLike, ratings: npt.ArrayLike) -> MonotoneMap:
    """Fit a monotone map from cosines to ratings.

    Args:
        cosines: (pairs,).
        ratings: (pairs,), mean ratings.

    Raises:
        BadTable: there are fewer than 50 pairs, or the map would be flat.
    """
    x, y = np.asarray(cosines, np.float64), np.asarray(ratings, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise BadTable(f"cosines and ratings must be one-dimensional and of one length, got {x.shape} and {y.shape}")
    if len(x) < ENOUGH_TO_FIT:
        raise BadTable(f"a map from cosine to rating needs {ENOUGH_TO_FIT} pairs, got {len(x)}")
    mapping = isotonic(x, y)
    if mapping.is_flat:
        raise BadTable(f"the map from cosine to rating would be flat: every pair would get {mapping.y[0]:.3g}")
    return mapping


def fit_calibration(
    cosines: npt.ArrayLike,
    ratings: npt.ArrayLike,
    *,
    scale: tuple[float, float],
    held_out: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    weights: str = "",
    window: str = "",
    source: str = "",
    sha256: str = "",
    splits: tuple[str, ...] = (),
) -> Calibration:
    """Fit a calibration, and measure its error on pairs that it was not fitted on.

    Args:
        cosines: (pairs,).
        ratings: (pairs,), mean ratings on their scale.
        scale: lowest and highest possible rating.
        held_out: cosines and ratings of other pairs, on which the error is measured; default: 5-fold cross-validation.
        weights: hash of the model's weights, without which `clapometer score` does not use the calibration.
        window: treatment of short and long clips with which the cosines were computed.
        source: name of the file of ratings.
        sha256: of that file.
        splits: its splits that the pairs are of.

    Raises:
        BadTable: there are fewer than 50 pairs, the map would be flat, or it is no better than a constant.

    Example:
        >>> cosines = np.linspace(0, 0.6, 100)
        >>> found = fit_calibration(cosines, 1 + 5 * cosines, scale=(1, 5))
        >>> round(found.rating(0.3), 2)
        2.5
    """
    x, y = np.asarray(cosines, np.float64), np.asarray(ratings, np.float64)
    mapping = fit_map(x, y)
    if held_out is not None:
        of, truth = (np.asarray(one, np.float64) for one in held_out)
        mapped, constant = mapping(of), np.full(len(of), y.mean())
    else:
        of, truth = x, y
        mapped, constant = _cross_fitted(x, y)
    low, high = scale
    target, error, of_constant = ((each - low) / (high - low) for each in (truth, mapped, constant))
    before, after, trivial = (mse(each, target) for each in (np.clip(of, 0, None), error, of_constant))
    if not after < trivial:
        raise BadTable(
            f"on pairs that it was not fitted on, the map from cosine to rating is no better than a constant (MSE "
            f"{after:.4f} and {trivial:.4f})"
        )
    return Calibration(mapping, scale, weights, window, source, sha256, splits, len(x), before, after)


def _cross_fitted(cosines: FloatArray, ratings: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(pairs,) each: what a map and a constant that were fitted on the other folds predict."""
    fold = np.random.default_rng(0).permutation(len(cosines)) % FOLDS
    mapped, constant = np.empty(len(cosines)), np.empty(len(cosines))
    for number in range(FOLDS):
        here = fold == number
        mapped[here] = isotonic(cosines[~here], ratings[~here])(cosines[here])
        constant[here] = ratings[~here].mean()
    return mapped, constant


def check_calibrate(folder: Path, *, overwrite: bool = False) -> None:
    """Refuse a model folder that already has a calibration, before any work is done.

    Raises:
        BadOption: it has one.
    """
    if (folder / FILE).exists() and not overwrite:
        raise BadOption(f"--calibrate {folder}: {FILE} exists; --overwrite replaces it")


def calibration_of(found: Evaluation, folder: Path) -> Calibration:
    """The calibration that an evaluation of one score file fitted on its training split.

    Args:
        found: the evaluation.
        folder: of the model that the scores are of.

    Raises:
        BadOption: no map was fitted, or the scores are not known to be of this model.
    """
    if len(found.files) != 1:
        raise BadOption("--calibrate needs the scores of one model, in one table")
    file = found.files[0]
    if not found.calibrated:
        raise BadOption(f"--calibrate: no map from cosine to rating was fitted: {found.notes[-1]}")
    if found.includes_seen:
        raise BadOption("--calibrate with --include-seen: the map would be evaluated on pairs that the model has seen")
    model = file.record.get("model", {})
    if not file.has_cosine or "weights" not in model:
        raise BadOption(
            f"--calibrate: {file.path.name} needs a column `cosine` and, beside it, {record_path(file.path).name}, "
            "both of which `clapometer score` writes"
        )
    try:
        name = json.loads((folder / "config.json").read_text(encoding="utf-8"))["card"]["name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadOption(f"--calibrate {folder}: is not the folder of a model ({error})") from error
    if name != model.get("name"):
        raise BadOption(
            f"--calibrate {folder}: is the model {name!r}, and the scores are those of {model.get('name')!r}"
        )
    one = found.calibrated[0]
    return Calibration(
        mapping=one.mapping,
        scale=found.ratings.scale,
        weights=model["weights"],
        window=str(Window(**file.record["window"])),
        ratings=found.ratings.path.name,
        ratings_sha256=file_hash_of(found.ratings) or "",
        splits=one.splits,
        pairs=one.n,
        mse_before=one.before.value,
        mse_after=one.after.value,
    )
