"""What fine-tuning brought: scores before and after, their agreement with listeners, a calibration, a model card."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clapometer.calibration import Calibration, write_calibration
from clapometer.checkpoints import load
from clapometer.embed import Progress
from clapometer.evaluation.result import Evaluation
from clapometer.evaluation.run import ENOUGH_TO_FIT, Options, evaluate
from clapometer.families.laion import LaionClap
from clapometer.model import Clap
from clapometer.provenance import file_hash
from clapometer.score import ScoredPairs, score_pairs
from clapometer.stats.agreement import mse
from clapometer.stats.isotonic import isotonic
from clapometer.tables import whole_file
from clapometer.tables.ratings import Ratings
from clapometer.train.card import card
from clapometer.train.loop import Trained
from clapometer.train.rated import Material, RatedPairs
from clapometer.weights import weights_hash

BEFORE, AFTER = "before", "after"
FOLDS = 5
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """What fine-tuning brought."""

    evaluation: Evaluation
    """`before` against `after`, on the test, or on the validation where there is none."""
    on: str
    """`test` or `validation`; the latter has chosen the state, which flatters it."""
    calibration: Calibration | None
    """None where the validation is too small to fit one."""


def outcome(
    model: str | os.PathLike[str],
    trained: Trained,
    material: Material,
    run: Mapping[str, Any],
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> Outcome:
    """Measure a fine-tuned model against the one it began as, and write what was found into its folder.

    Args:
        model: what it began as, as `load` takes it.
        trained: the run.
        material: the ratings.
        run: what is in its `run.json`.
        device: where the models are.
        progress: told of sounds and texts.
    """
    folder, pairs = trained.folder, [one for one in (material.validation, material.test) if one is not None]
    base = load(model, device=device)
    before = [_scored(base, one, progress) for one in pairs]
    del base
    tuned = load(folder, device=device)
    after = [_scored(tuned, one, progress) for one in pairs]
    for name, scored in ((BEFORE, before), (AFTER, after)):
        _write(folder / f"{name}.csv", pairs, scored)
    on = "validation" if material.test is None else "test"
    files = [f"{name}={folder / f'{name}.csv'}" for name in (BEFORE, AFTER)]
    # Screening leaves the test as it is. A validation that was selected by agreement says nothing of the listeners.
    is_valid = on == "test" or not any(step.by_agreement for step in material.steps)
    found = evaluate(files, _ratings(pairs), Options(split=(on,), ceiling=is_valid))
    calibration = _calibrated(tuned, material, after)
    if calibration is not None:
        write_calibration(calibration, folder)
    if isinstance(tuned, LaionClap):
        tuned.save_transformers(folder / "transformers")
    result = Outcome(found, on, calibration)
    (folder / "CARD.md").write_text(card(tuned.card, trained, material, run, found, on, calibration), encoding="utf-8")
    return result


def _scored(clap: Clap, pairs: RatedPairs, progress: Progress | None) -> Numbers:
    """(pairs,) cosines."""
    scored: ScoredPairs = score_pairs(clap, zip(pairs.audio, pairs.texts, strict=True), progress=progress)
    return np.array([np.nan if one.cosine is None else one.cosine for one in scored.scores])


def _write(path: Path, pairs: list[RatedPairs], scored: list[Numbers]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("audio", "text", "split", "score", "cosine"))
    for some, cosines in zip(pairs, scored, strict=True):
        found = some.ratings.pairs
        for audio, said, split, cosine in zip(found.audio, found.text, found.split, cosines.tolist(), strict=True):
            table.writerow((audio, said, split, max(cosine, 0.0), cosine))
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


def _ratings(pairs: list[RatedPairs]) -> Ratings:
    """The ratings of all of these pairs as one."""
    first = pairs[0].ratings
    columns = ("audio", "text", "listener", "rating", "system", "split", "anchor", "lines")
    joined: dict[str, Any] = {name: np.concatenate([getattr(some.ratings, name) for some in pairs]) for name in columns}
    extra = {name: np.concatenate([some.ratings.extra[name] for some in pairs]) for name in first.extra}
    return replace(first, **joined, extra=extra)


def _calibrated(tuned: Clap, material: Material, cosines: list[Numbers]) -> Calibration | None:
    """A map from cosines to ratings fitted on the validation: the cosines of what was learnt from are too good."""
    pairs, ratings = material.validation, material.validation.ratings
    rated, cosine = ratings.pairs.mean, cosines[0]
    if len(pairs) < ENOUGH_TO_FIT:
        return None
    if material.test is not None:
        mapped = isotonic(cosine, rated)(cosines[1])
        score, truth = cosines[1], material.test.mean
    else:
        fold = np.random.default_rng(0).permutation(len(pairs)) % FOLDS
        mapped = np.empty(len(pairs))
        for number in range(FOLDS):
            here = fold == number
            mapped[here] = isotonic(cosine[~here], rated[~here])(cosine[here])
        score, truth = cosine, pairs.mean
    return Calibration(
        mapping=isotonic(cosine, rated),
        scale=ratings.scale,
        weights=weights_hash(tuned),
        window=str(tuned.card.window),
        ratings=ratings.path.name,
        ratings_sha256=file_hash(ratings.path),
        splits=("validation",),
        pairs=len(pairs),
        mse_before=mse(np.clip(score, 0, None), truth),
        mse_after=mse(ratings.mapped(mapped), truth),
    )
