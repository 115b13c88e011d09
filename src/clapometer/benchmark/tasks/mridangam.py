"""Mridangam stroke and tonic (Anantapadmanabhan et al. 2013): single strokes on a drum of South India."""

from __future__ import annotations

from clapometer.benchmark.tasks.dataset_folder import in_folds
from clapometer.benchmark.tasks.hear_layout import hear_layout
from clapometer.benchmark.tasks.papers import WORDS_NOT_GIVEN, microsoft_2022
from clapometer.benchmark.tasks.task import Clip, Folder, Layout, Task, Template

DRAWING = """
mridangam_stroke_1.5/
  B/224030__akshaylaya__bheem-b-001.wav    stroke, tonic, number
  C/ C#/ D/ D#/ E/
"""
STROKES = ("bheem", "cha", "dheem", "dhin", "num", "ta", "tha", "tham", "thi", "thom")
TONICS = {"b": "B", "c": "C", "csh": "C sharp", "d": "D", "dsh": "D sharp", "e": "E"}
_WHERE = "https://zenodo.org/records/4068196"


def _read(folder: Folder, part: int) -> list[Clip]:
    paths = folder.files("*/*__*__*.wav")
    return in_folds((Clip(path, (path.split("__")[-1].split("-")[part].lower(),)) for path in paths), 5)


def _strokes(folder: Folder) -> list[Clip]:
    return _read(folder, -3)


def _tonics(folder: Folder) -> list[Clip]:
    return _read(folder, -2)


_PROTOCOL = (
    "no folds were published: those of HEAR where that folder is given, else five made here from the order of the names"
)
_LICENCE = "CC BY-NC 3.0"
MRIDANGAM_STROKE = Task(
    name="mridangam-stroke",
    title="Mridangam stroke",
    domain="music",
    metric="accuracy",
    labels=STROKES,
    templates=(Template("This is a sound of a {} stroke on the mridangam.", "clapometer, after LAION's template"),),
    counts={"clips": 6977, "classes": 10, "folds": 5},
    protocol=_PROTOCOL,
    layouts=(
        Layout("the published folder", DRAWING, ("*/*__*__*-*.wav",), _strokes),
        hear_layout("mridangam_stroke-v1.5-full"),
    ),
    folders=("mridangam_stroke_1.5", "mridangam_stroke-v1.5-full"),
    where=_WHERE,
    licence=_LICENCE,
    published=microsoft_2022(0.3447, 0.7754, 0.9794, note=WORDS_NOT_GIVEN),
)
MRIDANGAM_TONIC = Task(
    name="mridangam-tonic",
    title="Mridangam tonic",
    domain="music",
    metric="accuracy",
    labels=tuple(TONICS),
    words=TONICS,
    templates=(Template("This is a sound of a mridangam tuned to {}.", "clapometer, after LAION's template"),),
    counts={"clips": 6977, "classes": 6, "folds": 5},
    protocol=_PROTOCOL,
    layouts=(
        Layout("the published folder", DRAWING, ("*/*__*__*-*.wav",), _tonics),
        hear_layout("mridangam_tonic-v1.5-full"),
    ),
    folders=("mridangam_stroke_1.5", "mridangam_tonic-v1.5-full"),
    where=_WHERE,
    licence=_LICENCE,
    published=microsoft_2022(0.1965, 0.6391, 0.9534, note=WORDS_NOT_GIVEN),
)
