"""What an evaluation found, in sentences that can stand in a paper."""

from __future__ import annotations

import math
from itertools import combinations

from clapometer.evaluation.result import ALL, BETWEEN, GENERATOR, WITHIN, Difference, Evaluation
from clapometer.stats.bootstrap import Estimate

DRAWN = {
    "clips": "pairs drawn with replacement",
    "listeners": "listeners drawn with replacement, with all their ratings",
    "both": "pairs and listeners drawn with replacement",
}


def verdicts(found: Evaluation) -> list[str]:
    """A sentence for every two score files, the better first, with what holds within systems."""
    sentences = []
    for first, second in combinations(found.names, 2):
        overall = _difference(found, first, second, ALL)
        sentence = _verdict(overall, found.resamples.level)
        inner = _difference(found, first, second, WITHIN)
        if inner is not None and math.isfinite(inner.srcc.value):
            sentence += " " + _within(overall, inner)
        sentences.append(sentence)
    return sentences


def against_trivial(found: Evaluation) -> list[str]:
    """For each score file whether it says more than the name of the system does."""
    sentences = []
    for name in found.names:
        difference = _difference(found, name, GENERATOR, ALL)
        if difference is None or not math.isfinite(difference.srcc.value):
            continue
        srcc = difference.srcc
        than = f"a predictor that knows only which system made the sound (SRCC {_srcc(found, GENERATOR):.3f})"
        interval = _interval(srcc, found.resamples.level)
        if not srcc.is_clear:
            sentences.append(f"{name} cannot be told from {than}: {signed(srcc)} SRCC, {interval}.")
        else:
            how = "better" if srcc.low > 0 else "worse"
            sentences.append(f"{name} agrees {how} than {than}: {signed(srcc)} SRCC, {interval}.")
    return sentences


def headline(found: Evaluation) -> str:
    """How far each file agrees, best first."""
    names = sorted(found.names, key=lambda name: -_sortable(_srcc(found, name)))
    told = [f"{name} {figure(found.row(name).srcc)}" for name in names]
    level = f"{found.resamples.level * 100:g} %"
    return f"SRCC with the listeners' mean rating on {len(found.pairs):,} pairs ({level} interval): {'; '.join(told)}."


def verdict(found: Evaluation) -> str:
    """The answer in one sentence: which is better, by how much, and whether that is more than chance."""
    if len(found.files) == 1:
        name = found.names[0]
        srcc = found.row(name).srcc
        if not math.isfinite(srcc.value):
            return f"{name}: no agreement can be computed, since its scores or the ratings are all the same."
        level = f"{found.resamples.level * 100:g} % interval {number(srcc.low)} to {number(srcc.high)}"
        ordered = "orders the pairs as listeners do" if srcc.low > 0 else "cannot be told from chance"
        return f"{name} {ordered}: SRCC {number(srcc.value)}, {level}."
    names = sorted(found.names, key=lambda name: -_sortable(_srcc(found, name)))
    return _verdict(_difference(found, names[0], names[1], ALL), found.resamples.level)


def methods(found: Evaluation) -> str:
    """A paragraph for a paper."""
    pairs, ratings, resamples = found.pairs, found.ratings, found.resamples
    low, high = ratings.scale
    splits = f" of the split{'s' * (len(found.splits) > 1)} {' and '.join(found.splits)}" if found.splits else ""
    listeners = f" by {len(ratings.listeners[1]):,} listeners" if ratings.has_listeners else ""
    systems = "; figures within systems are means over the systems, weighted by their pairs" if found.systems else ""
    single = int((pairs.count == 1).sum())
    compared = (
        f"Scores were compared with {len(ratings):,} ratings{listeners} of {len(pairs):,} pairs of a sound and a text"
        f"{splits} ({ratings.path.name}; scale {low:g} to {high:g}; {pairs.count.mean():.2f} ratings a pair on "
        f"average, {single:,} pairs with one; ratings of anchors left out)."
    )
    measured = (
        f"The mean rating of each pair and its score were mapped to 0..1 (scores from {found.score_scale[0]:g} to "
        f"{found.score_scale[1]:g}); agreement is Spearman's rank correlation (SRCC), Pearson's correlation (LCC), "
        f"Kendall's tau-b (KTAU) and mean squared error (MSE){systems}."
    )
    resampled = (
        f"Intervals are {resamples.level * 100:g} % bootstrap intervals ({resamples.number:,} resamples, "
        f"{DRAWN[resamples.drawn]}, seed {resamples.seed}); differences are taken within each resample, on the same "
        "pairs."
    )
    sentences = [compared, measured, resampled]
    if GENERATOR in {row.predictor for row in found.rows}:
        fitted = " and ".join(found.training)
        on = f"the split{'s' * (len(found.training) > 1)} {fitted}" if fitted else "the evaluated pairs themselves"
        sentences.append(
            "For comparison, a predictor that knows only which system made the sound gives the mean rating of that "
            f"system on {on}; the constant predictor gives the mean of the evaluated ratings."
        )
    if found.ceiling:
        sentences.append("The ceiling is what a perfect predictor of the true mean could reach, given how far "
                         "listeners differ.")  # fmt: skip
    if found.calibrated:
        sentences.append(
            "Maps from scores to ratings are isotonic regressions on the training split; their MSE is that on the "
            "evaluated pairs."
        )
    if len(found.files) > 2:
        count = len(found.files) * (len(found.files) - 1) // 2
        sentences.append(f"Intervals of the {count} differences are not widened for their number.")
    return " ".join(sentences)


