"""UrbanSound8K (Salamon et al. 2014): sounds of the street."""

from __future__ import annotations

from clapometer.benchmark.tasks.papers import microsoft_2022
from clapometer.benchmark.tasks.prompts import SOUNDS
from clapometer.benchmark.tasks.task import Clip, Folder, Layout, Published, Task

DRAWING = """
UrbanSound8K/
  metadata/UrbanSound8K.csv   slice_file_name,fsID,start,end,salience,fold,classID,class
  audio/fold1/101415-3-0-2.wav
  ...
  audio/fold10/
"""


def _read(folder: Folder) -> list[Clip]:
    rows = folder.rows("metadata/UrbanSound8K.csv", ["slice_file_name", "fold", "class"])
    return [
        Clip(
            f"audio/fold{row['fold']}/{row['slice_file_name']}",
            (row["class"],),
            fold=row["fold"],
            group=row["slice_file_name"].partition("-")[0],  # the recording on Freesound, as the column fsID
        )
        for row in rows
    ]


_M2D = "nttcslab/m2d, clap/image_Table5_CLAP_ZS.png"
URBANSOUND8K = Task(
    name="urbansound8k",
    title="UrbanSound8K",
    domain="sound events",
    metric="accuracy",
    labels=(
        "air_conditioner", "car_horn", "children_playing", "dog_bark", "drilling", "engine_idling", "gun_shot",
        "jackhammer", "siren", "street_music",
    ),
    templates=SOUNDS,
    counts={"clips": 8732, "classes": 10, "folds": 10},
    protocol="10 published folds; zero-shot on all of them, supervised by cross-validation",
    layouts=(Layout("the published folder", DRAWING, ("metadata/UrbanSound8K.csv", "audio"), _read),),
    folders=("UrbanSound8K", "urbansound8k"),
    where="https://zenodo.org/records/1203745",
    licence="CC BY-NC 3.0",
    published=(
        *microsoft_2022(0.7324, 0.8389, 0.8796),
        Published("msclap-2022", 0.7529, _M2D, "primary", prompt="{} can be heard", note="run again by others"),
        Published("msclap-2023", 0.823, _M2D, "primary"),
        Published("laion", 0.770, "LAION-AI/CLAP, assets/clap-zeroshot.PNG", "primary"),
        Published("WavCaps HTSAT-BERT", 0.8142, _M2D, "primary"),
        Published("Pengi", 0.7185, _M2D, "primary"),
        Published("laion (port of transformers)", 0.7516, "pymill", "secondary"),
        Published("FineLAP", 0.849, "wizwand", "secondary"),
    ),
)  # fmt: skip
