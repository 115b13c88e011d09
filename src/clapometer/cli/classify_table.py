"""Sounds to a table with labels, a record of how they came about, and a summary."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from clapometer.classification.classifier import Classification, ClassifiedSounds, classify
from clapometer.cli.classify_report import ClassifiedTable, Task, report, summary_figures, write
from clapometer.cli.engine import Engine
from clapometer.cli.rows import problems_of, tell
from clapometer.embedding.store import partial_store, remove_store
from clapometer.models.fingerprint import provenance
from clapometer.plots.figures import confusion_matrix
from clapometer.provenance import file_hash
from clapometer.stats.classes import Figures, figures
from clapometer.stats.grouped import SpeechFigures, figures_of

if TYPE_CHECKING:
    from clapometer.models.clap import Clap

FORMULA = (
    "probability = softmax over the labels of exp(logit_scale) * cosine; a label's vector is the mean of the unit "
    "vectors of its templates, brought back to unit length"
)


def classify_table(engine: Engine, task: Task, as_json: bool) -> int:
    """Classify the rows of a table; returns how many of them failed.

    Raises:
        BadInput: an option or the place of the output cannot be used.
        CheckpointError: the model cannot be loaded.
    """
    sounds = task.what.sounds
    problems = problems_of(task.what.table, sounds)
    tell(task.what.where, problems, "cannot be classified")
    clap = engine.load()
    good = [number for number, problem in enumerate(problems) if not problem]
    classified = _classified(engine, clap, task, [sounds[number] for number in good])
    clips = _in_place(task, problems, good, classified.clips)
    late = [clip.error if not problem else "" for clip, problem in zip(clips, problems, strict=True)]
    tell(task.what.where, late, "could not be read")
    found = _figures(task, clips)
    intervals = _intervals(task, clips)
    record = _record(engine, clap, task, clips, classified, summary_figures(clips, found, intervals))
    result = ClassifiedTable(task, clips, found, intervals, record)
    if task.picture is not None and found is not None:
        confusion_matrix(found.confusion, found.labels, task.picture, title=_title(clap.card.name, found))
    if task.output is not None:
        write(result, task.output)
        remove_store(partial_store(task.output))
    report(engine, result, as_json)
    return sum(1 for clip in clips if clip.error)


def _classified(engine: Engine, clap: Clap, task: Task, sounds: list[str]) -> ClassifiedSounds:
    store = engine.store(task.output)
    classified = classify(
        clap,
        sounds,
        task.labels,
        templates=task.templates,
        top_k=task.top_k,
        window=engine.window_of(clap),
        batch_size=engine.batch_size,
        workers=engine.workers,
        store=store,
        progress=engine.progress,
    )
    if store is not None:
        if store.ignored:
            engine.note(f"note: {store.path}: {store.ignored} stored vectors were damaged and are computed again")
        store.close()
    return classified


def _in_place(task: Task, problems: list[str], good: list[int], found: list[Classification]) -> list[Classification]:
    """One classification a row, in the order of the table, with the names that stand there."""
    names = task.what.table.texts("audio")
    clips = [Classification(name, (), (), why) for name, why in zip(names, problems, strict=True)]
    for number, clip in zip(good, found, strict=True):
        clips[number] = replace(clip, audio=names[number])
    return clips


def _figures(task: Task, clips: list[Classification]) -> Figures | None:
    if task.true is None:
        return None
    pairs = [(true, clip.labels[0]) for true, clip in zip(task.true, clips, strict=True) if true and not clip.error]
    return figures([true for true, _ in pairs], [label for _, label in pairs], task.labels) if pairs else None


def _intervals(task: Task, clips: list[Classification]) -> SpeechFigures | None:
    if task.true is None:
        return None
    rows = zip(task.true, clips, task.groups or [""] * len(clips), strict=True)
    known = [(true, clip.labels[0], group) for true, clip, group in rows if true and not clip.error]
    if not known:
        return None
    groups = None if task.groups is None else [row[2] for row in known]
    return figures_of([row[0] for row in known], [row[1] for row in known], groups, task.labels)


def _title(model: str, found: Figures) -> str:
    return (
        f"{model} on {found.n} clips\naccuracy {found.accuracy:.3f}, balanced accuracy {found.balanced_accuracy:.3f}, "
        f"macro-F1 {found.macro_f1:.3f}"
    )


def _record(
    engine: Engine,
    clap: Clap,
    task: Task,
    clips: list[Classification],
    classified: ClassifiedSounds,
    summary: dict[str, Any],
) -> dict[str, Any]:
    """What the JSON file beside the output says."""
    table, root = task.what.table, task.what.root
    failed = sum(1 for clip in clips if clip.error)
    given = {"file": str(table.path), "sha256": file_hash(table.path), "audio_root": str(root)} if root else {}
    return {
        "command": "classify",
        **provenance(
            clap,
            model=engine.model,
            window=engine.window_of(clap),
            batch_size=engine.batch_size or clap.default_batch_size,
        ),
        "formula": FORMULA,
        "logit_scale": round(clap.logit_scale.item(), 6),
        "labels": list(task.labels),
        "templates": list(task.templates),
        "input": given,
        "counts": {
            "rows": len(clips),
            "classified": len(clips) - failed,
            "failed": failed,
            "sounds": asdict(classified.sounds),
        },
        "summary": summary,
    }
