"""EmoDB (Burkhardt et al. 2005): emotions of ten German actors."""

from __future__ import annotations

import re

from clapometer.tasks.folder import Folder
from clapometer.tasks.task import Clip, Layout, Seen, Task, Template

LETTERS = {
    "W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness", "N": "neutral", "T": "sadness",
}  # fmt: skip
WORDS = {
    "anger": "angry", "boredom": "bored", "disgust": "disgusted", "fear": "fearful", "happiness": "happy",
    "neutral": "neutral", "sadness": "sad",
}  # fmt: skip
DRAWING = """
emodb/
  wav/03a01Fa.wav    (speaker, sentence, emotion by its German letter, version)
"""
_NAME = re.compile(r"(\d\d)[ab]\d\d([WLEAFNT])[a-z]?\.\w+$")


def _read(folder: Folder) -> list[Clip]:
    clips = []
    for path in folder.files("wav/*.*"):
        found = _NAME.search(path)
        if found is None:
            raise folder.wrong(f"{path} is not called like 03a01Fa.wav")
        clips.append(Clip(path, (LETTERS[found[2]],), fold=found[1]))
    return clips


EMODB = Task(
    name="emodb",
    title="EmoDB",
    domain="emotions",
    metric="uar",
    labels=tuple(WORDS),
    words=WORDS,
    templates=(
        Template("this person is feeling {}", "KeiKinn/ParaCLAP, evaluate.py, for IEMOCAP"),
        Template("a person speaks in a {} voice", "clapometer"),
    ),
    counts={"clips": 535, "classes": 7, "folds": 10},
    protocol="zero-shot on all speakers; supervised with one of the ten left out at a time",
    layouts=(Layout("the published folder", DRAWING, ("wav",), _read),),
    folders=("emodb", "EmoDB"),
    where="http://emodb.bilderbar.info/download/",
    licence="free for research",
    seen={
        "mini": Seen("speakers 03, 08, 09, 10, 11, 12; measure it on --fold 13, 14, 15, 16", ("13", "14", "15", "16"))
    },
)
