"""FSD50K (Fonseca et al. 2022): sounds with several tags."""

from __future__ import annotations

from clapometer.benchmark.tasks.papers import microsoft_2022
from clapometer.benchmark.tasks.prompts import SOUNDS
from clapometer.benchmark.tasks.task import TEST, TRAIN, VALIDATION, Clip, Folder, Layout, Published, Task

DRAWING = """
FSD50K/
  FSD50K.ground_truth/vocabulary.csv   index,label,mid, without a header
  FSD50K.ground_truth/dev.csv          fname,labels,mids,split
  FSD50K.ground_truth/eval.csv         fname,labels,mids
  FSD50K.dev_audio/64760.wav
  FSD50K.eval_audio/37199.wav
"""
_SPLITS = {"train": TRAIN, "val": VALIDATION}


def _read(folder: Folder) -> list[Clip]:
    dev = folder.rows("FSD50K.ground_truth/dev.csv", ["fname", "labels", "split"])
    ours = folder.rows("FSD50K.ground_truth/eval.csv", ["fname", "labels"])
    return [
        Clip(f"FSD50K.dev_audio/{row['fname']}.wav", _tags(row["labels"]), split=_SPLITS.get(row["split"], TRAIN))
        for row in dev
    ] + [Clip(f"FSD50K.eval_audio/{row['fname']}.wav", _tags(row["labels"]), split=TEST) for row in ours]


def _vocabulary(folder: Folder) -> tuple[str, ...]:
    return tuple(row[1] for row in folder.lines("FSD50K.ground_truth/vocabulary.csv", delimiter=","))


def _tags(cell: str) -> tuple[str, ...]:
    return tuple(tag.strip() for tag in cell.split(",") if tag.strip())


_M2D = "nttcslab/m2d, clap/image_Table5_CLAP_ZS.png"
FSD50K = Task(
    name="fsd50k",
    title="FSD50K",
    domain="sound events",
    metric="map",
    labels=(),
    listed=_vocabulary,
    templates=SOUNDS,
    counts={"clips": 51197, "classes": 200, "train": 36796, "validation": 4170, "test": 10231},
    protocol="tested on the evaluation set; macro mean average precision over the 200 classes",
    layouts=(Layout("the published folder", DRAWING,
                    ("FSD50K.ground_truth/vocabulary.csv", "FSD50K.ground_truth/dev.csv",
                     "FSD50K.ground_truth/eval.csv"), _read),),
    folders=("FSD50K", "fsd50k"),
    where="https://zenodo.org/records/4060432",
    licence="CC BY 4.0 (collection; each clip has its own)",
    published=(
        *microsoft_2022(0.3024, 0.5905, 0.5859),
        Published("msclap-2023", 0.485, _M2D, "primary", note="its training data were seen"),
        Published("laion", 0.4585, _M2D, "primary", note="its training data were seen"),
        Published("laion", 0.597, "LAION-AI/CLAP, assets/clap-zeroshot.PNG", "primary", setup="finetune"),
    ),
)  # fmt: skip
