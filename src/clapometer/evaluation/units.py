"""Units of resampling: pairs, all pairs of a sound, of a text or of a value of a column, listeners."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from clapometer.errors import BadOption
from clapometer.stats.bootstrap import BOTH, FEWEST_UNITS, LISTENERS, PAIRS, Design, Votes, Way
from clapometer.stats.options import AUTO

AUDIO, TEXT = "audio", "text"
NAMES = {AUDIO: "sounds", TEXT: "texts"}


def design(
    drawn: str,
    audio: Sequence[str],
    text: Sequence[str],
    votes: Votes | None,
    column: Callable[[str], Sequence[str]],
) -> Design:
    """The design of a choice of `--resample`.

    `auto` draws sounds with all their pairs where sounds stand in several pairs, texts likewise, and both where both
    do; fewer than three sounds or texts cannot be drawn, and intervals are then for these.

    Args:
        drawn: as in `Resamples.drawn`.
        audio: (pairs,).
        text: (pairs,), the same for all where there are none.
        votes: the single ratings, to draw listeners; None where it is not known whose they are.
        column: the values of a column, one per pair.

    Raises:
        BadOption: no such column, a pair without a value there, listeners that are not known, or fewer than three
            units.
    """
    texts = [" ".join(one.split()) for one in text]
    n = len(audio)
    repeated = [
        name
        for name, values in ((AUDIO, audio), (TEXT, texts))
        if FEWEST_UNITS <= len({*values}) < n
    ]  # fmt: skip
    if drawn in (LISTENERS, BOTH) and votes is None:
        raise BadOption("listeners can only be drawn where the ratings say whose they are; draw pairs, audio or text")
    if drawn == LISTENERS and votes is not None:
        return Design("listeners with all their ratings", (Way(votes=votes),))
    if drawn == BOTH and votes is not None:
        # One way only besides the listeners: sounds rather than texts.
        first = repeated[0] if repeated else PAIRS
        each = Votes(votes.pair, np.arange(len(votes.pair)), votes.rating)
        ways = (_way(first, audio, texts, column), Way(votes=votes), Way(votes=each))
        return Design(f"{_words(first)} and listeners", ways)
    if drawn != AUTO:
        way = _way(drawn, audio, texts, column)
        if way.count() < FEWEST_UNITS:
            raise BadOption(
                f"--resample {drawn}: {way.count()} of them are too few to be drawn; at least {FEWEST_UNITS}"
            )
        return Design(_words(drawn), (way,))
    if len(repeated) == 2:
        both = tuple(_way(name, audio, texts, column) for name in (*repeated, PAIRS))
        return Design(f"{_words(AUDIO)}, and {_words(TEXT)}", both)
    first = repeated[0] if repeated else PAIRS
    return Design(_words(first), (_way(first, audio, texts, column),))


def _way(name: str, audio: Sequence[str], text: Sequence[str], column: Callable[[str], Sequence[str]]) -> Way:
    if name == PAIRS:
        return Way(np.arange(len(audio)))
    values = {AUDIO: audio, TEXT: text}.get(name) or column(name)
    bare = sum(not value for value in values)
    if bare:
        raise BadOption(f"--resample {name}: {bare} of {len(values)} pairs have no {name}; each must belong to one")
    return Way(np.unique(np.asarray(values), return_inverse=True)[1].reshape(-1).astype(np.int64))


def _words(name: str) -> str:
    if name == PAIRS:
        return "pairs"
    return f"{NAMES.get(name, f'values of {name}')} with all their pairs"
