"""RAVDESS (Livingstone and Russo 2018, PLoS ONE 13(5): e0196391): 24 actors, eight emotions, two intensities, English.

`Actor_01/03-01-06-01-02-01-12.wav`: modality (03: audio only), channel (01 speech, 02 song), emotion, intensity,
statement, repetition, actor; actors with odd numbers are men.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from clapometer.voice.corpora.corpus import Corpus, SpeechClip

EMOTIONS = ("neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
INTENSITIES = ("normal", "strong")
STATEMENTS = ("Kids are talking by the door", "Dogs are sitting by the door")
_NAME = re.compile(r"0[13]-(0[12])-(0[1-8])-(0[12])-(0[12])-0[12]-(0[1-9]|1\d|2[0-4])")


class RavdessName(NamedTuple):
    """The numbers in a file name, as published: each begins at 1."""

    channel: int
    """1 speech, 2 song."""
    emotion: int
    intensity: int
    statement: int
    actor: int


def parse_name(stem: str) -> RavdessName | None:
    """Parse the name of a file without its extension; None if it is not a name of RAVDESS."""
    found = _NAME.fullmatch(stem)
    return RavdessName(*map(int, found.groups())) if found else None


def _clip(path: Path) -> SpeechClip | str | None:
    name = parse_name(path.stem)
    if name is None:
        return None
    if name.channel == 2:
        return "it is sung"
    return SpeechClip(
        path.as_posix(),
        f"{name.actor:02}",
        EMOTIONS[name.emotion - 1],
        gender="male" if name.actor % 2 else "female",
        intensity=INTENSITIES[name.intensity - 1],
        sentence=STATEMENTS[name.statement - 1],
    )


CORPUS = Corpus("ravdess", "Actor_01/03-01-06-01-02-01-12.wav", lambda _: _clip)
