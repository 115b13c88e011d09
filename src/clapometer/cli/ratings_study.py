"""Ratings chosen, screened and summarised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clapometer.ratings.screening import Step, against_relate, parse_rule, screened, tried, unselected, usual_rules
from clapometer.ratings.summary import Summary, summarise
from clapometer.ratings.table import Ratings
from clapometer.stats.screening import Mask
from clapometer.tables.splits import EXCLUDED

ALL = "all"


@dataclass(frozen=True)
class Study:
    """What `clapometer ratings` found."""

    given: Ratings
    """All ratings of the file that can be used, with those of anchors."""
    used: Ratings
    """Those that the summary is of."""
    left_out: dict[str, int]
    """Ratings that were not even screened, by the reason."""
    applied: bool
    """Whether the steps were applied one after the other, or each tried alone."""
    steps: tuple[Step, ...]
    own_rule: tuple[int, int] | None
    """For RELATE, how many ratings its rule selects otherwise than its file does, and of how many."""
    summary: Summary


def study(ratings: Ratings, split: str, rules: Sequence[str]) -> Study:
    """Choose, screen and summarise ratings.

    Args:
        ratings: all of a file.
        split: names with commas, `all`, or empty for all but what the file labels excluded; where rules are given, for
            all.
        rules: rules of screening to apply in this order; none to try the usual ones.

    Raises:
        BadOption: a split or rule that cannot be used.
    """
    parsed = [parse_rule(rule, ratings) for rule in rules]
    real = ~ratings.is_anchor
    start = real.copy()
    if split and split != ALL:
        ratings.only(split=split)  # says which splits there are if one is not
        start &= np.isin(ratings.split.astype(str), [name.strip() for name in split.split(",")])
    elif not split and not parsed and (ratings.split[real] != EXCLUDED).any():
        start &= ratings.split != EXCLUDED
    if parsed:
        left, steps = screened(ratings, start, parsed)
    else:
        left, steps = start, _tried(ratings, start)
    before = unselected(ratings, start, parsed)
    used = ratings.take(left)
    excluded = int((real & ~start & (ratings.split == EXCLUDED)).sum())
    left_out = {
        "of anchors": int((~real).sum()),
        "labelled excluded": excluded,
        "of other splits": int((real & ~start).sum()) - excluded,
    }
    return Study(
        given=ratings,
        used=used,
        left_out={reason: count for reason, count in left_out.items() if count},
        applied=bool(parsed),
        steps=tuple(steps),
        own_rule=against_relate(ratings),
        summary=summarise(used, None if before is None else ratings.take(before)),
    )


def _tried(ratings: Ratings, start: Mask) -> list[Step]:
    """What each of the usual rules would remove alone."""
    several = len(np.unique(ratings.pairs.index[start])) < start.sum()
    # With one rating a pair there is nothing to be near to.
    return [tried(ratings, start, rule)[1] for rule in usual_rules(ratings) if several or rule.name != "near"]