def figure(estimate: Estimate) -> str:
    """`0.457 (0.424 to 0.489)`; without an interval where there is none, and a dash where there is no figure."""
    if not math.isfinite(estimate.value):
        return "\u2013"
    if not math.isfinite(estimate.low):
        return number(estimate.value)
    return f"{number(estimate.value)} ({number(estimate.low)} to {number(estimate.high)})"


def number(value: float, decimals: int = 3) -> str:
    """With a true minus sign and never minus nothing; a dash for what is not known."""
    if not math.isfinite(value):
        return "\u2013"
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "\u2212")


def signed(estimate: Estimate, decimals: int | None = None) -> str:
    """A difference with its sign."""
    decimals = _decimals(estimate) if decimals is None else decimals
    shown = number(estimate.value, decimals)
    return shown if shown.startswith("\u2212") else f"+{shown}"


def _verdict(difference: Difference | None, level: float) -> str:
    if difference is None or not math.isfinite(difference.srcc.value):
        names = "" if difference is None else f"{difference.first} and {difference.second}: "
        return f"{names}no difference can be computed, since scores or ratings are all the same."
    srcc, first, second = difference.srcc, difference.first, difference.second
    if srcc.value < 0:
        first, second, srcc = second, first, _turned(srcc)
    told = f"{signed(srcc)} SRCC, {_interval(srcc, level)}"
    if not math.isfinite(srcc.low):
        return f"{first} agrees better than {second}: {signed(srcc)} SRCC; too few pairs for an interval."
    if srcc.is_clear:
        return f"{first} agrees better than {second}: {told}."
    return f"{first} and {second} cannot be told apart: {told}, which includes 0."


def _within(overall: Difference | None, inner: Difference) -> str:
    srcc = inner.srcc
    if overall is not None and overall.srcc.value < 0:
        srcc = _turned(srcc)
    told = f"{signed(srcc)}, {number(srcc.low, _decimals(srcc))} to {number(srcc.high, _decimals(srcc))}"
    if srcc.low > 0:
        return f"Within systems too ({told})."
    if srcc.high < 0:
        return f"Within systems it is the other way round ({told})."
    return f"Within systems they cannot be told apart ({told})."


def _turned(estimate: Estimate) -> Estimate:
    return Estimate(-estimate.value, -estimate.high, -estimate.low)


def _interval(estimate: Estimate, level: float) -> str:
    decimals = _decimals(estimate)
    return f"{level * 100:g} % interval {number(estimate.low, decimals)} to {number(estimate.high, decimals)}"


def _decimals(estimate: Estimate) -> int:
    """Two, or three where two would show a bound as the 0 that it is not."""
    return 3 if any(0 < abs(value) < 0.005 for value in (estimate.value, estimate.low, estimate.high)) else 2


def _difference(found: Evaluation, first: str, second: str, breakdown: str) -> Difference | None:
    for difference in found.differences:
        if (difference.first, difference.second, difference.breakdown) == (first, second, breakdown):
            return difference
        if (difference.second, difference.first, difference.breakdown) == (first, second, breakdown):
            return Difference(
                first, second, breakdown, difference.group, *map(_turned, (difference.srcc, difference.lcc)),
                *map(_turned, (difference.ktau, difference.mse)),
            )  # fmt: skip
    return None


def _srcc(found: Evaluation, name: str) -> float:
    return found.row(name).srcc.value


def _sortable(value: float) -> float:
    return value if math.isfinite(value) else -math.inf


ORDER = (ALL, WITHIN, BETWEEN)
"""Of the breakdowns that every evaluation has; others follow."""
