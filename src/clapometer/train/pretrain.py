"""Contrastive pretraining on captions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from clapometer.checkpoints import DEFAULT_MODEL, load
from clapometer.embed import Progress, embed_sounds
from clapometer.errors import BadAudio, BadOption, BadTable, first_of
from clapometer.labels import DEFAULT_TEMPLATE, checked_templates
from clapometer.losses.contrastive import info_nce
from clapometer.model import Clap
from clapometer.provenance import file_hash, versions
from clapometer.records import FUSED, Window
from clapometer.stats.classes import figures
from clapometer.tables import read_table
from clapometer.train.captions import CaptionBatch, CaptionBatches, read_captions
from clapometer.train.keeper import Tell, silent
from clapometer.train.loop import Trained, train
from clapometer.train.objective import Objective
from clapometer.train.options import Augmentation, TrainOptions
from clapometer.train.sounds import decoded
from clapometer.weights import weights_hash
from clapometer.zeroshot import class_vectors


class Contrastive(Objective[CaptionBatch]):
    """Symmetric InfoNCE, in which texts that are true of a sound are not its negatives."""

    def forward(self, audio: Tensor, text: Tensor, logit_scale: Tensor, batch: CaptionBatch) -> dict[str, Tensor]:
        """As `Objective.forward`."""
        return {"contrastive": info_nce(audio, text, logit_scale, batch.fits.to(audio.device))}


@dataclass(frozen=True)
class ZeroShot:
    """Zero-shot classification of a table's sounds: a validation.

    Attributes:
        sounds: files.
        labels: the true label of each.
        templates: texts with `{}` where a label goes.
    """

    sounds: tuple[Path, ...]
    labels: tuple[str, ...]
    templates: tuple[str, ...] = (DEFAULT_TEMPLATE,)

    def __call__(self, clap: Clap) -> dict[str, float]:
        """`accuracy` and `balanced_accuracy`.

        Raises:
            BadAudio: a sound cannot be read.
        """
        classes = sorted(set(self.labels))
        embedded = embed_sounds(clap, self.sounds)
        for error in filter(None, embedded.errors):
            raise BadAudio(error)
        likeness = embedded.vectors.astype(np.float64) @ class_vectors(clap, classes, self.templates).T
        found = figures(self.labels, [classes[number] for number in likeness.argmax(axis=1)], classes)
        return {"accuracy": found.accuracy, "balanced_accuracy": found.balanced_accuracy}


def read_validation(
    paths: Sequence[str | os.PathLike[str]],
    *,
    templates: Sequence[str] = (DEFAULT_TEMPLATE,),
    audio_root: str | os.PathLike[str] | None = None,
) -> ZeroShot:
    """The validation of one or more tables with the columns `audio` and `label`, or else `audio` and `text`.

    Texts are classes as they stand, without a template: the question is then which of all texts is the sound's own.

    Raises:
        BadTable: a table cannot be read, rows cannot be used, or there are fewer than two classes.
        BadOption: a template without `{}`.
    """
    sounds: list[Path] = []
    labels: list[str] = []
    bad: list[str] = []
    kinds = set()
    for path in paths:
        table = read_table(path, ("audio",))
        column = "label" if "label" in table.columns else "text"
        table = read_table(path, ("audio", column))
        kinds.add(column)
        root = Path(audio_root) if audio_root is not None else table.path.parent
        for number, (audio, label) in enumerate(zip(table.texts("audio"), table.texts(column), strict=True)):
            sound = Path(os.path.abspath(root / audio))  # noqa: PTH100 - links stay as they are
            if table.problems[number] or not sound.is_file():
                bad.append(f"{table.where(number)}: {table.problems[number] or f'{sound}: no such file'}")
            sounds.append(sound)
            labels.append(label.strip())
    if bad:
        raise BadTable(f"{len(bad)} rows cannot be validated on; correct or remove them:{first_of(bad)}")
    if len(kinds) > 1:
        raise BadTable("some tables for validation have a column `label` and some have not; give one kind")
    if len(set(labels)) < 2:
        raise BadTable(f"{paths[0]}: holds one class; validation needs two or more to choose from")
    return ZeroShot(tuple(sounds), tuple(labels), checked_templates(templates) if kinds == {"label"} else ("{}",))


def pretrain(
    captions: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    scratch: bool = False,
    validation: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    templates: Sequence[str] = (DEFAULT_TEMPLATE,),
    audio_root: str | os.PathLike[str] | None = None,
    window: Window | str | None = None,
    seconds: float | None = None,
    options: TrainOptions | None = None,
    epochs: float | None = None,
    augmentation: Augmentation | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    tell: Tell = silent,
) -> Trained:
    """Train a model on sounds with captions, by symmetric InfoNCE with a learned temperature.

    A run that was stopped goes on by the same call.

    Args:
        captions: tables with the columns `audio` and `text`, and `group` if there are groups of sounds that must not
            be told apart; a clip may have several rows.
        folder: where the model and the run are written; see `clapometer.train.loop.train`.
        model: the model to start from.
        scratch: take its architecture and tokenizer, and random weights.
        validation: tables with `audio` and `label` (zero-shot classification), or `audio` and `text`.
        templates: texts with `{}` for the labels of the validation.
        audio_root: folder of the sounds; default: that of each table.
        window: treatment of short and long clips in training and validation, and the new model's default: a window, or
            changes to the model's such as `head`; default: the model's.
        seconds: length of the random stretches of sounds that are trained on; default: the window's. A model with a
            window `fused` or `fused-all` is trained on whole sounds, by the path that scores them, and takes none.
        options: of the loop.
        epochs: how often each clip is heard, in place of `options.steps`.
        augmentation: what is done to the sounds at random; default: `Augmentation()`.
        device: `cpu`, `cuda`, `mps`, ..., or `auto`.
        progress: told of sounds and steps.
        tell: given a line at each validation.

    Raises:
        BadTable, BadAudio: rows or sounds cannot be used; all of them are counted, the first are named.
        BadOption: an option cannot be, or the folder holds another run.
        CheckpointError: the model cannot be loaded.
        TrainingFailed: the loss is not finite.

    Example:
        >>> import clapometer  # doctest: +SKIP
        >>> clapometer.pretrain("captions.csv", "my-clap", validation="val.csv", epochs=20)  # doctest: +SKIP
        >>> clap = clapometer.load("my-clap")  # doctest: +SKIP
    """
    options, augmentation = options or TrainOptions(), augmentation or Augmentation()
    if isinstance(window, str):
        Window.check(window)
    tables, checks = _listed(captions), _listed(validation)
    clips = read_captions(tables, audio_root=audio_root)
    validate = read_validation(checks, templates=templates, audio_root=audio_root) if checks else None
    if epochs is not None:
        if epochs <= 0:
            raise BadOption(f"epochs must be positive, not {epochs}")
        options = replace(options, steps=max(1, round(epochs * len(clips) / options.batch_size)))
    clap = load(model, device=device)
    begin = weights_hash(clap)
    if scratch:
        with torch.random.fork_rng():
            torch.manual_seed(options.seed)
            clap = clap.untrained().to(clap.device)
    name = Path(folder).name
    clap.card = replace(
        clap.card,
        name=name,
        summary=f"trained by clapometer pretrain on {len(clips)} clips",
        licence="that of the training data" + ("" if scratch else f", and {clap.card.licence}"),
        source="clapometer pretrain" + ("" if scratch else f", from {clap.card.name}"),
        published="",
        window=clap.window_of(window),
    )
    seconds = _stretch(clap.card.window, seconds)
    sounds = decoded([clip.audio for clip in clips], clap.card.sample_rate, progress)
    batches = CaptionBatches(
        clips,
        sounds,
        size=options.batch_size,
        window=clap.card.window,
        seconds=seconds,
        seed=options.seed,
        augmentation=augmentation,
    )
    run = {
        "command": "pretrain",
        "model": {"name": os.fspath(model), "weights": "random" if scratch else begin},
        "captions": {os.fspath(path): file_hash(Path(path)) for path in tables},
        "validation": {os.fspath(path): file_hash(Path(path)) for path in checks},
        "templates": list(templates),
        "window": str(clap.card.window),
        "seconds": seconds,
        "augmentation": asdict(augmentation),
        "device": clap.device.type,
        "versions": versions(),
    }
    return train(
        clap, batches, Contrastive(), options, folder, validate=validate, run=run, progress=progress, tell=tell
    )


def _stretch(window: Window, seconds: float | None) -> float | None:
    """Length of the random stretches of sounds that are trained on; None where sounds are encoded whole."""
    if window.long in FUSED:
        if seconds is not None:
            raise BadOption(
                f"seconds: with the window {window.long} sounds are trained on whole, as they are scored; leave it "
                "out, or take the window `windows`"
            )
        return None
    seconds = window.seconds if seconds is None else seconds
    if not 0 < seconds <= 3600:
        raise BadOption(f"seconds must be positive and at most 3600, not {seconds}")
    return seconds


def _listed(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[str | os.PathLike[str]]:
    return [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
