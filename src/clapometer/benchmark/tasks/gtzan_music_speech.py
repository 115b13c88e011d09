"""GTZAN music/speech (Tzanetakis 1999)."""

from __future__ import annotations

from clapometer.benchmark.tasks.dataset_folder import in_folds
from clapometer.benchmark.tasks.hear_layout import hear_layout
from clapometer.benchmark.tasks.papers import microsoft_2022
from clapometer.benchmark.tasks.prompts import SOUNDS
from clapometer.benchmark.tasks.task import Clip, Folder, Layout, Task

DRAWING = """
music_speech/
  music_wav/bagpipe.wav
  speech_wav/acomic.wav
"""


def _read(folder: Folder) -> list[Clip]:
    paths = folder.files("music_wav/*.wav") + folder.files("speech_wav/*.wav")
    return in_folds((Clip(path, (path.split("_")[0],)) for path in paths), 10)


GTZAN_MUSIC_SPEECH = Task(
    name="gtzan-music-speech",
    title="GTZAN music/speech",
    domain="music",
    metric="accuracy",
    labels=("music", "speech"),
    templates=SOUNDS,
    counts={"clips": 128, "classes": 2, "folds": 10},
    protocol="no folds were published: those of HEAR where that folder is given, else ten made here from the order of "
    "the names",
    layouts=(
        Layout("the published folder", DRAWING, ("music_wav", "speech_wav"), _read),
        hear_layout("tfds_gtzan_music_speech-1.0.0-full"),
    ),
    folders=("music_speech", "gtzan_music_speech", "tfds_gtzan_music_speech-1.0.0-full"),
    where="http://marsyas.info/downloads/datasets.html",
    licence="not stated",
    published=microsoft_2022(1.0, 1.0, 1.0, note="120 clips in its Table 5"),
)
