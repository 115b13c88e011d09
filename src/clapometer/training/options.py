"""What a training run can be told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from clapometer.errors import BadOption


@dataclass(frozen=True)
class TrainOptions:
    """How a model is trained, whatever it learns from.

    Raises:
        BadOption: a value that cannot be.
    """

    steps: int = 1000
    """Updates of the weights."""
    batch_size: int = 64
    """Pairs an update; each is held against all others."""
    accumulate: int = 1
    """Parts that a batch goes through the networks in, to save memory. The update is that of the whole batch."""
    learning_rate: float = 1e-4
    """Highest rate of the schedule: a linear warm-up, then half a cosine down to 0."""
    warmup: int = 100
    """Updates of the warm-up."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Factors of the learning rate by the beginning of a parameter's name, such as `{"audio.blocks": 0.1}`; the
    longest that fits counts. What has 0 is frozen."""
    weight_decay: float = 0.01
    """AdamW's, for matrices and kernels; biases, norms and the temperature have none."""
    clip: float = 1.0
    """Longest gradient, over all weights together; a longer one is scaled down."""
    parts: tuple[str, ...] = ()
    """Parts of the model that learn, by the names of `Clap.parts()`; none named: all of them."""
    learn_temperature: bool = True
    """Whether `logit_scale` learns too."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of the networks; losses and weights are always in single precision."""
    checkpointing: bool = False
    """Whether blocks of the networks are computed anew for their gradients: less memory, a third more time."""
    keep_statistics: bool = False
    """Whether batch norms keep the statistics that they have. Else those of a part of the batch are used where it goes
    through in parts or over several processes, and the update is not quite that of the whole batch."""
    average: float = 0.0
    """Share of the weights that the run began with in what is validated and written, 0..1: an average of both models
    keeps more of what the first one knew (WiSE-FT, Wortsman et al. 2022, arXiv 2109.01903)."""
    patience: int = 0
    """Validations in a row without a better one after which the run ends; 0: it never ends early."""
    seed: int = 0
    """Of everything random. Two runs on a CPU with the same seed, options, data and number of threads agree to the
    last bit."""
    workers: int = 2
    """Threads that make batches ahead."""
    log_every: int = 10
    """Updates between lines of the log."""
    validate_every: int = 200
    """Updates between validations."""
    save_every: int = 200
    """Updates between states from which a stopped run goes on."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "workers", "log_every", "validate_every", "save_every"):
            if getattr(self, name) < 1:
                raise BadOption(f"{name.replace('_', '-')} must be at least 1, not {getattr(self, name)}")
        for name in ("learning_rate", "clip"):
            if not 0 < getattr(self, name) < math.inf:
                raise BadOption(f"{name.replace('_', '-')} must be positive, not {getattr(self, name)}")
        for name in ("warmup", "weight_decay", "seed", "patience"):
            if not 0 <= getattr(self, name) < math.inf:
                raise BadOption(f"{name.replace('_', '-')} must be 0 or more, not {getattr(self, name)}")
        for prefix, factor in self.rates.items():
            if not 0 <= factor < math.inf:
                raise BadOption(f"the rate of {prefix!r} must be 0 or more, not {factor}")
        if not 0 <= self.average < 1:
            raise BadOption(f"average is a share from 0 to below 1, not {self.average}")
        if self.batch_size < 2:
            raise BadOption("batch-size must be at least 2: a pair learns from what it is held against")
        if self.accumulate > self.batch_size:
            raise BadOption(f"accumulate: a batch of {self.batch_size} cannot be cut into {self.accumulate} parts")
        if self.precision not in ("fp32", "bf16"):
            raise BadOption(f"precision of training must be fp32 or bf16, not {self.precision!r}")

    def rate(self, step: int) -> float:
        """The learning rate of update `step`, counted from 0."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True)
class Augmentation:
    """What is done to sounds at random, so that few of them teach more; every field 0 does nothing.

    Raises:
        BadOption: a value that cannot be.
    """

    gain: float = 6.0
    """Decibels by which a sound is made louder or quieter, at most."""
    mix: float = 0.3
    """Share of sounds that another one is mixed into ("A and B") or put behind ("A followed by B")."""
    level: float = 6.0
    """Decibels between two mixed sounds, at most."""
    time_mask: float = 0.15
    """Longest stretch that is silenced, as a share of the time (SpecAugment, Park et al. 2019, arXiv 1904.08779)."""
    frequency_mask: float = 0.15
    """Widest band that is taken out, as a share of the mel scale (SpecAugment)."""

    def __post_init__(self) -> None:
        for name in ("gain", "level"):
            if not 0 <= getattr(self, name) < math.inf:
                raise BadOption(f"{name} is in decibels, 0 or more, not {getattr(self, name)}")
        for name in ("mix", "time_mask", "frequency_mask"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadOption(f"{name.replace('_', '-')} is a share between 0 and 1, not {getattr(self, name)}")


NO_AUGMENTATION = Augmentation(gain=0, mix=0, level=0, time_mask=0, frequency_mask=0)
