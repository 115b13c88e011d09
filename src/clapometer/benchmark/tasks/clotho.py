"""Clotho v2 (Drossos et al. 2020): sounds of Freesound with five captions each."""

from __future__ import annotations

from clapometer.benchmark.tasks.task import TEST, TRAIN, VALIDATION, Clip, Folder, Layout, Published, Task

DRAWING = """
clotho/
  clotho_captions_evaluation.csv    file_name,caption_1,...,caption_5
  evaluation/Santa Motor.wav
  (also development and validation)
"""
_PARTS = {"development": TRAIN, "validation": VALIDATION, "evaluation": TEST}
_CAPTIONS = tuple(f"caption_{number}" for number in range(1, 6))


def _read(folder: Folder) -> list[Clip]:
    clips = []
    for part, split in _PARTS.items():
        if part == "evaluation" or folder.has(part):
            rows = folder.rows(f"clotho_captions_{part}.csv", ["file_name", *_CAPTIONS])
            clips += [
                Clip(f"{part}/{row['file_name']}", tuple(row[name] for name in _CAPTIONS), split=split) for row in rows
            ]
    return clips


CLOTHO = Task(
    name="clotho",
    title="Clotho v2",
    domain="retrieval",
    metric="retrieval",
    labels=(),
    templates=(),
    counts={"test": 1045},
    protocol="the 1,045 clips of the evaluation part, 5 captions each, among each other",
    layouts=(Layout("the published folder", DRAWING, ("clotho_captions_evaluation.csv", "evaluation"), _read),),
    folders=("clotho", "Clotho", "clotho_v2"),
    where="https://zenodo.org/records/4783391",
    licence="Tampere University's, non-commercial; each clip has its own",
    published=(
        Published("FineLAP", 0.189, "wizwand", "secondary", "retrieval", "text_to_audio R@1"),
        Published("FineLAP", 0.266, "wizwand", "secondary", "retrieval", "audio_to_text R@1"),
    ),
)
