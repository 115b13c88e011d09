"""CREMA-D (Cao et al. 2014, IEEE Trans. Affective Computing 5, 377-390): 91 actors, six emotions, English.

`AudioWAV/1001_DFA_ANG_XX.wav`: actor, sentence, emotion, intensity (LO, MD, HI, or XX for unspecified). Gender and age
are in `VideoDemographics.csv`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

from clapometer.errors import BadOption
from clapometer.voice.corpora.corpus import Corpus, SpeechClip

EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "XX": "", "X": ""}
"""One published name has a single X."""
DEMOGRAPHICS = "VideoDemographics.csv"
_NAME = re.compile(r"(1\d{3})_([A-Z]{3})_([A-Z]{3})_(LO|MD|HI|XX?)")


def _prepare(root: Path) -> Callable[[Path], SpeechClip | None]:
    path = root / DEMOGRAPHICS
    actors: dict[str, tuple[str, str]] = {}
    if path.is_file():
        with path.open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                try:
                    actors[row["ActorID"]] = (row["Sex"].strip().lower(), row["Age"].strip())
                except (KeyError, AttributeError) as error:
                    raise BadOption(f"{path}: a row lacks ActorID, Age or Sex; download the file again") from error

    def clip(path: Path) -> SpeechClip | None:
        found = _NAME.fullmatch(path.stem)
        if not found or found[3] not in EMOTIONS:
            return None
        gender, age = actors.get(found[1], ("", ""))
        return SpeechClip(
            path.as_posix(),
            found[1],
            EMOTIONS[found[3]],
            gender=gender,
            age=age,
            intensity=INTENSITIES[found[4]],
            sentence=found[2],
        )

    return clip


CORPUS = Corpus("crema-d", "AudioWAV/1001_DFA_ANG_XX.wav", _prepare, marks=("AudioWAV", DEMOGRAPHICS, "1*_*_*_*.wav"))
