"""What fine-tuning learns from: pairs of a sound and a text with what listeners said of them, parted without leaks."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from clapometer.errors import SHOWN, BadOption, BadTable, first_of
from clapometer.folders import within
from clapometer.panel.rules import Step, parse_rule, screened
from clapometer.stats.standardise import doubts, standardise
from clapometer.tables.ratings import Ratings
from clapometer.train.parting import FEWEST, Leaks, parted

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = {TRAIN: ("train", "training"), VALIDATION: ("validation", "valid", "val", "dev"), TEST: ("test", "eval")}
"""What splits are called in files of ratings."""

Targets = Literal["mean", "standardised", "listener", "listener-standardised"]
"""What the score of a pair is brought to: the `mean` of its ratings; the same after each listener's own mean and spread
have been taken out (`standardised`); or, each time the pair is heard, what one `listener` said of it, as it is or
standardised (SPO-CLAPScore, Takano et al. 2026, arXiv 2601.02900, which has every rating as an example of its own)."""


@dataclass(frozen=True, eq=False)
class RatedPairs:
    """Pairs, and what listeners said of them.

    Attributes:
        audio: files.
        texts: as many texts.
        clip: (pairs,): the number of the content of each file; the same sound under two names has one.
        mean: (pairs,): mean ratings, 0..1.
        targets: for each pair what its score is brought to, 0..1: one number, or one for each listener.
        ratings: those that the pairs are of.
    """

    audio: tuple[Path, ...]
    texts: tuple[str, ...]
    clip: npt.NDArray[np.int64]
    mean: npt.NDArray[np.float64]
    targets: tuple[npt.NDArray[np.float64], ...]
    ratings: Ratings

    def __len__(self) -> int:
        return len(self.audio)


@dataclass(frozen=True, eq=False)
class Material:
    """A file of ratings, made ready.

    Attributes:
        train, validation: pairs that share no sound and no text.
        test: pairs that neither is made of; None where the file has none.
        steps: what screening removed.
        notes: what is to be known of it, in sentences.
    """

    train: RatedPairs
    validation: RatedPairs
    test: RatedPairs | None
    steps: tuple[Step, ...]
    notes: tuple[str, ...]


def read_material(
    ratings: Ratings,
    *,
    audio_root: str | os.PathLike[str] | None = None,
    screen: Sequence[str] = (),
    targets: Targets = "mean",
    validation_share: float = 0.1,
    seed: int = 0,
) -> Material:
    """Make ratings ready to learn from.

    Rules of screening apply to the ratings for training and validation together. Where the file has a column of splits,
    its `train`, `validation` and `test` are used, and other splits are not; where it has no validation, one is cut from
    training at random, in groups that share sounds or texts. A pair for training whose text is in the validation or the
    test is left out.

    Args:
        ratings: from `clapometer.read_ratings`.
        audio_root: folder of the sounds; default: that of the file.
        screen: rules such as `near=5`, in their order; see `clapometer ratings --help`.
        targets: what the score of a pair is brought to.
        validation_share: of the pairs, where the file has no validation; ten pairs at least.
        seed: of the validation that is cut.

    Raises:
        BadTable: sounds are missing, a sound is in training and in another split, there are too few pairs, or all
            ratings are the same.
        BadOption: a rule or a kind of targets that does not fit the file.
    """
    if targets not in get_args(Targets):
        raise BadOption(f"targets must be one of {', '.join(get_args(Targets))}, not {targets!r}")
    if targets != "mean" and not ratings.has_listeners:
        raise BadOption(f"targets: {ratings.path.name} does not say who rated; take mean, or name that column")
    notes = [*ratings.notes, *_problems(ratings)]
    split, known = _splits(ratings)
    learning = ~ratings.is_anchor & np.isin(split, (TRAIN, VALIDATION))
    if not learning.any():
        raise BadTable(f"{ratings.path}: no rating is in a split for training ({', '.join(known)} are there)")
    keep, steps = screened(ratings, learning, [parse_rule(rule, ratings) for rule in screen])
    keep |= ~ratings.is_anchor & (split == TEST)
    some = replace(ratings.take(keep), split=split[keep].astype(object))
    _check_one_split(some)
    clips = _clips(some, audio_root)
    pair_split, leaks = parted(
        clips, some.pairs.text.tolist(), some.pairs.split.tolist(), validation_share=validation_share, seed=seed
    )
    notes += _told(some, leaks)
    values = _values(some, targets)
    if targets.endswith("standardised"):
        notes += [f"targets {targets}: {doubt}" for doubt in doubts(some.rating, some.pairs.index, some.listeners[0])]
    each = targets.startswith("listener")
    made = {name: _pairs(some, clips, pair_split, name, values, each=each) for name in (TRAIN, VALIDATION, TEST)}
    for name in (TRAIN, VALIDATION):
        if len(made[name]) < FEWEST:
            raise BadTable(
                f"{ratings.path}: {len(made[name])} pairs for {name}; {FEWEST} are needed, and more are better"
            )
    if np.ptp(made[TRAIN].mean) == 0:
        raise BadTable(f"{ratings.path}: every pair for training has the same mean rating; nothing to learn")
    listeners = made[TRAIN].ratings.listeners[1]
    if ratings.has_listeners and len(listeners) == 1:
        notes.append(f"one listener, {listeners[0]}: the model learns one person's ear, not that of listeners")
    if not ratings.scale_stated:
        low, high = ratings.scale
        notes.append(f"the file says no scale: {low:g} to {high:g} as they occur are taken for it; --scale says it")
    return Material(made[TRAIN], made[VALIDATION], made[TEST] if len(made[TEST]) else None, tuple(steps), tuple(notes))


def _splits(ratings: Ratings) -> tuple[npt.NDArray[np.str_], list[str]]:
    """(ratings,): `train`, `validation`, `test` or empty; and the names that the file has for splits."""
    names = list(dict.fromkeys(ratings.split.tolist()))
    known = {name: ours for ours, theirs in SPLITS.items() for name in names if name.casefold() in theirs}
    if names in ([], [""]):
        known = {"": TRAIN}
    return np.array([known.get(name, "") for name in ratings.split.tolist()]), [name for name in names if name]


def _check_one_split(ratings: Ratings) -> None:
    """Raise where ratings of one pair are in several splits."""
    index = ratings.pairs.index
    for number in np.flatnonzero(ratings.split != ratings.pairs.split[index])[:1].tolist():
        first = int(ratings.pairs.first[index[number]])
        raise BadTable(
            f"{ratings.path}: one pair is in two splits, {ratings.split[first]} ({ratings.where(first)}) and "
            f"{ratings.split[number]} ({ratings.where(number)}); give all of its ratings one"
        )


def _problems(ratings: Ratings) -> Iterable[str]:
    for kind, count in ratings.problem_counts().items():
        first = next(problem for problem in ratings.problems if problem.kind == kind)
        yield f"{count} rows: {kind}; {ratings.unit} {first.line}: {first.message}"


def _clips(ratings: Ratings, audio_root: str | os.PathLike[str] | None) -> list[tuple[Path, bytes]]:
    """The file and the content's hash of each pair.

    Raises:
        BadTable: some are not there.
    """
    root = Path(audio_root) if audio_root is not None else ratings.path.parent
    found: dict[str, tuple[Path, bytes]] = {}
    bad = []
    for name, first in zip(ratings.pairs.audio.tolist(), ratings.pairs.first.tolist(), strict=True):
        if name in found:
            continue
        path = Path(within(root, name))
        if not path.is_file():
            bad.append(f"{ratings.where(first)}: {root / name.lstrip('/')}: no such file")
            found[name] = (root / name, b"")
            continue
        with path.open("rb") as file:
            found[name] = Path(os.path.abspath(path)), hashlib.file_digest(file, "sha256").digest()  # noqa: PTH100
    if bad:
        raise BadTable(
            f"{len(bad)} of {len(found)} sounds are missing; say where they are with --audio-root, or remove their "
            f"rows:{first_of(bad)}"
        )
    return [found[name] for name in ratings.pairs.audio.tolist()]


def _told(ratings: Ratings, leaks: Leaks) -> list[str]:
    if leaks.sounds:
        rows = [ratings.where(int(ratings.pairs.first[pair])) for pair in leaks.sounds[:SHOWN]]
        raise BadTable(
            f"{ratings.path}: {len(leaks.sounds)} pairs for training are of sounds that validation or test have too "
            f"({', '.join(rows)}{', ...' if len(leaks.sounds) > SHOWN else ''}); what is found there would mean "
            "nothing: correct the column split"
        )
    notes = []
    if leaks.texts:
        notes.append(f"{len(leaks.texts)} pairs for training left out: validation or test have their texts")
    if leaks.cut:
        notes.append(f"no split for validation: {leaks.cut} pairs were cut from training, which share nothing with it")
    return notes


def _values(ratings: Ratings, targets: Targets) -> npt.NDArray[np.float64]:
    """(ratings,): what each rating says, 0..1; NaN where it says nothing."""
    if not targets.endswith("standardised"):
        return ratings.target
    found = standardise(ratings.rating, ratings.listeners[0])
    if np.isnan(found.mean):
        raise BadOption("targets: no listener has given two different ratings; take mean")
    return np.clip(ratings.mapped(found.mean + found.sd * found.z), 0, 1)


def _pairs(
    ratings: Ratings,
    clips: Sequence[tuple[Path, bytes]],
    parts: npt.NDArray[np.str_],
    name: str,
    values: npt.NDArray[np.float64],
    *,
    each: bool,
) -> RatedPairs:
    own: dict[int, list[float]] = defaultdict(list)
    for pair, value in zip(ratings.pairs.index.tolist(), values.tolist(), strict=True):
        if not np.isnan(value):
            own[pair].append(value)
    kept = [
        pair for pair in np.flatnonzero(parts == name).tolist() if own[pair]
    ]  # standardised, a pair may have nothing left
    those = ratings.take(np.isin(ratings.pairs.index, kept))
    numbers: dict[bytes, int] = {}
    clip = [numbers.setdefault(clips[pair][1], len(numbers)) for pair in kept]
    return RatedPairs(
        audio=tuple(clips[pair][0] for pair in kept),
        texts=tuple(ratings.pairs.text[kept].tolist()),
        clip=np.array(clip, np.int64),
        mean=ratings.mapped(ratings.pairs.mean[kept]),
        targets=tuple(np.array(own[pair] if each else [np.mean(own[pair])]) for pair in kept),
        ratings=replace(those, split=np.full(len(those), name, object)),
    )
