"""A model measured on a task."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from clapometer.benchmark.data import Data, Heard, check_some, hear, read_task
from clapometer.benchmark.exclusion import FEWEST_UNSEEN, Excluded, by_content, by_dataset, unseen_texts, without
from clapometer.benchmark.metrics import RESAMPLES, classified, tagged
from clapometer.benchmark.published_results import beside, told
from clapometer.benchmark.result import Answers, Figures, Result
from clapometer.benchmark.retrieval import retrieved
from clapometer.benchmark.splits import Plan, apart, plans
from clapometer.benchmark.tasks.registry import find_task
from clapometer.benchmark.tasks.task import Setup, Task, Template
from clapometer.benchmark.zeroshot import templates_of, zero_shot
from clapometer.embedding.pipeline import Progress
from clapometer.embedding.store import VectorStore
from clapometer.errors import BadOption
from clapometer.models.fingerprint import provenance
from clapometer.stats.intervals import Estimate
from clapometer.types import Window

if TYPE_CHECKING:
    from clapometer.benchmark.end_to_end import Tuning
    from clapometer.models.clap import Clap

FORMULAS = {
    "zeroshot": "a class is the mean of the unit vectors of its texts, brought back to unit length; predicted is the "
    "class with the highest cosine",
    "linear": "multinomial logistic regression (binary ones for tags) on standardised unit vectors, L-BFGS; penalty "
    "chosen on the validation part, then fitted to training and validation part",
    "mlp": "512 ReLU units on standardised unit vectors, dropout 0.3, AdamW; rate, decay and epochs chosen on the "
    "validation part, then trained on training and validation part",
    "finetune": "the audio tower and a linear head on its unit vectors, which begins as the zero-shot classes; "
    "learning rate and epoch chosen on the validation part",
    "retrieval": "cosine of each caption with each sound",
}


@dataclass(frozen=True)
class Question:
    """What is to be measured, checked, before a model is loaded."""

    data: Data
    setup: Setup
    templates: tuple[Template, ...]
    plans: tuple[Plan, ...]

    @property
    def places(self) -> list[int]:
        """All clips that are needed, in order."""
        if not self.plans:
            return self.data.tested
        needed = {place for plan in self.plans for place in (*plan.train, *plan.validation, *plan.tested)}
        return sorted(needed)


def question(
    task: Task | str,
    root: str | os.PathLike[str],
    *,
    setup: Setup | None = None,
    templates: Sequence[str] = (),
    folds: Sequence[str] = (),
) -> Question:
    """Read a task's folder and check what is asked; arguments and errors as `benchmark`."""
    task = find_task(task) if isinstance(task, str) else task
    is_retrieval = task.metric == "retrieval"
    setup = setup or ("retrieval" if is_retrieval else "zeroshot")
    if setup not in get_args(Setup):
        raise BadOption(f"the set-up must be one of {', '.join(get_args(Setup))}, not {setup!r}")
    if is_retrieval != (setup == "retrieval"):
        raise BadOption(f"{task.title} is {'a' if is_retrieval else 'no'} task of retrieval; leave the set-up out")
    if templates and setup not in ("zeroshot", "finetune"):
        raise BadOption(f"templates belong to zero-shot and fine-tuning, not to {setup}")
    data = read_task(task, Path(root), folds)
    chosen = () if is_retrieval or setup in ("linear", "mlp") else templates_of(task, templates)
    found = Question(data, setup, chosen, () if setup in ("zeroshot", "retrieval") else tuple(plans(data)))
    check_some(data, found.places)
    return found


