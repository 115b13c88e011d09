"""Pairs parted into training, validation and test, so that no part knows what another is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapometer.errors import BadOption, BadTable

FEWEST = 10
"""Pairs that training, and pairs that validation must have."""


@dataclass(frozen=True)
class Leaks:
    """What would have gone from one part to another, as numbers of pairs for training."""

    sounds: tuple[int, ...]
    """Their sounds are in validation or test."""
    texts: tuple[int, ...]
    """Their texts are; they are in no part."""
    cut: int
    """Pairs of a validation that was cut from training."""


def parted(
    clips: Sequence[tuple[Path, bytes]],
    texts: Sequence[str],
    splits: Sequence[str],
    *,
    validation_share: float,
    seed: int,
) -> tuple[npt.NDArray[np.str_], Leaks]:
    """The part of each pair.

    Args:
        clips: file and hash of each pair's sound.
        texts: of each pair; case and blanks do not count.
        splits: `train`, `validation`, `test` or empty, as the file has them.
        validation_share: of the pairs for training, cut for validation where there is none, ten at least.
        seed: of what is cut.

    Returns:
        (pairs,) as `splits`, empty for those that are left out; and what leaks.

    Raises:
        BadTable: no validation can be cut, for all pairs hang together by sounds or texts.
        BadOption: a share that is none.
    """
    part = np.array(splits, dtype="<U10")
    sounds = np.array([found for _, found in clips], dtype=object)
    said = np.array([" ".join(text.casefold().split()) for text in texts], dtype=object)
    train = part == "train"
    away = (part == "validation") | (part == "test")
    by_sound, by_text = (train & np.isin(keys, keys[away]) for keys in (sounds, said))
    leaks = Leaks(tuple(np.flatnonzero(by_sound).tolist()), tuple(np.flatnonzero(by_text & ~by_sound).tolist()), 0)
    part[by_text] = ""
    if not (part == "validation").any():
        chosen = _cut(sounds, said, np.flatnonzero(part == "train"), validation_share, seed)
        part[chosen] = "validation"
        leaks = Leaks(leaks.sounds, leaks.texts, len(chosen))
    return part, leaks


def _cut(
    sounds: npt.NDArray[np.object_],
    texts: npt.NDArray[np.object_],
    pairs: npt.NDArray[np.int64],
    share: float,
    seed: int,
) -> list[int]:
    """Whole groups of pairs, of at least a share of them: a group holds all that is joined by a sound or a text."""
    if not 0 < share < 1:
        raise BadOption(f"the share of validation must be between 0 and 1, not {share}")
    groups = _groups(sounds[pairs], texts[pairs])
    wanted = max(share * len(pairs), FEWEST)
    chosen: list[int] = []
    order = np.random.default_rng((seed, 2)).permutation(len(groups))
    for number in order:
        # A group that would make it more than twice as large as wanted, or the larger half, stays where it is.
        if len(chosen) < wanted and len(chosen) + len(groups[number]) <= min(2 * wanted, len(pairs) / 2):
            chosen += pairs[groups[number]].tolist()
    if len(chosen) < wanted / 2:
        largest = max(map(len, groups), default=0)
        raise BadTable(
            f"no validation can be cut: {largest} of {len(pairs)} pairs hang together, for they share sounds or texts; "
            "add a column split with `train` and `validation`, which have no sound in common"
        )
    return sorted(chosen)


def _groups(sounds: npt.NDArray[np.object_], texts: npt.NDArray[np.object_]) -> list[npt.NDArray[np.int64]]:
    """Places that hang together, as arrays, in the order of their first."""
    root = list(range(len(sounds)))

    def find(place: int) -> int:
        while root[place] != place:
            root[place] = root[root[place]]
            place = root[place]
        return place

    for keys in (sounds, texts):
        first: dict[object, int] = {}
        for place, key in enumerate(keys.tolist()):
            one, other = find(first.setdefault(key, place)), find(place)
            root[max(one, other)] = min(one, other)
    roots = np.array([find(place) for place in range(len(root))], np.int64)
    return [np.flatnonzero(roots == number) for number in np.unique(roots)]
