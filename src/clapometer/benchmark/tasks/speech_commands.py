"""Speech Commands V2 (Warden 2018): single spoken words."""

from __future__ import annotations

from clapometer.benchmark.tasks.papers import microsoft_2022
from clapometer.benchmark.tasks.prompts import BARE
from clapometer.benchmark.tasks.task import TEST, TRAIN, VALIDATION, Clip, Folder, Layout, Task, Template

_WORDS = (
    "backward bed bird cat dog down eight five follow forward four go happy house learn left marvin nine no off "
    "on one right seven sheila six stop three tree two up visual wow yes zero"
)
WORDS = tuple(_WORDS.split())
DRAWING = """
speech_commands_v0.02/
  validation_list.txt    yes/0a7c2a8d_nohash_0.wav
  testing_list.txt
  yes/0a7c2a8d_nohash_0.wav
  ...
  _background_noise_/    (not used)
"""


def _read(folder: Folder) -> list[Clip]:
    parts = {"validation_list.txt": VALIDATION, "testing_list.txt": TEST}
    split = {line.strip(): part for name, part in parts.items() for line in folder.text(name).split() if line}
    paths = [path for word in WORDS for path in folder.files(f"{word}/*.wav")]
    return [
        Clip(path, (path.split("/")[0],), split=split.get(path, TRAIN), group=path.split("/")[1].partition("_")[0])
        for path in paths  # names begin with the speaker
    ]


SPEECH_COMMANDS = Task(
    name="speech-commands",
    title="Speech Commands V2, 35 words",
    domain="keywords",
    metric="accuracy",
    labels=WORDS,
    templates=(BARE, Template("a person says {}", "clapometer")),
    counts={"clips": 105829, "classes": 35, "train": 84843, "validation": 9981, "test": 11005},
    protocol="tested on the words of testing_list.txt",
    layouts=(Layout("the published folder", DRAWING, ("validation_list.txt", "testing_list.txt", "yes"), _read),),
    folders=("speech_commands_v0.02", "speech_commands", "SpeechCommands/speech_commands_v0.02"),
    where="http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
    licence="CC BY 4.0",
    published=microsoft_2022(0.1063, 0.3708, 0.9683, prompt="{}", note="12 classes there, 35 here"),
)
