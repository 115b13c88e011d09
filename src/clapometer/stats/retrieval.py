"""How well things are found: recall at k, mean average precision at 10, median rank."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from clapometer.stats.bootstrap import DIFFERENCE, SHARE, Design, Resamples, Way
from clapometer.stats.classes import mean_of_shares, widened
from clapometer.stats.intervals import Estimate
from clapometer.types import FloatArray

Truth = npt.NDArray[np.bool_]
RANKS = (1, 5, 10)
TEXT_TO_AUDIO, AUDIO_TO_TEXT = "text_to_audio", "audio_to_text"


def both_ways(
    similarity: FloatArray,
    right: Truth,
    resamples: Resamples | None = None,
    groups: tuple[npt.NDArray[np.int64] | None, npt.NDArray[np.int64] | None] = (None, None),
) -> dict[str, Estimate]:
    """Retrieval metrics from texts to sounds and from sounds to texts.

    Args:
        similarity: (sounds, texts), the higher the better.
        right: (sounds, texts), which texts are true of which sounds; at least one in each row and column.
        resamples: of queries, texts one way and sounds the other.
        groups: of the texts and of the sounds; see `retrieval_figures`.

    Returns:
        The metrics of `retrieval_figures`, by names such as `text_to_audio R@1` and `audio_to_text mAP@10`.
    """
    ways = ((TEXT_TO_AUDIO, similarity.T, right.T, groups[0]), (AUDIO_TO_TEXT, similarity, right, groups[1]))
    return {
        f"{way} {name}": estimate
        for way, values, wanted, drawn in ways
        for name, estimate in retrieval_figures(values, wanted, resamples, drawn)[0].items()
    }


def retrieval_figures(
    similarity: FloatArray,
    right: Truth,
    resamples: Resamples | None = None,
    groups: npt.NDArray[np.int64] | None = None,
) -> tuple[dict[str, Estimate], npt.NDArray[np.int64]]:
    """Metrics of queries that each look for one or several things.

    Ties are broken pessimistically, so that a model with one similarity for everything finds nothing.

    Args:
        similarity: (queries, things), the higher the better.
        right: (queries, things), what each query looks for; at least one thing each.
        resamples: of queries; None: no intervals, whose ends are NaN then.
        groups: (queries,): queries that share a sound or recording, drawn together; None where all are independent.
            Shares then have Wilson's interval.

    Returns:
        `R@1`, `R@5`, `R@10`: the share of queries with a right thing among the first; `mAP@10`: the mean over queries
        of the mean over its right things, ten at most, of the precision at the place of each one that is among the
        first ten; `median rank` of the best right thing, from 1. And the rank of the best right thing, (queries,).
    """
    ranks, precision = np.zeros(len(similarity), np.int64), np.zeros(len(similarity))
    for query, (values, wanted) in enumerate(zip(similarity, right, strict=True)):
        order = np.lexsort((wanted, -values))
        places = np.flatnonzero(wanted[order])
        ranks[query] = places[0] + 1
        first = places[places < 10]
        precision[query] = (np.arange(1, len(first) + 1) / (first + 1)).sum() / min(len(places), 10)
    hits = {f"R@{k}": (ranks <= k).astype(np.float64) for k in RANKS} | {"mAP@10": precision}
    middle = float(_medians(ranks, np.ones((len(ranks), 1)))[0])
    if resamples is None:
        values = {name: float(found.mean()) for name, found in hits.items()} | {"median rank": middle}
        return {name: Estimate(value, math.nan, math.nan) for name, value in values.items()}, ranks
    drawn: dict[str, list[FloatArray]] = {name: [] for name in (*hits, "median rank")}
    design = Design("queries or groups", (Way(np.arange(len(ranks)) if groups is None else groups),))
    for _, weights in resamples.blocks(np.zeros(len(ranks)), design):
        for name, values in hits.items():
            drawn[name].append(values @ weights / weights.sum(axis=0))
        drawn["median rank"].append(_medians(ranks, weights))
    found = {
        name: resamples.estimate(float(v.mean()), np.concatenate(drawn[name]), SHARE, design=design)
        for name, v in hits.items()
    }
    for name in list(hits)[: len(RANKS)]:
        alone = mean_of_shares(hits[name].sum()[None], np.array([float(len(ranks))]), resamples.level)
        found[name] = alone if groups is None else widened(found[name], alone)
    scale = replace(DIFFERENCE, low=1.0)
    found["median rank"] = resamples.estimate(middle, np.concatenate(drawn["median rank"]), scale, design=design)
    return found, ranks


def _medians(ranks: npt.NDArray[np.int64], weights: FloatArray) -> FloatArray:
    """(resamples,): the lowest rank that half of the queries reach."""
    order = np.argsort(ranks, kind="stable")
    reached = np.cumsum(weights[order], axis=0)
    at = (reached < reached[-1] / 2).sum(axis=0)
    return np.asarray(ranks[order][np.minimum(at, len(ranks) - 1)], np.float64)
