"""TESS, the Toronto emotional speech set (Pichora-Fuller and Dupuis 2020): two women, 26 and 64 years old, English.

`OAF_angry/OAF_back_angry.wav`: the older (OAF) or the younger (YAF) speaker, word, emotion (`ps`: pleasant
surprise). Two speakers are too few for an interval over speakers.
"""

from __future__ import annotations

import re
from pathlib import Path

from clapometer.voice.corpora.corpus import Corpus, SpeechClip

EMOTIONS = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "ps": "surprise",
    "sad": "sadness",
}
AGES = {"OAF": "64", "YAF": "26"}
_NAME = re.compile(r"(OAF?|YAF)_([a-z]+)_([a-z]+)", re.IGNORECASE)
"""One published name begins with `OA_`."""


def _clip(path: Path) -> SpeechClip | None:
    found = _NAME.fullmatch(path.stem)
    if not found or found[3].lower() not in EMOTIONS:
        return None
    speaker = "YAF" if found[1].upper() == "YAF" else "OAF"
    emotion = EMOTIONS[found[3].lower()]
    return SpeechClip(
        path.as_posix(), speaker, emotion, gender="female", age=AGES[speaker], sentence=f"Say the word {found[2]}"
    )


CORPUS = Corpus("tess", "OAF_angry/OAF_back_angry.wav", lambda _: _clip)
