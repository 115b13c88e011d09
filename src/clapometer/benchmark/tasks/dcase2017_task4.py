"""DCASE 2017 task 4 (Mesaros et al. 2017): warnings and vehicles, of YouTube, with weak labels."""

from __future__ import annotations

from collections import defaultdict

from clapometer.benchmark.tasks.papers import microsoft_2022
from clapometer.benchmark.tasks.prompts import SOUNDS
from clapometer.benchmark.tasks.task import TEST, TRAIN, VALIDATION, Clip, Folder, Layout, Task

LABELS = (
    "Train horn", "Air horn, truck horn", "Car alarm", "Reversing beeps", "Ambulance (siren)", "Police car (siren)",
    "Fire engine, fire truck (siren)", "Civil defense siren", "Screaming", "Bicycle", "Skateboard", "Car",
    "Car passing by", "Bus", "Truck", "Motorcycle", "Train",
)  # fmt: skip
DRAWING = """
dcase2017_task4/
  metadata/groundtruth_weak_label_training_set.csv     name.wav TAB onset TAB offset TAB label, without a header
  metadata/groundtruth_weak_label_testing_set.csv      (the files of the organisers' repository)
  metadata/groundtruth_weak_label_evaluation_set.csv
  training/Y-5QrBL6MzLg_60.000_70.000.wav              (Y stands before the names of the tables)
  testing/
  evaluation/
"""
_PARTS = {"training": TRAIN, "testing": VALIDATION, "evaluation": TEST}


def _read(folder: Folder) -> list[Clip]:
    clips = []
    for part, split in _PARTS.items():
        tags: dict[str, list[str]] = defaultdict(list)
        for row in folder.lines(f"metadata/groundtruth_weak_label_{part}_set.csv"):
            tags[row[0].strip()].append(row[-1].strip())
        bare = folder.has(f"{part}/{next(iter(tags), '')}")  # without the Y
        start = f"{part}/" if bare else f"{part}/Y"
        clips += [Clip(f"{start}{name}", tuple(dict.fromkeys(found)), split=split) for name, found in tags.items()]
    return clips


_TRUTH = tuple(f"metadata/groundtruth_weak_label_{part}_set.csv" for part in _PARTS)
DCASE2017_TASK4 = Task(
    name="dcase2017-task4",
    title="DCASE 2017 task 4",
    domain="sound events",
    metric="map",
    labels=LABELS,
    words={
        "Air horn, truck horn": "air horn of a truck", "Ambulance (siren)": "siren of an ambulance",
        "Police car (siren)": "siren of a police car",
        "Fire engine, fire truck (siren)": "siren of a fire engine", "Reversing beeps": "reversing beeps",
    },
    templates=SOUNDS,
    counts={"clips": 52763, "classes": 17, "train": 51172, "validation": 488, "test": 1103},
    protocol="tested on the evaluation set; macro mean average precision. Clips have one to several labels; "
    "the paper of Microsoft CLAP calls its figure F1 in one table and accuracy in another",
    layouts=(Layout("the sounds with the organisers' tables", DRAWING, _TRUTH, _read),),
    folders=("dcase2017_task4", "DCASE2017_task4"),
    where="https://github.com/ankitshah009/Task-4-Large-scale-weakly-supervised-sound-event-detection-for-smart-cars",
    licence="of YouTube's authors",
    published=microsoft_2022(
        0.300, 0.5330, 0.5938, figure="F1", note="F1 in the paper's Table 1, accuracy in its Table 5; threshold and "
        "averaging are not said",
    ),
)  # fmt: skip
