"""The one training loop: from batches and an objective to a trained model, and on from where it was stopped."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from clapometer.checkpoints import save
from clapometer.embed import Progress
from clapometer.errors import BadOption, TrainingFailed
from clapometer.model import Clap
from clapometer.train.keeper import Keeper, Tell, Validate, claim, restored, silent
from clapometer.train.log import Log
from clapometer.train.options import TrainOptions

WARMEST = 100.0
"""Largest inverse temperature, as in CLIP."""


class Batch(Protocol):
    """What the loop needs of a batch; an objective may look for more."""

    @property
    def waveforms(self) -> Tensor:
        """(n, samples) at the model's rate, -1..1."""
        ...

    @property
    def texts(self) -> list[str]:
        """The n texts."""
        ...


SomeBatch = TypeVar("SomeBatch", bound=Batch)


class Objective(nn.Module, Generic[SomeBatch]):
    """What is minimised; it may have parameters of its own, which learn with the model's."""

    def forward(self, audio: Tensor, text: Tensor, logit_scale: Tensor, batch: SomeBatch) -> dict[str, Tensor]:
        """(n, dimension) unit vectors of sounds and texts -> scalars by name, whose sum is the loss."""
        raise NotImplementedError


@dataclass(frozen=True)
class Trained:
    """What came of a run."""

    folder: Path
    """The model: the best state by validation, or the last where there is none. `load` takes it."""
    steps: int
    resumed_from: int
    """The step at which this call began; 0 where it began anew."""
    loss: float
    """Of the last update."""
    best_step: int
    """The step whose weights `folder` holds."""
    figures: Mapping[str, float]
    """Of the validation of that step."""


