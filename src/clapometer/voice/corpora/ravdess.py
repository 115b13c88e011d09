"""RAVDESS (Livingstone and Russo 2018, PLoS ONE 13(5): e0196391): 24 actors, eight emotions, two strengths, English.

`Actor_01/03-01-06-01-02-01-12.wav`: modality (03: sound alone), channel (01 speech, 02 song), emotion, intensity,
statement, repetition, actor; actors of odd numbers are men.
"""

from __future__ import annotations

import re
from pathlib import Path

from clapometer.voice.corpora.corpus import Corpus, SpeechClip

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
INTENSITIES = {"01": "normal", "02": "strong"}
STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
_NAME = re.compile(r"0[13]-(0[12])-(0[1-8])-(0[12])-(0[12])-0[12]-(\d\d)")


def _clip(path: Path) -> SpeechClip | str | None:
    found = _NAME.fullmatch(path.stem)
    if not found or not 1 <= int(found[5]) <= 24:
        return None
    channel, emotion, intensity, statement, actor = found.groups()
    if channel == "02":
        return "it is sung"
    return SpeechClip(
        path.as_posix(),
        actor,
        EMOTIONS[emotion],
        gender="male" if int(actor) % 2 else "female",
        intensity=INTENSITIES[intensity],
        sentence=STATEMENTS[statement],
    )


CORPUS = Corpus("ravdess", "Actor_01/03-01-06-01-02-01-12.wav", lambda _: _clip)
