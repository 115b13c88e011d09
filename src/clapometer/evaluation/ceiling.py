"""Noise ceiling: what a perfect predictor could reach, given how far listeners differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clapometer.evaluation.groups import SYSTEM, Group
from clapometer.evaluation.resampled_agreement import within_systems
from clapometer.evaluation.result import ALL, CEILING, WITHIN, Row
from clapometer.ratings.summary import ceiling_of
from clapometer.ratings.table import Ratings
from clapometer.stats.agreement import METRICS
from clapometer.stats.ceiling import Ceiling
from clapometer.stats.intervals import alone

DESIGNS = {
    "crossed": "crossed: every listener rated every pair, and levels of listeners do not lower the ceiling",
    "partly crossed": "partly crossed: listeners rated several but not all pairs",
    "one-way": "one-way: listeners' levels count as noise",
}


def ceilings(ratings: Ratings, groups: Sequence[Group]) -> tuple[Row, ...]:
    """Ceilings of SRCC, LCC and KTAU and the floor of the MSE on 0..1, as rows of a predictor.

    Args:
        ratings: those of the evaluated pairs.
        groups: each gets its own, where enough of its pairs were rated twice; from those of all systems comes the
            ceiling within systems, weighted by pairs, of the same systems as the metrics within systems. Only all pairs
            have intervals.
    """
    overall = Group(ALL, "", np.arange(len(ratings.pairs)))
    rows = [row for group in (overall, *groups) if (row := _row(ratings, group)) is not None]
    large, _ = within_systems(groups)
    systems = [row for row in rows if row.breakdown == SYSTEM and row.group in large]
    if systems and len(systems) == len(large):
        sizes = [row.n for row in systems]
        means = {
            metric: alone(float(np.average([getattr(row, metric).value for row in systems], weights=sizes)))
            for metric in METRICS
        }
        rows.append(Row(CEILING, WITHIN, "", sum(sizes), **means))
    return tuple(rows)


def overall_ceiling(ratings: Ratings, *, intervals: bool = True) -> Ceiling | None:
    """The ceiling of all pairs, with the design that was found; None where fewer than 10 pairs have two ratings."""
    return ceiling_of(ratings.sorted(), intervals=intervals)  # draws must not depend on the order of rows


def before_selection(ratings: Ratings, evaluated: Ratings) -> Ratings:
    """Those ratings that are of evaluated pairs, with the pairs in the same order.

    Args:
        ratings: before some were selected by agreement.
        evaluated: those that were kept.
    """
    keys = {key: number for number, key in enumerate(zip(evaluated.pairs.audio, evaluated.pairs.text, strict=True))}
    pairs = ratings.pairs
    place = np.array([keys.get(key, -1) for key in zip(pairs.audio, pairs.text, strict=True)], np.int64)[pairs.index]
    place = np.where(np.isin(ratings.split.astype(str), evaluated.split.astype(str)), place, -1)
    order = np.argsort(place, kind="stable")
    return ratings.take(order[place[order] >= 0])


def remarks(ceiling: Ratings, kept: Ratings | None, rows: Sequence[Row], found: Sequence[Row]) -> list[str]:
    """Notes on the ceiling: the design, selection by agreement, scores above it.

    Args:
        ceiling: the ratings that it was computed from.
        kept: those that were selected by agreement, if it was.
        rows: of the scores, and
        found: of the ceiling.
    """
    own = overall_ceiling(ceiling, intervals=False)
    if own is None or not found:
        return []
    notes = [f"noise ceiling: the design is {DESIGNS[own.design]}"]
    other = None if kept is None else overall_ceiling(kept, intervals=False)
    if other is not None:
        notes.append(
            "noise ceiling: of the ratings before selection by agreement; that of the ratings that were kept, SRCC "
            f"{other.srcc.value:.3f} and LCC {other.lcc.value:.3f}, is not valid, for they were kept because they agree"
        )
    return [*notes, *above_ceiling(rows, found)]


def above_ceiling(rows: Sequence[Row], ceiling: Sequence[Row]) -> list[str]:
    """A sentence for every predictor that agrees better, on all pairs, than the true means would."""
    limits = {row.breakdown: row for row in ceiling}
    if ALL not in limits:
        return []
    sentences = []
    for row in rows:
        above = [
            f"{metric.upper()} {value:.3f} (ceiling {limit:.3f})"
            for metric in ("srcc", "lcc", "ktau")
            if (value := getattr(row, metric).value) > (limit := getattr(limits[ALL], metric).value)
        ]
        if row.breakdown == ALL and above:
            sentences.append(
                f"{row.predictor} is above the noise ceiling: {', '.join(above)}; chance, or scores that were fitted "
                "to these ratings"
            )
    return sentences


def _row(ratings: Ratings, group: Group) -> Row | None:
    chosen = np.zeros(len(ratings.pairs), bool)
    chosen[group.pairs] = True
    found = overall_ceiling(ratings.take(chosen[ratings.pairs.index]), intervals=group.breakdown == ALL)
    if found is None:
        return None
    return Row(CEILING, group.breakdown, group.name, len(group.pairs), found.srcc, found.lcc, found.ktau, found.mse)
