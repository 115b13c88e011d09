"""Data sets as HEAR (Turian et al. 2022, arXiv 2203.03022) packs them: folds, labels and sounds in one form."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from clapometer.benchmark.tasks.task import Clip, Folder, Layout

WHERE = "https://hearbenchmark.com/hear-tasks.html (the folder of the task in hear-2021.0.6)"


def hear_layout(
    task: str, labels: Mapping[str, str] | None = None, group: Callable[[str], str] = lambda _: ""
) -> Layout:
    """The layout of a task of HEAR.

    Args:
        task: the name of its folder there.
        labels: HEAR's labels where they are not the task's own.
        group: from the name of a sound to the speaker or recording that it shares with others.
    """
    drawing = f"""
{task}/
  labelvocabulary.csv            idx,label
  fold00.json, fold01.json, ...  {{"name.wav": ["label"], ...}}
  48000/fold00/name.wav          (or another sample rate)
"""

    def read(folder: Folder) -> list[Clip]:
        rates = sorted((path.name for path in folder.root.iterdir() if re.fullmatch(r"\d+", path.name)), key=int)
        if not rates:
            raise folder.wrong("there is no folder of sounds that is called as their sample rate, such as 48000")
        known = {row["label"] for row in folder.rows("labelvocabulary.csv", ["idx", "label"])}
        clips = []
        for file in folder.files("fold*.json"):
            fold = file.removesuffix(".json")
            for name, found in sorted(folder.json(file).items()):
                if not known.issuperset(found):
                    raise folder.wrong(f"{file} calls {name} {found}, which is not in labelvocabulary.csv")
                own = tuple((labels or {}).get(label, label) for label in found)
                path, number = f"{rates[-1]}/{fold}/{name}", str(int(fold.removeprefix("fold")) + 1)
                clips.append(Clip(path, own, fold=number, group=group(name)))
        return clips

    return Layout(
        "the folder of HEAR (https://hearbenchmark.com/hear-tasks.html)",
        drawing,
        ("labelvocabulary.csv", "fold*.json"),
        read,
    )
