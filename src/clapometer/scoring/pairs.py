"""Pairs to scores: how well each sound matches its text.

The rules of the numbers: `cosine` is the dot product of two unit vectors, `score` is max(cosine, 0), the CLAPScore of
the papers, and neither depends on the other pairs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clapometer.calibration import Calibration
from clapometer.embedding.pipeline import Embedded, Progress, embed_files, embed_texts
from clapometer.embedding.store import VectorStore
from clapometer.similarity import clap_score_of, paired_cosine
from clapometer.types import Score, Window

if TYPE_CHECKING:
    from clapometer.models.clap import Clap

_ROWS_AT_A_TIME = 4096


@dataclass(frozen=True)
class Counts:
    """Different contents among the sounds or texts of some pairs."""

    unique: int
    computed: int
    """Embedded in this run, or found to be unreadable."""
    reused: int
    """Stored from an earlier run."""


@dataclass(frozen=True)
class ScoredPairs:
    """Scores, and how they came about."""

    scores: list[Score]
    """One a pair, in order."""
    sounds: Counts
    texts: Counts
    cut: list[str]
    """Texts of which the model read only the beginning, each once."""


@dataclass(frozen=True)
class Summary:
    """The distribution of some scores."""

    n: int
    """Pairs that have a score."""
    failed: int
    """Pairs that have none."""
    mean: float | None
    quartiles: tuple[float, float, float] | None
    """A quarter, a half and three quarters of the scores are at most this; linear between neighbours."""


def score_pairs(
    clap: Clap,
    pairs: Iterable[tuple[str | os.PathLike[str], str]],
    *,
    window: Window | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    store: VectorStore | None = None,
    progress: Progress | None = None,
    calibration: Calibration | None = None,
) -> ScoredPairs:
    """Score pairs of a sound file and a text; sounds and texts that repeat are embedded once.

    Args:
        clap: the model, from `clapometer.load`.
        pairs: (file, text), any number.
        window: treatment of short and long clips; default: the model card's.
        batch_size: windows or texts a forward pass; default: the model's, which is 1 on a CPU.
        workers: threads that decode and embed; default: as many as the processors can feed.
        store: where vectors are taken from and kept, such as `clapometer.embedding.store.shared_store()`; default:
            nowhere.
        progress: told of sounds and texts as they finish.
        calibration: the map from cosines to ratings, from `clapometer.calibration.read_calibration`; default: no
            ratings.

    Returns:
        A score for each pair, in order, with what of it the model has learned from (`clapometer.seen`). A pair that
        cannot be scored has an `error` in place of a score and does not stop the others.

    Raises:
        BadOption: batch size or workers below 1.

    Example:
        >>> import clapometer
        >>> clap = clapometer.load("mini")
        >>> scored = clapometer.score_pairs(clap, [("dog.wav", "a dog barks"), ("dog.wav", "rain")])
        >>> [pair.score for pair in scored.scores]  # doctest: +SKIP
        [0.412..., 0.031...]
    """
    named = [(os.fspath(sound), text) for sound, text in pairs]
    sounds = embed_files(
        clap,
        [sound for sound, _ in named],
        window=window,
        batch_size=batch_size,
        workers=workers,
        store=store,
        progress=progress,
    )
    texts = embed_texts(
        clap, [text for _, text in named], batch_size=batch_size, workers=workers, store=store, progress=progress
    )
    errors = [sound or text for sound, text in zip(sounds.errors, texts.errors, strict=True)]
    seen = clap.seen.labels(sounds.digests, [text for _, text in named])
    scores = [
        Score(sound, text, None, None, error)
        if error
        else Score(
            sound,
            text,
            clap_score_of(cosine),
            cosine,
            rating=None if calibration is None else calibration.rating(cosine),
            seen=label,
        )
        for (sound, text), error, cosine, label in zip(
            named, errors, _cosines(sounds, texts).tolist(), seen, strict=True
        )
    ]
    good = dict.fromkeys(text for (_, text), error in zip(named, texts.errors, strict=True) if not error)
    return ScoredPairs(scores, _counts(sounds), _counts(texts), [text for text in good if clap.is_cut(text)])


def summarise(scores: Sequence[Score]) -> Summary:
    """Count, mean and quartiles of the pairs that have a score."""
    values = [score.score for score in scores if score.score is not None]
    if not values:
        return Summary(0, len(scores), None, None)
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
    return Summary(len(values), len(scores) - len(values), float(np.mean(values)), (low, middle, high))


def _cosines(sounds: Embedded, texts: Embedded) -> npt.NDArray[np.float64]:
    """(pairs,); NaN for a pair without both vectors."""
    cosines = np.full(len(sounds.index), np.nan)
    both = np.flatnonzero((sounds.index >= 0) & (texts.index >= 0))
    for start in range(0, len(both), _ROWS_AT_A_TIME):
        some = both[start : start + _ROWS_AT_A_TIME]
        cosines[some] = paired_cosine(sounds.unique[sounds.index[some]], texts.unique[texts.index[some]])
    return cosines


def _counts(embedded: Embedded) -> Counts:
    return Counts(embedded.computed + embedded.reused, embedded.computed, embedded.reused)
