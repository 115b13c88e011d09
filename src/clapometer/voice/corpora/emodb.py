"""EmoDB, the Berlin database of emotional speech (Burkhardt et al. 2005): ten actors, seven emotions, German.

`wav/03a01Fa.wav`: speaker 03, sentence a01, emotion F (Freude), version a.
"""

from __future__ import annotations

import re
from pathlib import Path

from clapometer.voice.corpora.corpus import Corpus, SpeechClip

EMOTIONS = {
    "W": "anger",  # Wut
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fear",  # Angst
    "F": "happiness",  # Freude
    "T": "sadness",  # Trauer
    "N": "neutral",
}
SPEAKERS = {
    "03": ("male", "31"),
    "08": ("female", "34"),
    "09": ("female", "21"),
    "10": ("male", "32"),
    "11": ("male", "26"),
    "12": ("male", "30"),
    "13": ("female", "32"),
    "14": ("female", "35"),
    "15": ("male", "25"),
    "16": ("female", "31"),
}
"""Gender and age."""
_NAME = re.compile(r"(\d\d)([ab]\d\d)([WLEAFTN])[a-z]")


def _clip(path: Path) -> SpeechClip | None:
    found = _NAME.fullmatch(path.stem)
    if not found or found[1] not in SPEAKERS:
        return None
    gender, age = SPEAKERS[found[1]]
    return SpeechClip(path.as_posix(), found[1], EMOTIONS[found[3]], gender=gender, age=age, sentence=found[2])


CORPUS = Corpus("emodb", "wav/03a01Fa.wav", lambda _: _clip)
