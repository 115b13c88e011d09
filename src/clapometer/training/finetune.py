"""Human-CLAP: a model that learns from listeners' ratings."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

from clapometer.embedding.pipeline import Progress, embed_files, embed_texts
from clapometer.errors import BadAudio, BadOption, BadTable
from clapometer.models.clap import Clap
from clapometer.models.registry import load, resolve
from clapometer.models.weights.safetensors import weights_hash
from clapometer.provenance import file_hash, versions
from clapometer.ratings.reading import read_ratings
from clapometer.ratings.writing import write_ratings
from clapometer.seen import Seen
from clapometer.similarity import clap_score_of, paired_cosine
from clapometer.stats.agreement import agreement
from clapometer.tables.splits import Split
from clapometer.text import text_key
from clapometer.training.audio_data import decoded
from clapometer.training.captions import CaptionBatches, Clip, read_captions
from clapometer.training.card import Outcome
from clapometer.training.distributed import joined, processes
from clapometer.training.finetune_report import outcome
from clapometer.training.frozen import known_sounds, known_texts
from clapometer.training.loop import Trained, train
from clapometer.training.losses.rated import read_loss
from clapometer.training.options import NO_AUGMENTATION, Augmentation, TrainOptions
from clapometer.training.parameters import learning_parts
from clapometer.training.rating_batches import Rated, RatedBatches
from clapometer.training.rating_data import Material, RatedPairs, Targets, read_material
from clapometer.training.run_folder import Tell, silent
from clapometer.types import Window

OPTIONS = TrainOptions(batch_size=32, learning_rate=3e-5, warmup=50, keep_statistics=True, patience=5)
"""Of the loop, unless others are given."""
EPOCHS = 20.0


@dataclass(frozen=True)
class Finetuned:
    """What came of fine-tuning."""

    trained: Trained
    outcome: Outcome


@dataclass(frozen=True)
class Reminder:
    """Pairs of captions that are heard beside the rated ones, by InfoNCE, so that a model keeps what it knew."""

    tables: tuple[str, ...]
    """As `pretrain` takes them."""
    audio_root: str | None = None
    """Folder of their sounds; default: that of each table."""
    share: float = 0.5
    """How many of them a batch has, as a share of the rated ones."""
    weight: float = 1.0
    """Of their term in the loss."""

    def __post_init__(self) -> None:
        for name in ("share", "weight"):
            if not 0 < getattr(self, name) < math.inf:
                raise BadOption(f"{name} of the captions must be positive, not {getattr(self, name)}")


@dataclass(frozen=True)
class RatedAgreement:
    """How far a model agrees with listeners on the validation split."""

    pairs: RatedPairs

    def __call__(self, clap: Clap) -> dict[str, float]:
        """`srcc` with the pairs' mean ratings, `lcc`, and the `mse` of the CLAPScore, both on 0..1.

        `srcc` and `lcc` are NaN where the model gives every pair the same cosine.

        Raises:
            BadAudio: a sound cannot be read.
        """
        sounds, texts = embed_files(clap, self.pairs.audio), embed_texts(clap, self.pairs.texts)
        for error in filter(None, sounds.errors):
            raise BadAudio(error)
        cosine = paired_cosine(sounds.vectors, texts.vectors)
        found = agreement(cosine, self.pairs.mean)
        clipped = agreement(clap_score_of(cosine), self.pairs.mean)
        return {"srcc": found.srcc, "lcc": found.lcc, "mse": clipped.mse}


def finetune(
    ratings: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str],
    loss: str = "wsce+mae",
    targets: Targets = "mean",
    screen: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    scale: tuple[float, float] | None = None,
    audio_root: str | os.PathLike[str] | None = None,
    validation_share: float = 0.1,
    test_share: float = 0.2,
    reminder: Reminder | None = None,
    window: Window | str | None = None,
    options: TrainOptions | None = None,
    epochs: float | None = EPOCHS,
    augmentation: Augmentation | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    tell: Tell = silent,
) -> Finetuned:
    """Fine-tune a model on listeners' ratings, so that its score agrees with people (Human-CLAP, arXiv 2506.23553).

    A run that was stopped resumes by the same call. The state with the highest SRCC on the validation split is kept;
    what was gained is measured on the test split, which neither trained nor selected the model.

    Args:
        ratings: a file that `read_ratings` reads; its splits are used as `train.rated.read_material` says.
        folder: where the model and the run are written: beside what `train.loop.train` writes, `CARD.md` (data, losses,
            agreement before and after), `calibration.json` (for the column `rating`), `ratings.csv` (the ratings with
            the split of each, which `evaluate` and `ratings` read), `seen.csv` (what the model has learned from, so
            that it is never evaluated on it), `before.csv` and `after.csv` (scores of validation and test), and for
            the LAION family `transformers/`, a folder for `transformers.ClapModel`.
        model: the model to start from.
        loss: a weighted sum of `wsce`, `mae`, `mse`, `listnet`, `margin` and `infonce`, such as `wsce+2*mae`.
        targets: what a pair's score is brought to; see `train.rated.Targets`.
        screen: rules of screening, in their order; see `clapometer ratings --help`.
        columns: which column of the ratings is which, as `read_ratings` takes it.
        scale: lowest and highest rating, as `read_ratings` takes it.
        audio_root: folder of the sounds; default: that of the file.
        validation_share: share of the pairs that becomes the validation split, where the file has none.
        test_share: share of the pairs that becomes the test split, where the file has neither validation nor test; no
            test split is created if that is fewer than 20 pairs.
        reminder: pairs of captions that stand in every batch, so that the model keeps what it knew.
        window: treatment of short and long clips in training and validation, and the new model's default: a window, or
            changes to the model's such as `head`; default: the model's.
        options: of the loop; default: `OPTIONS`.
        epochs: how often each pair is heard, with a validation after each time, in place of `options.steps`; None:
            as the options say.
        augmentation: what is done to the sounds at random; default: nothing.
        device: `cpu`, `cuda`, `mps`, ..., or `auto`.
        progress: told of sounds and steps.
        tell: given what is to be known of the ratings, and a line at each validation.

    Raises:
        BadTable, BadAudio: ratings or sounds cannot be used; all of them are counted, the first are named.
        BadOption: an option cannot be, or the folder holds another run.
        CheckpointError: the model cannot be loaded.
        TrainingFailed: the loss is not finite.

    Example:
        >>> import clapometer  # doctest: +SKIP
        >>> clapometer.finetune("REL.csv", "my-clap", model="laion", loss="wsce+mae")  # doctest: +SKIP
        >>> clap = clapometer.load("my-clap")  # doctest: +SKIP
    """
    arguments = {name: value for name, value in locals().items() if name not in ("folder", "progress", "tell")}
    options, augmentation = options or OPTIONS, augmentation or NO_AUGMENTATION
    if augmentation.mix:
        raise BadOption("rated sounds are not mixed: what listeners said is of one sound; take mix 0")
    if isinstance(window, str):
        Window.check(window)
    summed = read_loss(loss)
    with joined(device) as device:
        if not processes().is_first:
            progress, tell = None, silent
        given = read_ratings(ratings, columns=columns, scale=scale)
        source = resolve(model)
        known = source.seen
        material = read_material(
            given,
            audio_root=audio_root,
            screen=screen,
            targets=targets,
            validation_share=validation_share,
            test_share=test_share,
            seed=options.seed,
            seen=known,
        )
        clips, notes = ((), ()) if reminder is None else _captions(reminder, material)
        material = replace(material, notes=(*material.notes, *notes))
        for line in (*_told(material), *material.notes):
            tell(line)
        options = _timed(options, epochs, len(material.train))
        clap = load(source, device=device)
        begin = weights_hash(clap)
        clap.card = replace(
            clap.card,
            name=Path(folder).name,
            summary=f"fine-tuned by clapometer finetune on {len(material.train)} rated pairs of {given.path.name}",
            license=f"{clap.card.license}, and that of the ratings and their sounds",
            source=f"clapometer finetune, from {clap.card.name}",
            differences="",
            window=clap.window_of(window),
        )
        clap.seen = _seen(known, material, clips)
        batches = _batches(clap, material.train, reminder, clips, options, augmentation, progress)
        run = _record(arguments, material, begin, clap)
        trained = train(
            clap,
            batches,
            Rated(summed, 1.0 if reminder is None else reminder.weight),
            options,
            folder,
            validate=RatedAgreement(material.validation),
            run=run,
            progress=progress,
            tell=tell,
        )
        found = None
        if processes().is_first:
            write_ratings(material.split, trained.folder / "ratings.csv")
            found = outcome(model, trained, material, run, device=device, progress=progress)
        return Finetuned(trained, processes().from_first(found))


def repeat(run: str | os.PathLike[str], folder: str | os.PathLike[str], **more: Any) -> Finetuned:
    """Do again what the `run.json` of another folder says, to the last bit on the same machine with as many threads.

    Args:
        run: that file.
        folder: where to.
        more: `device`, `progress`, `tell` of `finetune`.

    Raises:
        BadOption: the file is none, or a table or the model is no longer what it was.
    """
    path = Path(run)
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        arguments, hashes, _ = before["arguments"], before["hashes"], before["weights"]
        options, augmentation, reminder = (arguments.pop(name) for name in ("options", "augmentation", "reminder"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadOption(f"{path} is not the run.json of `clapometer finetune` ({error!r})") from error
    for name, expected in hashes.items():
        if not Path(name).is_file() or file_hash(Path(name)) != expected:
            raise BadOption(f"{path}: {name} is not there, or not what it was; bring it back")
    weights = weights_hash(load(arguments["model"], device="cpu"))
    if weights != before["weights"]:
        raise BadOption(
            f"{path}: the model {arguments['model']} has the weights {weights}, and the run started from "
            f"{before['weights']}; restore that model, or start a new run"
        )
    if arguments["scale"] is not None:
        arguments["scale"] = tuple(arguments["scale"])
    given: dict[str, Any] = {}
    if options is not None:
        given["options"] = TrainOptions(**{**options, "parts": tuple(options["parts"])})
    if augmentation is not None:
        given["augmentation"] = Augmentation(**augmentation)
    if reminder is not None:
        given["reminder"] = Reminder(**{**reminder, "tables": tuple(reminder["tables"])})
    return finetune(**{**arguments, **given, **more}, folder=folder)


def _timed(options: TrainOptions, epochs: float | None, pairs: int) -> TrainOptions:
    """Options whose steps come from epochs; validated and saved after each, however many steps that is."""
    if options.batch_size > pairs:
        options = replace(options, batch_size=pairs)
    if epochs is None:
        return options
    if not epochs > 0:
        raise BadOption(f"epochs must be positive, not {epochs}")
    one = max(1, round(pairs / options.batch_size))
    steps = max(1, round(epochs * pairs / options.batch_size))
    return replace(options, steps=steps, validate_every=one, save_every=one, warmup=min(options.warmup, steps // 2))


def _told(material: Material) -> list[str]:
    train, validation, test = material.train, material.validation, material.test
    held_out = f"{len(test) if test else 0} for the test"
    lines = [f"{step.rule}: {step.ratings} ratings removed ({step.about})" for step in material.steps]
    return [
        *lines,
        f"{len(train)} pairs for training ({len(train.ratings)} ratings), {len(validation)} for validation, {held_out}",
    ]


def _captions(reminder: Reminder, material: Material) -> tuple[tuple[Clip, ...], tuple[str, ...]]:
    """The caption clips that share no audio and no text with validation and test, and a note on those left out.

    Raises:
        BadTable: fewer than two are left.
    """
    held_out = [pairs for pairs in (material.validation, material.test) if pairs is not None]
    digests = {digest for pairs in held_out for digest in pairs.digests}
    keys = {text_key(text) for pairs in held_out for text in pairs.texts}
    kept, audio, texts = [], 0, 0
    for clip in read_captions(reminder.tables, audio_root=reminder.audio_root):
        some = tuple(text for text in clip.texts if text_key(text) not in keys)
        if clip.sha256 in digests:
            audio += 1
        elif not some:
            texts += 1
        else:
            kept.append(replace(clip, texts=some))
            texts += len(clip.texts) - len(some)
    if len(kept) < 2:
        raise BadTable(
            f"{reminder.tables[0]}: {len(kept)} caption clips are left, since the others share audio or text with "
            "validation or test; give captions of other sounds"
        )
    if not audio and not texts:
        return tuple(kept), ()
    note = f"captions left out since validation or test have them: {audio} sounds, {texts} texts of other sounds"
    return tuple(kept), (note,)


def _seen(base: Seen, material: Material, clips: Sequence[Clip]) -> Seen:
    """What the fine-tuned model has learned from: that of its base, the rated pairs by split, and the captions."""
    for name, pairs in zip(get_args(Split), (material.train, material.validation, material.test), strict=True):
        if pairs is not None:
            base = base.with_pairs(name, audio=pairs.digests, rated_texts=pairs.texts)
    texts = [text for clip in clips for text in clip.texts]
    return base.with_pairs("train", audio=[clip.sha256 for clip in clips], texts=texts)


def _batches(
    clap: Clap,
    pairs: RatedPairs,
    reminder: Reminder | None,
    clips: Sequence[Clip],
    options: TrainOptions,
    augmentation: Augmentation,
    progress: Progress | None,
) -> RatedBatches:
    captions = None
    if reminder is not None:
        captions = CaptionBatches(
            clips,
            decoded([clip.audio for clip in clips], clap.card.sample_rate, progress),
            size=max(2, round(reminder.share * options.batch_size)),
            window=clap.card.window,
            seconds=None,
            seed=options.seed,
            augmentation=augmentation,
        )
    audio = text = None
    if captions is None:  # captions need the towers at every step
        parts = learning_parts(clap, options)
        if augmentation == NO_AUGMENTATION:  # else a sound is another one each time
            audio = known_sounds(clap, parts, pairs.audio, progress)
        text = known_texts(clap, parts, pairs.texts, progress)
    return RatedBatches(
        pairs,
        None if audio is not None else decoded(pairs.audio, clap.card.sample_rate, progress),
        size=options.batch_size,
        window=clap.card.window,
        seed=options.seed,
        augmentation=augmentation,
        captions=captions,
        audio=audio,
        text=text,
    )


def _record(arguments: Mapping[str, Any], material: Material, weights: str, clap: Clap) -> dict[str, Any]:
    """What tells this run from others, and repeats it."""
    reminder = arguments["reminder"]
    tables = [arguments["ratings"], *(() if reminder is None else reminder.tables)]
    return {
        "command": "finetune",
        "arguments": {name: _plain(value) for name, value in arguments.items() if name != "device"},
        "hashes": {os.fspath(path): file_hash(Path(path)) for path in tables},
        "weights": weights,
        "pairs": {
            "train": len(material.train),
            "validation": len(material.validation),
            "test": 0 if material.test is None else len(material.test),
            "created": list(material.created),
        },
        "screening": [asdict(step) for step in material.steps],
        "device": clap.device.type,
        "versions": versions(),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, (TrainOptions, Augmentation, Reminder)):
        return asdict(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Window):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return dict(value) if isinstance(value, Mapping) else value
