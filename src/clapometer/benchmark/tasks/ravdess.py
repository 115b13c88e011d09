"""RAVDESS (Livingstone and Russo 2018): emotions, spoken and sung by 24 actors."""

from __future__ import annotations

from clapometer.benchmark.tasks.papers import microsoft_2022, paraclap
from clapometer.benchmark.tasks.task import Clip, Folder, Layout, Published, Task, Template

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
DRAWING = """
RAVDESS/
  Actor_01/03-01-01-01-01-01-01.wav    (speech; the third number is the emotion, the last one the actor)
  Actor_01/03-02-01-01-01-01-01.wav    (song)
  ...
  Actor_24/
"""
_ACTORS = ("2 5 14 15 16", "3 6 7 13 18", "10 11 12 19 20", "8 17 21 23 24", "1 4 9 22")
FOLD = {int(actor): str(number) for number, actors in enumerate(_ACTORS, 1) for actor in actors.split()}
"""Five folds without an actor in two, as Luna-Jimenez et al. 2021 (doi 10.3390/s21227665) divide them."""


def _read(folder: Folder) -> list[Clip]:
    clips: dict[str, Clip] = {}
    for path in folder.files("**/Actor_*/03-*.wav"):
        numbers = path.rpartition("/")[2].removesuffix(".wav").split("-")
        if len(numbers) != 7 or not all(part.isdigit() for part in numbers):
            raise folder.wrong(f"{path} is not called as seven numbers")
        emotion, actor = int(numbers[2]), int(numbers[6])
        if not 1 <= emotion <= len(EMOTIONS) or actor not in FOLD:
            raise folder.wrong(f"{path}: there is no emotion {emotion} or no actor {actor}")
        # Some copies hold everything twice, once in a folder of its own.
        clips.setdefault(
            path.rpartition("/")[2], Clip(path, (EMOTIONS[emotion - 1],), fold=FOLD[actor], group=f"actor {actor}")
        )
    return list(clips.values())


RAVDESS = Task(
    name="ravdess",
    title="RAVDESS",
    domain="emotions",
    metric="uar",
    labels=EMOTIONS,
    words={"disgust": "disgusted"},
    templates=(
        Template("this person is feeling {}", "KeiKinn/ParaCLAP, evaluate.py, for IEMOCAP"),
        Template("a person speaks in a {} voice", "clapometer"),
        Template("{} person talking", "nttcslab/eval-audio-repr, zeroshot.py, for CREMA-D"),
    ),
    counts={"clips": 2452, "classes": 8, "folds": 5},
    protocol="zero-shot on all actors; supervised by five folds of actors (Luna-Jimenez et al. 2021). 2,452 clips with "
    "the songs, 1,440 without",
    layouts=(Layout("the published folders", DRAWING, ("**/Actor_*/03-*.wav",), _read),),
    folders=("RAVDESS", "ravdess"),
    where="https://zenodo.org/records/1188976",
    licence="CC BY-NC-SA 4.0",
    published=(
        *microsoft_2022(
            0.1599,
            0.4515,
            0.6436,
            prompt="this person is feeling {}",
            figure="accuracy",
            note="2,452 clips, of which its figures are whole counts: the songs included",
        ),
        paraclap(0.228),
        Published("paraclap", 0.281, "wizwand", "secondary", figure="accuracy", note="from a later paper"),
    ),
)
