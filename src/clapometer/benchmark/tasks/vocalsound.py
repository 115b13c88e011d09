"""VocalSound (Gong et al. 2022): laughs, sighs, coughs, throats, sneezes and sniffs."""

from __future__ import annotations

from clapometer.benchmark.tasks.papers import microsoft_2022
from clapometer.benchmark.tasks.prompts import LAION, MICROSOFT
from clapometer.benchmark.tasks.task import TEST, TRAIN, VALIDATION, Clip, Folder, Layout, Task

DRAWING = """
vocalsound/
  datafiles/tr.json     {"data": [{"wav": ".../f0003_0_cough.wav", "labels": "/m/01b_21"}, ...]}
  datafiles/val.json
  datafiles/te.json
  audio_16k/f0003_0_cough.wav    (or data_44k/)
"""
WORDS = {
    "laughter": "laughter", "sigh": "a sigh", "cough": "a cough", "throatclearing": "throat clearing",
    "sneeze": "a sneeze", "sniff": "a sniff",
}  # fmt: skip
_PARTS = {"tr": TRAIN, "val": VALIDATION, "te": TEST}


def _read(folder: Folder) -> list[Clip]:
    place = next((name for name in ("audio_16k", "data_44k", "audio_44k") if folder.has(name)), "")
    if not place:
        raise folder.wrong("there is no audio_16k and no data_44k")
    clips = []
    for part, split in _PARTS.items():
        names = [
            str(row["wav"]).replace("\\", "/").rpartition("/")[2]
            for row in folder.json(f"datafiles/{part}.json")["data"]
        ]
        clips += [
            Clip(
                f"{place}/{name}",
                (name.removesuffix(".wav").rpartition("_")[2],),
                split=split,
                group=name.partition("_")[0],  # the speaker
            )
            for name in names
        ]
    return clips


VOCALSOUND = Task(
    name="vocalsound",
    title="VocalSound",
    domain="vocal sounds",
    metric="accuracy",
    labels=tuple(WORDS),
    words=WORDS,
    templates=(LAION, MICROSOFT),
    counts={"clips": 21024, "classes": 6, "train": 15570, "validation": 1860, "test": 3594},
    protocol="tested on the test set, whose speakers are in no other part",
    layouts=(Layout("the published folder", DRAWING, tuple(f"datafiles/{part}.json" for part in _PARTS), _read),),
    folders=("vocalsound", "VocalSound", "vs_release_16k", "vs_release_44k"),
    where="https://github.com/YuanGongND/vocalsound",
    licence="CC BY-SA 4.0",
    published=microsoft_2022(0.4945, 0.8411, 0.9795),
)