def train(
    clap: Clap,
    batches: Callable[[int], SomeBatch],
    objective: Objective[SomeBatch],
    options: TrainOptions,
    folder: str | os.PathLike[str],
    *,
    validate: Validate | None = None,
    run: Mapping[str, Any] | None = None,
    half: bool = False,
    progress: Progress | None = None,
    tell: Tell = silent,
) -> Trained:
    """Train a model, in place, and write it.

    The folder gets the model (the best state by validation, else the last), `last/` (the model of the last saved
    step), `log.jsonl` (a line for some updates and for each validation), `run.json` (what was asked for) and
    `state.pt` (from which a stopped run goes on, by the same call). Events for TensorBoard are written where it is
    installed.

    Args:
        clap: the model; its weights change.
        batches: the batch of a step, counted from 0; must depend on nothing else, so that a resumed run sees the same.
        objective: what is minimised.
        options: how.
        folder: where to; made where it is missing.
        validate: figures of the model before and during training.
        run: what tells this run from another, as JSON; a folder with another run in it is refused.
        half: write models in half precision.
        progress: told of steps.
        tell: given a line at each validation.

    Raises:
        BadOption: the folder holds another run, or parts or rates are named that the model has not.
        TrainingFailed: the loss is not finite.
        CheckpointError: the state in the folder is damaged.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    claim(folder, {**(run or {}), "options": asdict(options)})
    objective.to(clap.device)
    with _learning(clap, options) as groups:
        groups[0]["params"] += list(objective.parameters())
        optimizer = torch.optim.AdamW([group for group in groups if group["params"]], weight_decay=0.0)
        weights = [weight for group in groups for weight in group["params"]]
        state = restored(folder / "state.pt", clap, objective, optimizer)
        begun = state.step
        with Log(folder, begun) as log, _ahead(batches, begun, options) as ready:
            keeper = Keeper(folder, state, clap, objective, optimizer, log, validate, half, tell)
            if begun == 0:
                keeper.validate()
            count = progress("steps", options.steps - begun) if progress and begun < options.steps else silent
            for step, batch in ready:
                started = time.monotonic()
                for group in optimizer.param_groups:
                    group["lr"] = options.rate(step) * group["factor"]
                terms = _update(clap, batch, objective, optimizer, weights, options, step)
                state.step, state.loss = step + 1, sum(terms.values())
                last = state.step == options.steps
                if state.step % options.log_every == 0 or last:
                    seconds = time.monotonic() - started
                    log.write(state.step, {"loss": state.loss, **terms, "learning_rate": options.rate(step)}, seconds)
                if state.step % options.validate_every == 0 or last:
                    keeper.validate()
                if state.step % options.save_every == 0 or last:
                    keeper.keep()
                count(1)
        if begun == options.steps:  # killed between the last state and its model, or asked again
            save(clap, folder / "last", half=half)
    return Trained(folder, state.step, begun, state.loss, state.best_step, state.best or {})


def _update(
    clap: Clap,
    batch: SomeBatch,
    objective: Objective[SomeBatch],
    optimizer: torch.optim.Optimizer,
    weights: list[Tensor],
    options: TrainOptions,
    step: int,
) -> dict[str, float]:
    """One update; the terms of the loss."""
    rows = torch.arange(len(batch.texts)).chunk(options.accumulate)
    optimizer.zero_grad(set_to_none=True)
    if len(rows) == 1:
        audio, text = _vectors(clap, batch, rows[0], options, step, 0)
        terms = objective(audio, text, clap.logit_scale, batch)
        _backward(terms, step)
    else:
        # All vectors first, without what their gradients need; the gradients of the loss by them; then part by part
        # again, with the same random numbers (GradCache, Gao et al. 2021, arXiv 2101.06983).
        with torch.no_grad():
            halves = [_vectors(clap, batch, some, options, step, part) for part, some in enumerate(rows)]
        audio, text = (torch.cat(vectors).requires_grad_() for vectors in zip(*halves, strict=True))
        terms = objective(audio, text, clap.logit_scale, batch)
        _backward(terms, step)
        for part, some in enumerate(rows):
            again = _vectors(clap, batch, some, options, step, part)
            learning = [
                (vectors, gradient[some])
                for vectors, gradient in zip(again, (audio.grad, text.grad), strict=True)
                if vectors.requires_grad and gradient is not None
            ]
            torch.autograd.backward([one for one, _ in learning], [gradient for _, gradient in learning])
    nn.utils.clip_grad_norm_(weights, options.clip)
    optimizer.step()
    with torch.no_grad():
        clap.logit_scale.clamp_(max=torch.tensor(WARMEST).log().item())
    return {name: value.item() for name, value in terms.items()}


def _backward(terms: dict[str, Tensor], step: int) -> None:
    loss = torch.stack(list(terms.values())).sum()
    if not torch.isfinite(loss):
        shown = ", ".join(f"{name} {value.item():g}" for name, value in terms.items())
        raise TrainingFailed(f"the loss is not finite at step {step + 1} ({shown}); take a lower learning rate")
    loss.backward()  # type: ignore[no-untyped-call]


def _vectors(
    clap: Clap, batch: Batch, rows: Tensor, options: TrainOptions, step: int, part: int
) -> tuple[Tensor, Tensor]:
    # Random numbers of the networks depend on the step alone, so that no state of a generator must be carried over.
    torch.manual_seed((options.seed * 1_000_003 + step) * 1009 + part)
    with torch.autocast(clap.device.type, torch.bfloat16, enabled=options.precision == "bf16"):
        audio = clap.audio_vectors(batch.waveforms[rows].to(clap.device))
        text = clap.text_vectors([batch.texts[row] for row in rows.tolist()])
    return functional.normalize(audio.float(), dim=-1), functional.normalize(text.float(), dim=-1)


@contextmanager
def _learning(clap: Clap, options: TrainOptions) -> Iterator[list[dict[str, Any]]]:
    """The model in training, what does not learn frozen; groups of parameters; afterwards all as it was."""
    parts = clap.parts()
    unknown = [name for name in options.parts if name not in parts]
    if unknown:
        raise BadOption(f"the model has no part {unknown[0]!r}; it has {', '.join(parts)}")
    for prefix in options.rates:
        if not any(name.startswith(prefix) for name, _ in clap.named_parameters()):
            raise BadOption(
                f"no weight's name begins with {prefix!r}; `clapometer.load(...).named_parameters()` has them"
            )
    learning = {name for name, part in parts.items() if not options.parts or name in options.parts}
    frozen = [part for name, part in parts.items() if name not in learning]
    before = [(weight, weight.requires_grad) for weight in clap.parameters()]
    modes = [(module, module.training) for module in clap.modules()]
    try:
        clap.train()
        for part in frozen:
            part.requires_grad_(False).eval()
        clap.logit_scale.requires_grad_(options.learn_temperature)
        with torch.random.fork_rng():
            yield _groups(clap, options)
    finally:
        for weight, required in before:
            weight.requires_grad_(required)
            weight.grad = None
        for module, training in modes:
            module.training = training


def _groups(clap: Clap, options: TrainOptions) -> list[dict[str, Any]]:
    """Parameters by factor of the learning rate and by weight decay; the first group is the plain one."""
    groups: dict[tuple[float, float], list[Tensor]] = {(1.0, 0.0): []}
    for name, weight in clap.named_parameters():
        if weight.requires_grad:
            prefix = max((one for one in options.rates if name.startswith(one)), key=len, default="")
            decay = options.weight_decay if weight.ndim > 1 else 0.0
            groups.setdefault((options.rates.get(prefix, 1.0), decay), []).append(weight)
    return [{"params": some, "factor": rate, "weight_decay": decay} for (rate, decay), some in groups.items()]


@contextmanager
def _ahead(
    batches: Callable[[int], SomeBatch], first: int, options: TrainOptions
) -> Iterator[Iterator[tuple[int, SomeBatch]]]:
    """Batches in order, made ahead in threads."""
    pool = ThreadPoolExecutor(options.workers, thread_name_prefix="batches")

    def ordered() -> Iterator[tuple[int, SomeBatch]]:
        steps = iter(range(first, options.steps))
        waiting = deque((step, pool.submit(batches, step)) for step in islice(steps, options.workers + 1))
        while waiting:
            step, future = waiting.popleft()
            batch = future.result()
            following = next(steps, None)
            if following is not None:
                waiting.append((following, pool.submit(batches, following)))
            yield step, batch

    try:
        yield ordered()
    finally:
        pool.shutdown(cancel_futures=True)
