"""CREMA-D (Cao et al. 2014): emotions of 91 actors."""

from __future__ import annotations

from clapometer.tasks.folder import Folder, in_folds
from clapometer.tasks.hear import hear_layout
from clapometer.tasks.task import Clip, Layout, Published, Task, Template

WORDS = {"ANG": "angry", "DIS": "disgusted", "FEA": "fearful", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
DRAWING = """
CREMA-D/
  AudioWAV/1001_DFA_ANG_XX.wav    (actor, sentence, emotion, strength)
"""


def _read(folder: Folder) -> list[Clip]:
    paths = folder.files("AudioWAV/*_*_*_*.wav")
    parts = [path.rpartition("/")[2].split("_") for path in paths]
    clips = [Clip(path, (part[2],)) for path, part in zip(paths, parts, strict=True)]
    return in_folds(clips, 5, group=[part[0] for part in parts])


_M2D = "nttcslab/m2d, clap/image_Table5_CLAP_ZS.png"
CREMA_D = Task(
    name="crema-d",
    title="CREMA-D",
    domain="emotions",
    metric="uar",
    labels=tuple(WORDS),
    words=WORDS,
    templates=(
        Template("this person is feeling {}", "KeiKinn/ParaCLAP, evaluate.py, for IEMOCAP"),
        Template("a person speaks in a {} voice", "clapometer"),
        Template("{} person talking", "nttcslab/eval-audio-repr, zeroshot.py"),
    ),
    counts={"clips": 7442, "classes": 6, "folds": 5},
    protocol="no folds were published: those of HEAR where that folder is given (actors are in several of them), else "
    "five made here in which no actor is twice",
    layouts=(Layout("the published folder", DRAWING, ("AudioWAV",), _read), hear_layout("tfds_crema_d-1.0.0-full")),
    folders=("CREMA-D", "crema-d", "crema_d", "tfds_crema_d-1.0.0-full"),
    where="https://github.com/CheyneyComputerScience/CREMA-D",
    licence="ODbL 1.0",
    published=(
        Published("msclap-2022", 0.2276, _M2D, "primary", figure="accuracy", note="prompts of whole sentences"),
        Published("msclap-2023", 0.300, _M2D, "primary", figure="accuracy", note="prompts of whole sentences"),
        Published("laion", 0.2308, _M2D, "primary", figure="accuracy", note="prompts of whole sentences"),
        Published("Pengi", 0.1846, _M2D, "primary", figure="accuracy"),
        Published("paraclap", 0.298, "wizwand", "secondary", figure="accuracy", note="from a later paper"),
        Published("msclap-2022", 0.1784, "Elizalde et al. 2022, arXiv 2206.04769", "recalled", figure="accuracy"),
    ),
)
