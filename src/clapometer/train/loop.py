"""The one training loop: from batches and an objective to a trained model, and on from where it was stopped."""

from __future__ import annotations

import json
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
from clapometer.errors import BadOption, CheckpointError, TrainingFailed
from clapometer.model import Clap
from clapometer.train.log import Log
from clapometer.train.options import TrainOptions

WARMEST = 100.0
"""Largest inverse temperature, as in CLIP."""
Validate = Callable[[Clap], Mapping[str, float]]
"""Figures of a model; the first one decides which state is the best, the higher the better."""
Progress = Callable[[str, int], Callable[[int], None]]
"""`progress("steps", 500)` begins a count to 500 and returns the function that counts finished items."""

Tell = Callable[[str], None]
"""Takes a line for the user."""


def silent(_: object) -> None:
    """Who wants to hear nothing."""


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


@dataclass
class _State:
    """What changes during a run."""

    step: int = 0
    loss: float = float("nan")
    best_step: int = 0
    best: dict[str, float] | None = None


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
    _claim(folder, {**(run or {}), "options": asdict(options)})
    objective.to(clap.device)
    with _learning(clap, options) as groups:
        groups[0]["params"] += list(objective.parameters())
        optimizer = torch.optim.AdamW([group for group in groups if group["params"]], weight_decay=0.0)
        weights = [weight for group in groups for weight in group["params"]]
        state = _restored(folder / "state.pt", clap, objective, optimizer)
        begun = state.step
        with Log(folder, begun) as log, _ahead(batches, begun, options) as ready:
            keeper = _Keeper(folder, state, clap, objective, optimizer, log, validate, half, tell)
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


@dataclass(frozen=True)
class _Keeper:
    """Writes what a run comes to."""

    folder: Path
    state: _State
    clap: Clap
    objective: nn.Module
    optimizer: torch.optim.Optimizer
    log: Log
    figures: Validate | None
    half: bool
    tell: Tell

    def validate(self) -> None:
        """Measure the model; write it if it is the best so far."""
        if self.figures is None:
            return
        state, figures = self.state, dict(self.figures(self.clap))
        self.log.write(state.step, figures)
        best = state.best is None or next(iter(figures.values())) > next(iter(state.best.values()))
        if best:
            state.best_step, state.best = state.step, figures
            save(self.clap, self.folder, half=self.half)
        loss = f"loss {state.loss:.4f}  " if state.step else ""
        shown = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
        self.tell(f"step {state.step}  {loss}{shown}{'  best so far' * best}")

    def keep(self) -> None:
        """Write the state from which the run goes on, and the model as it is."""
        if self.figures is None:
            self.state.best_step = self.state.step
            save(self.clap, self.folder, half=self.half)
        self.log.flush()
        path = self.folder / "state.pt"
        part = path.with_name(path.name + ".part")
        networks = {"model": self.clap.state_dict(), "objective": self.objective.state_dict()}
        with part.open("wb") as file:
            torch.save({**asdict(self.state), **networks, "optimizer": self.optimizer.state_dict()}, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        # After the state: killed in between, the run writes it once more.
        save(self.clap, self.folder / "last", half=self.half)


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


def _claim(folder: Path, run: dict[str, Any]) -> None:
    """Make the folder this run's, or find that it is.

    Raises:
        BadOption: it is another's.
    """
    path = folder / "run.json"
    run = json.loads(json.dumps(run))
    if not path.exists():
        part = path.with_name("run.json.part")
        part.write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
        part.replace(path)
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadOption(f"{path} is damaged ({error}); remove it, or take another folder") from error
    changed = [f"{name}: {before.get(name)} there, {run.get(name)} now" for name in _differences(before, run)]
    if changed:
        raise BadOption(
            f"{folder} holds another run ({'; '.join(changed[:3])}); ask for the same to go on with it, "
            "or take another folder"
        )


def _differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return [name for name in {**before, **now} if before.get(name) != now.get(name)]


def _restored(path: Path, clap: Clap, objective: nn.Module, optimizer: torch.optim.Optimizer) -> _State:
    if not path.exists():
        return _State()
    try:
        kept = torch.load(path, map_location=clap.device, weights_only=True)
        clap.load_state_dict(kept["model"])
        objective.load_state_dict(kept["objective"])
        optimizer.load_state_dict(kept["optimizer"])
        return _State(kept["step"], kept["loss"], kept["best_step"], kept["best"])
    except Exception as error:  # whatever unpickling a damaged file comes to
        raise CheckpointError(f"{path} is damaged ({error}); remove it to begin the run again") from error
