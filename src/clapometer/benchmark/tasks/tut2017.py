"""TUT Acoustic Scenes 2017 (Mesaros et al. 2016, 2018): places."""

from __future__ import annotations

from clapometer.benchmark.tasks.papers import microsoft_2022
from clapometer.benchmark.tasks.task import TEST, TRAIN, VALIDATION, Clip, Folder, Layout, Task, Template

DRAWING = """
TUT-acoustic-scenes-2017/
  TUT-acoustic-scenes-2017-development/
    meta.txt                             audio/b020_90_100.wav TAB beach TAB b020
    evaluation_setup/fold1_evaluate.txt  ... fold4: the four folds
    audio/
  TUT-acoustic-scenes-2017-evaluation/
    meta.txt                             (or evaluation_setup/evaluate.txt)
    audio/
"""
_DEV, _EVAL = "TUT-acoustic-scenes-2017-development", "TUT-acoustic-scenes-2017-evaluation"


def _read(folder: Folder) -> list[Clip]:
    held = {row[0].strip() for row in folder.lines(f"{_DEV}/evaluation_setup/fold1_evaluate.txt")}
    truth = f"{_EVAL}/meta.txt" if folder.has(f"{_EVAL}/meta.txt") else f"{_EVAL}/evaluation_setup/evaluate.txt"
    clips = [
        Clip(
            f"{_DEV}/{row[0]}",
            (row[1].strip(),),
            split=VALIDATION if row[0].strip() in held else TRAIN,
            group=_recording(row),
        )
        for row in folder.lines(f"{_DEV}/meta.txt")
    ]
    return clips + [
        Clip(f"{_EVAL}/{row[0]}", (row[1].strip(),), split=TEST, group=_recording(row)) for row in folder.lines(truth)
    ]


def _recording(row: list[str]) -> str:
    """What a clip was cut from, where the table or the clip's name says so."""
    name = row[0].strip().rpartition("/")[2]
    return row[2].strip() if len(row) > 2 else name.partition("_")[0] if "_" in name else ""


TUT2017 = Task(
    name="tut2017",
    title="TUT Acoustic Scenes 2017",
    domain="acoustic scenes",
    metric="accuracy",
    labels=(
        "beach", "bus", "cafe/restaurant", "car", "city_center", "forest_path", "grocery_store", "home", "library",
        "metro_station", "office", "park", "residential_area", "train", "tram",
    ),
    words={"cafe/restaurant": "cafe or restaurant"},
    templates=(
        Template("This is a sound of {}.", "LAION-AI/CLAP, README"),
        Template("this was recorded in a {}", "clapometer"),
        Template("the background sound of a {}", "clapometer"),
    ),
    counts={"clips": 6300, "classes": 15, "validation": 1170, "test": 1620},
    protocol="tested on the evaluation set; fold 1 of the development set is its validation part",
    layouts=(Layout("the published folders side by side", DRAWING,
                    (f"{_DEV}/meta.txt", f"{_DEV}/evaluation_setup/fold1_evaluate.txt", _EVAL), _read),),
    folders=("TUT-acoustic-scenes-2017", "tut2017"),
    where="https://zenodo.org/records/400515 (development) and https://zenodo.org/records/1040168 (evaluation)",
    licence="non-commercial, see its EULA",
    published=microsoft_2022(0.2963, 0.7099, 0.7463),
)  # fmt: skip
