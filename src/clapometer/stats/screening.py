"""Which ratings to trust: rules with names, each of which says what it keeps and changes nothing else.

A rule looks at ratings as columns: `rating`, and the numbers of its `pair` and its `listener`. It gives a mask, so that
rules can be compared, or applied one after the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from clapometer.errors import BadOption
from clapometer.types import BoolArray, FloatArray, IndexArray

FEWEST_SHARED = 5
"""Pairs that a listener must share with others before a correlation with them is taken for one."""
FEWEST_RATINGS = 10
"""Ratings that a listener must have given before giving the same always means something: of three, every tenth honest
listener gives the same three where ratings crowd at one end of the scale."""


@dataclass(frozen=True, eq=False)
class Screened:
    """What a rule keeps."""

    keep: BoolArray
    """(ratings,)"""
    judged: BoolArray
    """(ratings,): which ratings the rule could judge; the others are kept, or not, as the rule says."""


def by_anchors(
    rating: FloatArray, listener: IndexArray, anchor: BoolArray, limit: FloatArray | float, *, mean: bool = False
) -> Screened:
    """Keep the ratings of listeners whose ratings of anchors do not exceed a limit, as a sum or on average.

    Anchors are pairs that do not match, which an attentive listener rates near the lowest rating. RELATE (Kanamori et
    al. 2025) has three for each listener, on a scale that begins at 0; its limits are sums, 5 for sounds of AudioCaps'
    train and 2 for its test. The mean serves any number of anchors, and any scale if ratings are given as shares of
    its range. A listener without anchors cannot be judged and is kept. Ratings of anchors are kept as their listener's
    others.

    Args:
        rating: (ratings,), of anchors too.
        listener: (ratings,): the number of the listener.
        anchor: (ratings,): which are of anchors.
        limit: the highest sum or mean that is allowed, one for all, or (ratings,).
        mean: whether the limit is one of the mean.

    Raises:
        BadOption: there are no anchors.
    """
    if not anchor.any():
        raise BadOption("screening by anchors: no rating is of an anchor; the file needs a column that marks them")
    listeners = int(listener.max()) + 1
    count = np.bincount(listener[anchor], minlength=listeners)
    total = np.bincount(listener[anchor], rating[anchor], minlength=listeners)
    found = total / np.maximum(count, 1) if mean else total
    # 0.1 + 0.2 is a little more than 0.3.
    too_high = found[listener] > limit + 1e-12 * np.maximum(1, np.abs(limit))
    judged = (count > 0)[listener]
    return Screened(~too_high | ~judged, judged)


def near_another(rating: FloatArray, pair: IndexArray, distance: float) -> Screened:
    """Keep a rating if another rating of the same pair is at most so far from it.

    As in SPO-CLAPScore (Takano et al. 2026), with 5 on a scale of 0 to 10. As there, the only rating of a pair has no
    other near it and is not kept; it counts as not judged.

    Args:
        rating: (ratings,)
        pair: (ratings,): the number of the pair.
        distance: on the scale of the ratings, 0 or more.

    Raises:
        BadOption: a distance below 0.
    """
    if not distance >= 0:
        raise BadOption(f"screening by nearness: the distance is {distance:g}; give 0 or more")
    order = np.lexsort((rating, pair))
    gaps = np.where(np.diff(pair[order]) == 0, np.diff(rating[order]), math.inf)
    around = np.minimum(np.append(gaps, math.inf), np.append(math.inf, gaps))
    keep = np.empty(len(rating), bool)
    # 5.1 - 0.1 is a little more than 5.
    keep[order] = around <= distance * (1 + 1e-12)
    return Screened(keep, (np.bincount(pair) > 1)[pair])


def like_the_rest(
    rating: FloatArray, pair: IndexArray, listener: IndexArray, least: float, *, shared: int = FEWEST_SHARED
) -> Screened:
    """Keep the ratings of listeners who correlate with the mean of the others on the same pairs.

    Listeners who share fewer pairs with others than `shared`, or for whom either side is constant, cannot be judged
    and are kept.

    Args:
        rating: (ratings,)
        pair: (ratings,): the number of the pair.
        listener: (ratings,): the number of the listener, who rated each pair once.
        least: the lowest correlation (Pearson) that is enough, -1 to 1.
        shared: pairs that a listener must share with others to be judged.

    Raises:
        BadOption: a correlation that is none.
    """
    if not -1 <= least <= 1:
        raise BadOption(f"screening by correlation: {least:g} is no correlation; give -1 to 1")
    correlation = correlations_with_rest(rating, pair, listener, shared=shared)[listener]
    judged = ~np.isnan(correlation)
    return Screened(~judged | (np.nan_to_num(correlation) >= least), judged)


def correlations_with_rest(
    rating: FloatArray, pair: IndexArray, listener: IndexArray, *, shared: int = FEWEST_SHARED
) -> FloatArray:
    """Each listener's correlation with the mean of the others, (listeners,); NaN where it is undefined."""
    count = np.bincount(pair)[pair]
    several = count > 1
    who = listener[several]
    own = rating[several]
    rest = (np.bincount(pair, rating)[pair][several] - own) / (count[several] - 1)
    listeners = int(listener.max()) + 1 if len(listener) else 0
    pairs = np.bincount(who, minlength=listeners)

    def centred(values: FloatArray) -> FloatArray:
        mean = np.bincount(who, values, minlength=listeners) / np.maximum(pairs, 1)
        left = values - mean[who]
        left[np.abs(left) < 1e-12 * max(1.0, float(np.abs(values).max(initial=0)))] = 0
        return left

    x, y = centred(own), centred(rest)
    above, xx, yy = (np.bincount(who, each, minlength=listeners) for each in (x * y, x * x, y * y))
    with np.errstate(divide="ignore", invalid="ignore"):
        found: FloatArray = np.where((pairs >= shared) & (xx > 0) & (yy > 0), above / np.sqrt(xx * yy), math.nan)
    return found


def not_constant(rating: FloatArray, listener: IndexArray, *, fewest: int = FEWEST_RATINGS) -> Screened:
    """Keep the ratings of listeners who did not give the same rating always.

    Listeners with fewer than `fewest` ratings cannot be judged and are kept.

    Args:
        rating: (ratings,), without those of anchors.
        listener: (ratings,): the number of the listener.
        fewest: ratings that a listener must have given to be judged.
    """
    listeners = int(listener.max()) + 1 if len(listener) else 0
    lowest, highest = np.full(listeners, math.inf), np.full(listeners, -math.inf)
    np.minimum.at(lowest, listener, rating)
    np.maximum.at(highest, listener, rating)
    judged = np.bincount(listener, minlength=listeners) >= fewest
    return Screened((~judged | (lowest < highest))[listener], judged[listener])
