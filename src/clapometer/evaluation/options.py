"""Options of `evaluate`. Imports nothing that takes time, for `--help`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from clapometer.errors import BadOption
from clapometer.ratings.options import RatingOptions
from clapometer.stats.options import ResampleOptions
from clapometer.tables.splits import TRAIN
from clapometer.types import option, parse_names, parse_range

EVENT = "event"
NATURAL = ("natural", "gt", "ground truth", "ground_truth", "ground-truth", "real", "original", "reference", "recorded")
"""Systems that are recordings; case does not matter."""


@dataclass(frozen=True)
class EvaluationOptions(RatingOptions):
    """Which pairs are evaluated, and how.

    Raises:
        BadOption: `events` without the breakdown `event`.
    """

    by: tuple[str, ...] = option(
        (),
        "Break the metrics down by a column of the ratings or scores; `event`: by the kinds of sound events that the "
        "captions name. May be given several times.",
        metavar="COLUMN",
    )
    events: Path | None = option(None, "Word list of --by event (TOML); default: that of the package.", metavar="FILE")
    split: tuple[str, ...] = option(
        (),
        "Splits to evaluate, separated by commas, or `all`; default: all but train and excluded. Case and synonyms "
        "(`dev` for `validation`) do not matter.",
        metavar="NAMES",
        parse=parse_names,
    )
    train: tuple[str, ...] = option(
        (TRAIN,),
        "Splits to fit calibration and trivial baselines on.",
        metavar="NAMES",
        parse=parse_names,
    )
    include_seen: bool = option(
        False, "Evaluate pairs that the model was trained on or selected by, too, and mark every metric."
    )
    score_column: str = option("score", "Column of the scores.", metavar="COLUMN")
    score_scale: tuple[float, float] | None = option(
        None,
        "Lowest and highest possible score, for the MSE; default: 0,1, and for a column `rating` the listeners'.",
        metavar="LOW,HIGH",
        parse=parse_range,
    )
    natural: tuple[str, ...] = option(NATURAL, "Systems that are recordings.", metavar="NAMES", parse=parse_names)
    ceiling: bool = option(True, "Compute the noise ceiling, which takes seconds.")
    resamples: ResampleOptions = field(default_factory=ResampleOptions)
    """Of the confidence intervals."""

    def __post_init__(self) -> None:
        if self.events is not None and EVENT not in self.by:
            raise BadOption("--events is the word list of --by event; give both")
