"""AudioCaps (Kim et al. 2019): sounds of YouTube with captions."""

from __future__ import annotations

from collections import defaultdict

from clapometer.benchmark.tasks.task import TEST, TRAIN, VALIDATION, Clip, Folder, Layout, Published, Task

DRAWING = """
audiocaps/
  test.csv                    audiocap_id,youtube_id,start_time,caption; five rows a clip (also val.csv, train.csv)
  audio/test/Y7fmOlUlwoNg.wav   (or 7fmOlUlwoNg.wav, or 7fmOlUlwoNg_20.wav; any ending that is a sound's)
"""
_PARTS = {"train": TRAIN, "val": VALIDATION, "test": TEST}


def _read(folder: Folder) -> list[Clip]:
    clips = []
    for part, split in _PARTS.items():
        if part != "test" and not folder.has(f"audio/{part}"):
            continue
        captions: dict[tuple[str, str], list[str]] = defaultdict(list)
        for row in folder.rows(f"{part}.csv", ["youtube_id", "start_time", "caption"]):
            captions[row["youtube_id"], row["start_time"]].append(row["caption"])
        there = {path.rpartition("/")[2].rpartition(".")[0]: path for path in folder.files(f"audio/{part}/*.*")}
        for (video, start), texts in captions.items():
            names = (f"Y{video}", video, f"{video}_{start}", f"Y{video}_{start}")
            path = next((there[name] for name in names if name in there), f"audio/{part}/Y{video}.wav")
            clips.append(Clip(path, tuple(texts), split=split))
    return clips


AUDIOCAPS = Task(
    name="audiocaps",
    title="AudioCaps",
    domain="retrieval",
    metric="retrieval",
    labels=(),
    templates=(),
    counts={"test": 975},
    protocol="the test clips that are still to be had (975 at first, 5 captions each), among each other",
    layouts=(Layout("the published tables beside the sounds", DRAWING, ("test.csv", "audio/test"), _read),),
    folders=("audiocaps", "AudioCaps"),
    where="https://github.com/cdjkim/audiocaps (tables; the sounds are YouTube's)",
    licence="MIT (captions)",
    published=(
        Published("laion", 0.36, "LAION-AI/CLAP, issue 59", "secondary", "retrieval", "text_to_audio R@1"),
        Published("laion", 0.70, "LAION-AI/CLAP, issue 59", "secondary", "retrieval", "text_to_audio R@5"),
        Published("laion", 0.83, "LAION-AI/CLAP, issue 59", "secondary", "retrieval", "text_to_audio R@10"),
        Published("M2D-CLAP 2025", 0.419, "wizwand", "secondary", "retrieval", "text_to_audio R@1"),
        Published("FineLAP", 0.457, "wizwand", "secondary", "retrieval", "text_to_audio R@1"),
        Published("FineLAP", 0.625, "wizwand", "secondary", "retrieval", "audio_to_text R@1"),
    ),
)
