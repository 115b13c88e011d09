"""NSynth instrument families (Engel et al. 2017): single notes."""

from __future__ import annotations

from clapometer.benchmark.tasks.task import TEST, TRAIN, VALIDATION, Clip, Folder, Layout, Published, Task, Template

DRAWING = """
nsynth/
  nsynth-train/examples.json     {"guitar_acoustic_001-082-050": {"instrument_family_str": "guitar", ...}, ...}
  nsynth-train/audio/guitar_acoustic_001-082-050.wav
  nsynth-valid/
  nsynth-test/
"""
_PARTS = {"nsynth-train": TRAIN, "nsynth-valid": VALIDATION, "nsynth-test": TEST}


def _read(folder: Folder) -> list[Clip]:
    clips = []
    for part, split in _PARTS.items():
        if part != "nsynth-test" and not folder.has(f"{part}/examples.json"):
            continue  # zero-shot needs the small test set only
        notes = folder.json(f"{part}/examples.json")
        clips += [
            Clip(
                f"{part}/audio/{name}.wav",
                (note["instrument_family_str"],),
                split=split,
                group=str(note.get("instrument_str", "")),
            )
            for name, note in sorted(notes.items())
        ]
    return clips


_M2D = "nttcslab/m2d, clap/image_Table5_CLAP_ZS.png"
NSYNTH = Task(
    name="nsynth-instruments",
    title="NSynth instrument families",
    domain="instruments",
    metric="accuracy",
    labels=(
        "bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "synth_lead", "vocal",
    ),
    templates=(
        Template("the musical instrument sound of {} can be heard", "nttcslab/eval-audio-repr, zeroshot.py"),
        Template("This is a sound of {}.", "LAION-AI/CLAP, README"),
    ),
    counts={"clips": 305979, "classes": 11, "train": 289205, "validation": 12678, "test": 4096},
    protocol="tested on the test set, in which synth_lead does not occur",
    layouts=(Layout("the published folders", DRAWING, ("nsynth-test/examples.json", "nsynth-test/audio"), _read),),
    folders=("nsynth", "NSynth"),
    where="https://magenta.tensorflow.org/datasets/nsynth",
    licence="CC BY 4.0",
    published=(
        Published("msclap-2022", 0.2144, _M2D, "primary", prompt="the musical instrument sound of {} can be heard"),
        Published("msclap-2023", 0.5808, _M2D, "primary"),
        Published("laion", 0.3528, _M2D, "primary", prompt="the musical instrument sound of {} can be heard"),
    ),
)  # fmt: skip
