"""IEMOCAP (Busso et al. 2008, Language Resources and Evaluation 42, 335-359): ten actors in five dialogues, English.

`Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav`: the letter before the number is the gender of the
speaker (the letter after the session is that of the actor with motion sensors). Emotions are in
`Session1/dialog/EmoEvaluation/*.txt`, in lines such as
`[6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]`
(valence, activation, dominance).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from clapometer.errors import BadOption
from clapometer.voice.corpora.corpus import Corpus, SpeechClip

EMOTIONS = {
    "ang": "anger",
    "dis": "disgust",
    "exc": "excitement",
    "fea": "fear",
    "fru": "frustration",
    "hap": "happiness",
    "neu": "neutral",
    "oth": "other",
    "sad": "sadness",
    "sur": "surprise",
}
NO_AGREEMENT = "xxx"
_NAME = re.compile(r"(Ses0[1-5])[FM]_(?:impro|script)\w*_([FM])\d{3}")
_NUMBER = r"(-?[\d.]+)"
_LINE = re.compile(rf"\[[\d. -]+\]\s+(\S+)\s+([a-z]{{3}})\s+\[{_NUMBER},\s*{_NUMBER},\s*{_NUMBER}\]", re.MULTILINE)


def _prepare(root: Path) -> Callable[[Path], SpeechClip | str | None]:
    labelled = {
        line[1]: line.groups()[1:]
        for path in sorted(root.glob("Session*/dialog/EmoEvaluation/*.txt"))
        if not path.name.startswith(".")
        for line in _LINE.finditer(path.read_text(encoding="utf-8", errors="replace"))
    }
    if not labelled:
        raise BadOption(f"{root}: no line of Session*/dialog/EmoEvaluation/*.txt has an emotion; unpack IEMOCAP again")

    def clip(path: Path) -> SpeechClip | str | None:
        found = _NAME.fullmatch(path.stem)
        if not found:
            return "it is a whole dialogue" if "dialog" in path.parts else None
        if path.stem not in labelled:
            return "it has no evaluation"
        code, valence, activation, dominance = labelled[path.stem]
        if code == NO_AGREEMENT:
            return "the annotators do not agree"
        if code not in EMOTIONS:
            return f"its emotion {code!r} is unknown"
        return SpeechClip(
            path.as_posix(),
            found[1] + found[2],
            EMOTIONS[code],
            gender="female" if found[2] == "F" else "male",
            arousal=activation,
            valence=valence,
            dominance=dominance,
        )

    return clip


CORPUS = Corpus(
    "iemocap",
    "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
    _prepare,
    marks=("Session1", "Session2", "Session3", "Session4", "Session5"),
)