def benchmark(
    clap: Clap,
    task: Task | str | Question,
    root: str | os.PathLike[str] = ".",
    *,
    setup: Setup | None = None,
    templates: Sequence[str] = (),
    folds: Sequence[str] = (),
    model: str | None = None,
    window: Window | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    store: VectorStore | None = None,
    seed: int = 0,
    tuning: Tuning | None = None,
    include_seen: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Measure a model on a published task.

    Args:
        clap: the model; fine-tuning leaves it as it was.
        task: a name of `clapometer.benchmark.tasks.TASKS`, a task, or what `question` made of one, with which `root`,
            `setup`, `templates` and `folds` are said already.
        root: the folder of the data set, or the folder that this one is in.
        setup: `zeroshot`, `linear` (probe), `mlp` (head) or `finetune`; `retrieval` for tasks of captions. Default:
            zero-shot, or retrieval.
        templates: texts with `{}` where a class goes, whose vectors are averaged; or `["ensemble"]`: all of the task's.
            Default: the task's first.
        folds: the folds that are tested; default: all.
        model: the name or folder by which the model was asked for, for the record.
        window: treatment of short and long clips; default: the card's.
        batch_size: windows or texts a forward pass.
        workers: threads that decode and embed.
        store: where vectors are taken from and kept.
        seed: of the MLP head and of fine-tuning; nothing else is random but the bootstrap, whose seed is fixed.
        tuning: how to fine-tune.
        include_seen: test clips that the model was trained on or selected by, too; the record says so.
        progress: told of sounds, texts and steps.

    Returns:
        Figures with intervals, what was said of each clip, and a record from which it can be done again.

    Raises:
        BadOption: an unknown task or option; the folder does not look as published.
        BadInput, TrainingFailed: as the set-ups raise them.

    Example:
        >>> import clapometer
        >>> from clapometer.benchmark.run import benchmark
        >>> clap = clapometer.load("mini")  # doctest: +SKIP
        >>> benchmark(clap, "esc50", "ESC-50-master", folds=["5"]).figures.value  # doctest: +SKIP
        Estimate(value=0.89, low=0.86, high=0.92)
    """
    asked = task if isinstance(task, Question) else question(task, root, setup=setup, templates=templates, folds=folds)
    data, window = asked.data, window or clap.card.window
    how: dict[str, Any] = {"batch_size": batch_size, "workers": workers, "store": store, "progress": progress}
    known = by_dataset(data, clap.seen)
    if not include_seen:
        data, left = without(data, asked.plans, known)
        asked = replace(asked, data=data, plans=left)
    heard = hear(clap, data, asked.places, window=window, **how)
    of_content = by_content(data, heard, clap.seen)
    if not include_seen:
        data, left = without(data, asked.plans, of_content)
        asked = replace(asked, data=data, plans=left)
        heard = heard.only(asked.places)
    excluded = Excluded({**of_content, **known}, include_seen, clap.seen)
    turns, copies = apart(data, asked.plans, heard)
    asked = replace(asked, plans=turns)
    answers: Answers | None = None
    more: dict[str, Any] = {}
    if asked.setup == "retrieval":
        figures, more["texts"] = retrieved(clap, data, heard, **how)
        unseen = unseen_texts(data, heard, clap.seen)
        more["texts"]["clips_with_unseen_captions"] = len(unseen)
        if FEWEST_UNSEEN <= len(unseen) < len(heard.places):
            more["unseen_texts"] = _as_json(retrieved(clap, data, heard.only(unseen), **how)[0])
    elif asked.setup == "zeroshot":
        answers, more["prompts"] = zero_shot(clap, data, heard, asked.templates, batch_size)
        figures = _figures(data, answers)
    else:
        answers, more["turns"] = _learnt(clap, asked, heard, seed, tuning, window, progress)
        more["seed"] = seed
        figures = _figures(data, answers)
    size = batch_size or clap.default_batch_size
    record = {
        "command": "benchmark",
        **_about(asked, heard, model or clap.card.name),
        **provenance(clap, model=model or clap.card.name, window=window, batch_size=size),
        "formula": FORMULAS[asked.setup],
        **more,
        **_as_json(figures),
        "resamples": {**asdict(RESAMPLES), "drawn": figures.drawn},
    }
    record["tested"]["copies_of_training"] = copies
    record["seen"], record["includes_seen"] = excluded.as_record(), excluded.marks
    rows = beside(data, asked.setup, figures, clap.card.name, asked.templates, len(heard.failed), len(copies))
    record["published"] = [{**asdict(one.published), "here": told(one.ours), "differs": one.differs} for one in rows]
    return Result(data.task, asked.setup, figures, answers, record, heard.failed)


def _figures(data: Data, answers: Answers) -> Figures:
    return tagged(answers) if data.task.metric == "map" else classified(answers, data.task.metric)


def _learnt(
    clap: Clap,
    asked: Question,
    heard: Heard,
    seed: int,
    tuning: Tuning | None,
    window: Window,
    progress: Progress | None,
) -> tuple[Answers, list[dict[str, Any]]]:
    """What a head, or a tower, says of the tested clips when it is their turn, and what was chosen in each turn."""
    from clapometer.benchmark.supervised import linear_probe, mlp_head  # brings torch

    data = asked.data
    scores, places, turns, told_of = [], [], [], []
    for plan in asked.plans:
        if asked.setup == "linear":
            some, tested, chosen = linear_probe(data, plan, heard)
        elif asked.setup == "mlp":
            some, tested, chosen = mlp_head(data, plan, heard, seed)
        else:
            from clapometer.benchmark.end_to_end import Tuning, fine_tuned

            how = replace(tuning or Tuning(), seed=seed)
            some, tested, chosen = fine_tuned(clap, data, plan, heard, asked.templates, how, window, progress)
        scores.append(some)
        places += tested
        turns += [plan.name] * len(tested)
        sizes = {"train": len(plan.train), "validation": len(plan.validation), "tested": len(tested)}
        told_of.append({"tested_on": plan.name, "validation_part": plan.how, **sizes, "chosen": chosen})
    clips = [data.clips[place] for place in places]
    return Answers(clips, data.labels, np.concatenate(scores), turns), told_of


def _about(asked: Question, heard: Heard, model: str) -> dict[str, Any]:
    """What was asked, of what."""
    data, task = asked.data, asked.data.task
    listed = "\n".join(f"{clip.audio}\t{'|'.join(clip.labels)}\t{clip.fold}\t{clip.split}" for clip in data.clips)
    found = {"clips": len(data.clips), "classes": len(data.labels), "folds": len(data.all_folds)}
    return {
        "task": {
            "name": task.name,
            "title": task.title,
            "metric": task.metric,
            "protocol": task.protocol,
            "licence": task.licence,
            "published_counts": dict(task.counts),
            "counts": {name: count for name, count in found.items() if count},
            "layout": data.folder.layout.name,
            "list_sha256": hashlib.sha256(listed.encode("utf-8", "replace")).hexdigest(),
        },
        "setup": asked.setup,
        "again": _again(asked, model),
        "root": str(data.folder.root),
        "tested": {
            "folds": list(data.folds),
            "clips": len(data.tested),
            "missing_or_unreadable": len(heard.failed),
        },
    }


def _again(asked: Question, model: str) -> str:
    """The command that measures the same with the default window, precision and seed."""
    data = asked.data
    words = ["clapometer", "benchmark", data.task.name, "--root", "DIR", "--model", model, "--setup", asked.setup]
    for fold in data.folds if data.folds != data.all_folds else ():
        words += ["--fold", fold]
    for template in asked.templates:
        words += ["--template", template.text]
    return shlex.join(words)


def _as_json(figures: Figures) -> dict[str, Any]:
    def one(estimate: Estimate) -> dict[str, float | None]:
        return {name: _finite(value) for name, value in asdict(estimate).items()}

    return {
        "metric": figures.main,
        "figures": {name: one(estimate) for name, estimate in figures.estimates.items()},
        "folds": {name: _finite(value) for name, value in figures.folds.items()},
    }


def _finite(value: float) -> float | None:
    return round(value, 6) if np.isfinite(value) else None


def warnings_of(result: Result, model: str) -> list[str]:
    """What a reader must know before quoting the figure: training data that was tested on, counts that are not those
    that were published.
    """
    task, record = result.task, result.record
    found = []
    seen = record["seen"]
    if counts := ", ".join(f"{count} {reason}" for reason, count in seen["excluded"].items()):
        what = f"tested clips are training or validation data of {model} ({counts})"
        done = "are included" if seen["included"] else "were left out; --include-seen tests them too"
        found.append(f"{what} and {done}")
    if not seen["known"]:
        found.append(f"training data unknown: clips that {model} was trained on cannot be left out")
    texts = record.get("texts", {})
    if (unseen := texts.get("clips_with_unseen_captions", texts.get("clips"))) != texts.get("clips"):
        apart = "; metrics among the others are in the record as unseen_texts" if "unseen_texts" in record else ""
        found.append(f"captions of {texts['clips'] - unseen} of {texts['clips']} clips were seen in training{apart}")
    for name, count in record["task"]["counts"].items():
        if (expected := task.counts.get(name)) is not None and expected != count:
            found.append(f"{task.title} was published with {expected} {name}; there are {count} here")
    if copies := record["tested"]["copies_of_training"]:
        copy, original = next(iter(copies.items()))
        found.append(
            f"{len(copies)} tested clips were left out, for they are copies of training clips, such as {copy} (of "
            f"{original})"
        )
    if result.failed:
        first = next(iter(result.failed.items()))
        found.append(f"{len(result.failed)} clips are missing or unreadable, the first: {first[1]}")
    return found
