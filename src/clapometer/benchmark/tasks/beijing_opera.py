"""Beijing opera percussion (Tian et al. 2014): single strokes of four instruments."""

from __future__ import annotations

from clapometer.benchmark.tasks.dataset_folder import in_folds
from clapometer.benchmark.tasks.hear_layout import hear_layout
from clapometer.benchmark.tasks.papers import WORDS_NOT_GIVEN, microsoft_2022
from clapometer.benchmark.tasks.task import Clip, Folder, Layout, Task, Template

DRAWING = """
beijing_opera_percussion_instrument_1.0/
  205881__ajaysm__bangu-001.wav    (the instrument stands behind the last two underscores, before the number)
"""
WORDS = {
    "bangu": "bangu, a clapper drum", "daluo": "daluo, a large gong", "naobo": "naobo, a pair of cymbals",
    "xiaoluo": "xiaoluo, a small gong",
}  # fmt: skip


def _read(folder: Folder) -> list[Clip]:
    paths = folder.files("*__*__*-*.wav")
    return in_folds((Clip(path, (path.split("__")[-1].split("-")[-2].lower(),)) for path in paths), 5)


BEIJING_OPERA = Task(
    name="beijing-opera",
    title="Beijing opera percussion",
    domain="instruments",
    metric="accuracy",
    labels=tuple(WORDS),
    words=WORDS,
    templates=(Template("This is a sound of {}.", "LAION-AI/CLAP, README; what the instruments are: clapometer"),),
    counts={"clips": 236, "classes": 4, "folds": 5},
    protocol="no folds were published: those of HEAR where that folder is given, else five made here from the order of "
    "the names",
    layouts=(
        Layout("the published folder", DRAWING, ("*__*__*-*.wav",), _read),
        hear_layout("beijing_opera-v1.0-hear2021-full"),
    ),
    folders=("beijing_opera_percussion_instrument_1.0", "beijing_opera-v1.0-hear2021-full"),
    where="https://zenodo.org/records/1285212",
    licence="CC BY-NC 3.0",
    published=microsoft_2022(0.4746, 0.7754, 0.9026, note=WORDS_NOT_GIVEN),
)
