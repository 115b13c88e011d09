"""The audio tower trained through, with a linear head, on the one training loop."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from clapometer.audio.reading import Samples
from clapometer.benchmark.data import Data, Heard
from clapometer.benchmark.result import Numbers
from clapometer.benchmark.splits import Plan
from clapometer.benchmark.supervised import Part, figure_of, part_of
from clapometer.benchmark.tasks.task import Template
from clapometer.classification.classifier import class_vectors
from clapometer.embedding.pipeline import Progress, embed_sounds
from clapometer.errors import BadOption
from clapometer.models.clap import Clap
from clapometer.training.audio_data import Sounds, amplified, decoded, fitted, masked, windows
from clapometer.training.loop import train
from clapometer.training.objective import Objective, PrecomputedFeatures
from clapometer.training.options import Augmentation, TrainOptions
from clapometer.types import FUSED, Window

AUGMENTATION = Augmentation(mix=0.0)


@dataclass(frozen=True)
class Tuning:
    """How to fine-tune.

    Raises:
        BadOption: a value that cannot be.
    """

    rates: tuple[float, ...] = (1e-4, 3e-5)
    """Learning rates that are tried, one run each; the best on the validation part stays."""
    epochs: int = 10
    """How often each clip is heard; the best epoch on the validation part stays."""
    batch_size: int = 32
    weight_decay: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.rates or min(self.rates) <= 0:
            raise BadOption(f"learning rates must be positive, and one at least, not {self.rates}")
        if self.epochs < 1 or self.batch_size < 2:
            raise BadOption(f"{self.epochs} epochs of batches of {self.batch_size} are too few")


@dataclass(frozen=True)
class ClassBatch:
    """Sounds with their classes; the text tower has nothing to do."""

    windows: list[list[Tensor]]
    truth: Tensor
    """(n, labels), 1 where a sound has a label."""
    texts: list[str]
    text_features: PrecomputedFeatures | None
    audio_features: PrecomputedFeatures | None = None


class Head(Objective[ClassBatch]):
    """Cross-entropy of a linear head on the unit vectors of sounds; of tags, of each by itself."""

    def __init__(self, classes: Tensor, scale: float, *, tags: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(classes.shape[1], classes.shape[0])
        with torch.no_grad():
            self.linear.weight.copy_(classes * scale)  # zero-shot classification is where it begins
            self.linear.bias.zero_()
        self.tags = tags

    def forward(self, audio: Tensor, text: Tensor, logit_scale: Tensor, batch: ClassBatch) -> dict[str, Tensor]:
        """As `Objective.forward`."""
        logits, truth = self.linear(audio), batch.truth.to(audio.device)
        loss = functional.binary_cross_entropy_with_logits if self.tags else functional.cross_entropy
        # `text` and the temperature take no part; as zeros they keep their places in the graph of the loop.
        return {"classes": loss(logits, truth) + 0 * text.sum() + 0 * logit_scale}


def fine_tuned(
    clap: Clap,
    data: Data,
    plan: Plan,
    heard: Heard,
    templates: Sequence[Template],
    tuning: Tuning,
    window: Window,
    progress: Progress | None = None,
) -> tuple[Numbers, list[int], dict[str, Any]]:
    """Logits of the tested clips by a copy of the model that was trained, their places, and what was chosen.

    The audio tower and what projects its vectors are trained, with the head; the text tower is frozen. Clips are
    augmented: random stretches as long as the window, or whole clips where the window is fused, louder or quieter, and
    masked. They are tested as everywhere else.
    """
    tags = data.task.metric == "map"
    parts = [part_of(data, heard, some) for some in (plan.train, plan.validation, plan.tested)]
    words = [data.task.word(label) for label in data.labels]
    classes = torch.from_numpy(class_vectors(clap, words, [template.text for template in templates]))
    sounds = decoded([data.path(place) for place in parts[0].places], clap.card.sample_rate)
    runs = []
    for rate in tuning.rates:
        head = Head(classes, clap.logit_scale.detach().exp().item(), tags=tags)
        one = replace(tuning, rates=(rate,))
        runs.append((rate, _run(copy.deepcopy(clap), head, data, parts, sounds, one, window, progress)))
    rate, (_, epoch, *weights) = max(runs, key=lambda run: run[1][0])  # the first of equal ones
    model, head = copy.deepcopy(clap), Head(classes, 1.0, tags=tags)
    model.load_state_dict(weights[0])
    head.load_state_dict(weights[1])
    figures = {f"{rate:g}": round(found[0], 6) for rate, found in runs}
    chosen = {"learning_rate": rate, "epoch": epoch, "validation": figures}
    return _scores(model, head, data, parts[2], window), parts[2].places, chosen


def _run(
    model: Clap,
    head: Head,
    data: Data,
    parts: Sequence[Part],
    sounds: Sounds,
    tuning: Tuning,
    window: Window,
    progress: Progress | None,
) -> tuple[float, int, dict[str, Any], dict[str, Any]]:
    """Train with one learning rate: the best figure on the validation part, its epoch, and the weights of then."""
    train_part, held = parts[0], parts[1]
    epoch = max(1, -(-len(train_part.places) // tuning.batch_size))
    best: list[tuple[float, int, dict[str, Any], dict[str, Any]]] = []
    epochs = 0

    def validate(clap: Clap) -> dict[str, float]:
        nonlocal epochs
        figure = figure_of(data, held, _scores(clap, head, data, held, window))
        if not best or figure > best[0][0]:
            best[:] = [(figure, epochs, _copied(clap), _copied(head))]
        epochs += 1
        return {data.task.metric: figure}

    options = TrainOptions(
        steps=epoch * tuning.epochs, batch_size=tuning.batch_size, learning_rate=tuning.rates[0], warmup_steps=epoch,
        weight_decay=tuning.weight_decay, trainable=learning_parts(model), train_temperature=False, seed=tuning.seed,
        validate_every=epoch, save_every=epoch * tuning.epochs,
    )  # fmt: skip
    model.card = replace(model.card, window=window)
    batches = _Batches(sounds, train_part.truth, window, tuning, model.card.dimension)
    with tempfile.TemporaryDirectory() as folder:
        train(model, batches, head, options, Path(folder) / "run", validate=validate, progress=progress)
    return best[0]


class _Batches:
    """The batch of a step, which depends on the seed and the step alone; every clip once before one comes again."""

    def __init__(self, sounds: Sounds, truth: Numbers, window: Window, tuning: Tuning, dimension: int) -> None:
        self.sounds, self.truth, self.window, self.tuning = sounds, torch.from_numpy(truth).float(), window, tuning
        self.nothing = PrecomputedFeatures(list(torch.zeros(tuning.batch_size, 1, dimension)))

    def __call__(self, step: int) -> ClassBatch:
        count, batch = len(self.sounds), self.tuning.batch_size
        places = [divmod(place, count) for place in range(step * batch, (step + 1) * batch)]
        orders = {turn: np.random.default_rng((self.tuning.seed, 0, turn)).permutation(count) for turn, _ in places}
        numbers = [int(orders[turn][place]) for turn, place in places]
        random = np.random.default_rng((self.tuning.seed, 1, step))
        heard = [self.sounds[number] for number in numbers]
        if self.window.long not in FUSED:
            size = round(self.window.seconds * self.sounds.sample_rate)
            size = min(size, max(map(len, heard)))  # a window of a short clip is mostly silence
            heard = [fitted(samples, size, random) for samples in heard]
        parts = [self._windows(samples, random) for samples in heard]
        return ClassBatch(parts, self.truth[numbers], [""] * batch, self.nothing)

    def _windows(self, samples: Samples, random: np.random.Generator) -> list[Tensor]:
        samples = masked(samples, self.sounds.sample_rate, AUGMENTATION, random)
        samples = amplified(samples, random.uniform(-AUGMENTATION.gain, AUGMENTATION.gain))
        return windows(samples, self.sounds.sample_rate, self.window)


def learning_parts(clap: Clap) -> tuple[str, ...]:
    """The parts of a model that a sound goes through.

    Raises:
        BadOption: its parts do not tell.
    """
    names = tuple(name for name in clap.parts() if name.startswith("audio"))
    if not names:
        raise BadOption(f"{clap.card.name} has no part called audio; it has {', '.join(clap.parts())}")
    return names


def _scores(clap: Clap, head: Head, data: Data, part: Part, window: Window) -> Numbers:
    embedded = embed_sounds(clap, [data.path(place) for place in part.places], window=window)
    for error in filter(None, embedded.errors):
        raise BadOption(error)
    with torch.no_grad():
        logits = head.linear(torch.from_numpy(embedded.vectors).to(head.linear.weight.device))
    return np.asarray(logits.double().cpu().numpy())


def _copied(module: nn.Module) -> dict[str, Any]:
    return {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}
