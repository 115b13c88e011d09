"""LibriCount (Stoeter et al. 2018): how many people speak at once, none to ten."""

from __future__ import annotations

from clapometer.benchmark.tasks.dataset_folder import in_folds
from clapometer.benchmark.tasks.hear_layout import hear_layout
from clapometer.benchmark.tasks.papers import microsoft_2022
from clapometer.benchmark.tasks.task import Clip, Folder, Layout, Task, Template

DRAWING = """
LibriCount10-0dB/
  test/3_1089-134686-0000.wav    (the number of speakers stands before the first underscore)
"""
NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
WORDS = ("no one", "one person", *(f"{number} people" for number in NUMBERS))


def _read(folder: Folder) -> list[Clip]:
    paths = folder.files("test/*_*.wav")
    return in_folds((Clip(path, (path.rpartition("/")[2].split("_")[0],)) for path in paths), 5)


LIBRICOUNT = Task(
    name="libricount",
    title="LibriCount",
    domain="speaker counting",
    metric="accuracy",
    labels=tuple(map(str, range(11))),
    words={str(number): words for number, words in enumerate(WORDS)},
    templates=(
        Template("{} speaking", "clapometer"),
        Template("this is the sound of {} speaking at the same time", "clapometer, after Microsoft's template"),
    ),
    counts={"clips": 5720, "classes": 11, "folds": 5},
    protocol="only the test set was published: 5 folds of HEAR where that folder is given, else five made here from "
    "the order of the names",
    layouts=(
        Layout("the published folder", DRAWING, ("test/*_*.wav",), _read),
        hear_layout("libricount-v1.0.0-hear2021-full"),
    ),
    folders=("LibriCount10-0dB", "libricount", "libricount-v1.0.0-hear2021-full"),
    where="https://zenodo.org/records/1216072",
    licence="CC BY 4.0",
    published=microsoft_2022(
        0.1788, 0.5715, 0.7783, prompt="{} persons speaking", note="numbers as digits or as words: not said"
    ),
)
