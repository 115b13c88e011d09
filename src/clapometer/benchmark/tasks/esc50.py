"""ESC-50 and ESC-10 (Piczak 2015): environmental sounds."""

from __future__ import annotations

from clapometer.benchmark.tasks.hear_layout import hear_layout
from clapometer.benchmark.tasks.papers import microsoft_2022
from clapometer.benchmark.tasks.prompts import SOUNDS
from clapometer.benchmark.tasks.task import Clip, Folder, Layout, Published, Task

_LABELS = (
    "airplane breathing brushing_teeth can_opening car_horn cat chainsaw chirping_birds church_bells clapping "
    "clock_alarm clock_tick coughing cow crackling_fire crickets crow crying_baby dog door_wood_creaks "
    "door_wood_knock drinking_sipping engine fireworks footsteps frog glass_breaking hand_saw helicopter hen "
    "insects keyboard_typing laughing mouse_click pig pouring_water rain rooster sea_waves sheep siren sneezing "
    "snoring thunderstorm toilet_flush train vacuum_cleaner washing_machine water_drops wind"
)
LABELS = tuple(_LABELS.split())
_TEN = "chainsaw clock_tick crackling_fire crying_baby dog helicopter rain rooster sea_waves sneezing"
TEN = tuple(_TEN.split())
DRAWING = """
ESC-50-master/
  meta/esc50.csv     filename,fold,target,category,esc10,src_file,take
  audio/1-100032-A-0.wav
"""


def _recording(name: str) -> str:
    """The recording on Freesound that a clip was cut from: the second part of its name."""
    return name.split("-")[1] if name.count("-") > 2 else ""


def _clips(folder: Folder) -> list[tuple[Clip, bool]]:
    rows = folder.rows("meta/esc50.csv", ["filename", "fold", "category", "esc10"])
    return [
        (
            Clip(f"audio/{row['filename']}", (row["category"],), fold=row["fold"], group=_recording(row["filename"])),
            row["esc10"].lower() == "true",
        )
        for row in rows
    ]


def _all(folder: Folder) -> list[Clip]:
    return [clip for clip, _ in _clips(folder)]


def _ten(folder: Folder) -> list[Clip]:
    return [clip for clip, is_ten in _clips(folder) if is_ten]


_MARKS = ("meta/esc50.csv", "audio")
_M2D = "nttcslab/m2d, clap/image_Table5_CLAP_ZS.png"
ESC50 = Task(
    name="esc50",
    title="ESC-50",
    domain="sound events",
    metric="accuracy",
    labels=LABELS,
    templates=SOUNDS,
    counts={"clips": 2000, "classes": 50, "folds": 5},
    protocol="5 published folds; zero-shot on all of them, supervised by cross-validation",
    layouts=(Layout("the published folder", DRAWING, _MARKS, _all), hear_layout("esc50-v2.0.0-full", group=_recording)),
    folders=("ESC-50-master", "ESC-50", "esc50"),
    where="https://github.com/karolpiczak/ESC-50",
    licence="CC BY-NC 3.0",
    published=(
        *microsoft_2022(0.826, 0.9310, 0.9670),
        Published("msclap-2023", 0.939, "microsoft/CLAP, README", "primary", prompt="this is the sound of {}"),
        Published("laion", 0.910, "LAION-AI/CLAP, assets/clap-zeroshot.PNG", "primary",
                  prompt="This is a sound of {}."),
        Published("laion-music", 0.9014, "LAION-AI/CLAP, README", "primary"),
        Published("laion-music-speech", 0.8998, "LAION-AI/CLAP, README", "primary"),
        Published("WavCaps HTSAT-BERT", 0.948, _M2D, "primary"),
        Published("Pengi", 0.9195, _M2D, "primary"),
        Published("M2D-CLAP 2024", 0.7545, _M2D, "primary", prompt="{} can be heard"),
        Published("laion (port of transformers)", 0.9155, "pymill", "secondary"),
    ),
)  # fmt: skip
ESC10 = Task(
    name="esc10",
    title="ESC-10",
    domain="sound events",
    metric="accuracy",
    labels=TEN,
    templates=SOUNDS,
    counts={"clips": 400, "classes": 10, "folds": 5},
    protocol="the ten classes of ESC-50 whose column esc10 is True; its 5 folds",
    layouts=(Layout("the published folder", DRAWING, _MARKS, _ten),),
    folders=ESC50.folders,
    where=ESC50.where,
    licence="CC BY 3.0 (the ten classes)",
)
