"""How well things are found: recall at k, mean average precision at 10, median rank."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from clapometer.stats.bootstrap import DIFFERENCE, SHARE, Design, Estimate, Resamples, Way
from clapometer.stats.classes import mean_of_shares, widened

Numbers = npt.NDArray[np.float64]
RANKS = (1, 5, 10)


def retrieval_figures(
    likeness: Numbers,
    right: npt.NDArray[np.bool_],
    resamples: Resamples,
    groups: npt.NDArray[np.int64] | None = None,
) -> tuple[dict[str, Estimate], npt.NDArray[np.int64]]:
    """Figures of queries that each look for one or several things.

    Of equal things, the wrong ones are counted before the right ones, so that a model that says the same of everything
    finds nothing.

    Args:
        likeness: (queries, things), the higher the better.
        right: (queries, things), what each query looks for; at least one thing each.
        resamples: of queries.
        groups: (queries,): queries that share a sound or recording, drawn together; None where all are independent.
            Shares then have Wilson's interval.

    Returns:
        `R@1`, `R@5`, `R@10`: the share of queries with a right thing among the first; `mAP@10`: the mean over queries
        of the mean over its right things, ten at most, of the precision at the place of each one that is among the
        first ten; `median rank` of the best right thing, from 1. And the rank of the best right thing, (queries,).
    """
    ranks, precision = np.zeros(len(likeness), np.int64), np.zeros(len(likeness))
    for query, (values, wanted) in enumerate(zip(likeness, right, strict=True)):
        order = np.lexsort((wanted, -values))
        places = np.flatnonzero(wanted[order])
        ranks[query] = places[0] + 1
        first = places[places < 10]
        precision[query] = (np.arange(1, len(first) + 1) / (first + 1)).sum() / min(len(places), 10)
    hits = {f"R@{k}": (ranks <= k).astype(np.float64) for k in RANKS} | {"mAP@10": precision}
    drawn: dict[str, list[Numbers]] = {name: [] for name in (*hits, "median rank")}
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
    middle = float(_medians(ranks, np.ones((len(ranks), 1)))[0])
    scale = replace(DIFFERENCE, low=1.0)
    found["median rank"] = resamples.estimate(middle, np.concatenate(drawn["median rank"]), scale, design=design)
    return found, ranks


def _medians(ranks: npt.NDArray[np.int64], weights: Numbers) -> Numbers:
    """(resamples,): the lowest rank that half of the queries reach."""
    order = np.argsort(ranks, kind="stable")
    reached = np.cumsum(weights[order], axis=0)
    at = (reached < reached[-1] / 2).sum(axis=0)
    return np.asarray(ranks[order][np.minimum(at, len(ranks) - 1)], np.float64)
