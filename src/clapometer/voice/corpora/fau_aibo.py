"""FAU Aibo with the splits of the Interspeech 2009 emotion challenge (Steidl 2009; Schuller et al. 2009): children,
German.

`wav/Mont_01_000_00.wav`: school (Ohm: training, Mont: test), child, turn, chunk. Emotions are in
`labels/IS2009EmotionChallenge/chunk_labels_2cl_corpus.txt` and `..._5cl_corpus.txt`, in lines such as
`Mont_01_000_00 IDL 0.666667`. Children are numbered separately in each school.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from clapometer.errors import BadOption
from clapometer.voice.corpora.corpus import Corpus, SpeechClip

LABELS = "labels/IS2009EmotionChallenge"
TWO = {"NEG": "negative", "IDL": "non-negative"}
FIVE = {"A": "anger", "E": "emphatic", "N": "neutral", "P": "motherese", "R": "rest"}
SPLITS = {"Ohm": "train", "Mont": "test"}
_NAME = re.compile(r"(Ohm|Mont)_(\d\d)_\d+_\d+")


def _corpus(classes: int, emotions: dict[str, str]) -> Corpus:
    labels = f"{LABELS}/chunk_labels_{classes}cl_corpus.txt"

    def prepare(root: Path) -> Callable[[Path], SpeechClip | str | None]:
        labelled: dict[str, str] = {}
        for number, line in enumerate((root / labels).read_text(encoding="utf-8").splitlines(), 1):
            name, code, *_ = [*line.split(), "", ""]
            if name and code not in emotions:
                raise BadOption(f"{root / labels} line {number}: {code!r} is not one of {', '.join(emotions)}")
            labelled[name] = code

        def clip(path: Path) -> SpeechClip | str | None:
            found = _NAME.fullmatch(path.stem)
            if not found:
                return None
            if path.stem not in labelled:
                return "it has no label"
            return SpeechClip(
                path.as_posix(), f"{found[1]}_{found[2]}", emotions[labelled[path.stem]], split=SPLITS[found[1]]
            )

        return clip

    return Corpus(f"fau-aibo-{classes}cl", "wav/Mont_01_000_00.wav", prepare, marks=(labels,))


TWO_CLASSES = _corpus(2, TWO)
FIVE_CLASSES = _corpus(5, FIVE)
