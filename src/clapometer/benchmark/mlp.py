"""An MLP head on frozen vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from clapometer.benchmark.result import Numbers

RATES, DECAYS = (1e-3, 3e-4), (1e-4, 1e-2)
"""What is tried: learning rates and weight decays of AdamW."""
EPOCHS, PATIENCE = 100, 10
"""How often each clip is seen at most, and for how many epochs the validation may get no better."""
HIDDEN, DROPOUT, BATCH = 512, 0.3, 64


@dataclass(frozen=True)
class Settings:
    """How a head is trained."""

    rate: float
    decay: float
    epochs: int = EPOCHS


class Mlp:
    """Two linear layers with a ReLU and dropout between them, on standardised vectors, always on the CPU.

    Two runs with the same clips, settings, seed and number of threads give the same head to the last bit.

    Args:
        vectors: (clips, dimension).
        truth: (clips, labels), 1 where a clip has a label.
        settings: how it is trained.
        tags: whether a clip has several labels.
        seed: of everything random.
        validate: the figure of a head, the higher the better: of its epochs the best one stays, and `epochs` says
            which; without, the last one.
    """

    def __init__(
        self,
        vectors: Numbers,
        truth: Numbers,
        settings: Settings,
        *,
        tags: bool,
        seed: int = 0,
        validate: Callable[[Mlp], float] | None = None,
    ) -> None:
        self.mean = vectors.mean(axis=0)
        self.spread = np.where((spread := vectors.std(axis=0)) > 1e-9, spread, np.inf)
        self.epochs, self.figure = settings.epochs, float("nan")
        x, y = self._standardised(vectors), torch.from_numpy(truth).float()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = nn.Sequential(
                nn.Linear(x.shape[1], HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, y.shape[1])
            )
            self._fit(x, y, settings, tags=tags, seed=seed, validate=validate)

    def _fit(
        self,
        x: torch.Tensor,
        y: torch.Tensor,
        settings: Settings,
        *,
        tags: bool,
        seed: int,
        validate: Callable[[Mlp], float] | None,
    ) -> None:
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=settings.rate, weight_decay=settings.decay)
        best: tuple[float, int, dict[str, torch.Tensor]] | None = None
        for epoch in range(1, settings.epochs + 1):
            self.network.train()
            order = torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(len(x)))
            for some in torch.split(order, BATCH):
                optimizer.zero_grad()
                logits = self.network(x[some])
                loss = (
                    functional.binary_cross_entropy_with_logits(logits, y[some])
                    if tags
                    else functional.cross_entropy(logits, y[some])
                )
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            if validate is not None:
                figure = validate(self)
                if best is None or figure > best[0]:
                    best = figure, epoch, {name: value.clone() for name, value in self.network.state_dict().items()}
                elif epoch - best[1] >= PATIENCE:
                    break
        if best is not None:
            self.figure, self.epochs = best[:2]
            self.network.load_state_dict(best[2])

    @torch.no_grad()
    def scores(self, vectors: Numbers) -> Numbers:
        """(clips, labels): logits."""
        self.network.eval()
        logits: Numbers = self.network(self._standardised(vectors)).double().numpy()
        return logits

    def _standardised(self, vectors: Numbers) -> torch.Tensor:
        return torch.from_numpy((vectors - self.mean) / self.spread).float()


def choices() -> list[Settings]:
    """The settings that are tried."""
    return [Settings(rate, decay) for rate, decay in product(RATES, DECAYS)]
