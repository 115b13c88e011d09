"""The names of splits: one list with synonyms, for every command that reads a column `split`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

Split = Literal["train", "validation", "test"]
TRAIN, VALIDATION, TEST = get_args(Split)
EXCLUDED = "excluded"
"""The name of no split: RELATE gives it to ratings that it does not use."""
SYNONYMS: Mapping[str, Split] = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
"""What splits are called in published files, case folded, and which split that is."""


def canonical_split(name: str) -> str:
    """The split that a name stands for: `train`, `validation`, `test`, or the case-folded name itself.

    Example:
        >>> canonical_split("Training"), canonical_split("dev"), canonical_split("pilot")
        ('train', 'validation', 'pilot')
    """
    folded = name.strip().casefold()
    return SYNONYMS.get(folded, folded)


def splits_named(wanted: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Which of the names that a file has for its splits are meant by some names; case and synonyms do not matter.

    A name of the file itself stands for that split alone, whatever it is a synonym of.
    """
    known = tuple(known)
    meant: dict[str, None] = {}
    for name in wanted:
        exact = [one for one in known if one == name]
        meant |= dict.fromkeys(exact or [one for one in known if canonical_split(one) == canonical_split(name)])
    return tuple(meant)
