"""CLAPScore as a torchmetrics metric, for training and evaluation loops (extra `metrics`)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from clapometer.audio.reading import Sound
from clapometer.models.clap import Clap
from clapometer.models.registry import DEFAULT_MODEL, load
from clapometer.scoring.functional import Reduction, check_reduction, pair_scores, reduced
from clapometer.types import Window

try:
    _Metric: Any = import_module("torchmetrics").Metric
except ImportError as error:
    raise ImportError("clapometer.scoring.metric needs torchmetrics: pip install 'clapometer[metrics]'") from error


class CLAPScore(_Metric):  # type: ignore[misc]
    """How well audio matches text: max(cosine, 0) of each pair, and its mean.

    The score of a pair is that of `clapometer score` and of `clapometer.scoring.functional.clap_score`: nothing is
    cropped at random, and it does not depend on the other pairs, on the size of the updates, nor on how pairs are
    distributed over processes.

    `forward` returns the value of its batch alone and adds the batch to the state; `compute` returns the value of
    everything since the last `reset`.

    Args:
        model: a model, or the name or folder of one.
        reduction: `mean`: `compute` returns the mean of all pairs; `none`: the score of each, those of one process
            after those of another (a scalar if there is one pair, as everywhere in torchmetrics).
        clipped: False for the cosines, -1..1, in place of the scores.
        window: treatment of short and long clips; default: the model card's.
        batch_size: windows or texts per forward pass; default: the model's, which is 1 on a CPU.
        kwargs: of `torchmetrics.Metric`, such as `sync_on_compute`.

    Raises:
        BadOption: an unknown reduction, or a window that the model cannot encode.

    Example:
        >>> import torch
        >>> noise = 0.1 * torch.randn(2, 16000, generator=torch.Generator().manual_seed(0))
        >>> metric = CLAPScore("mini")
        >>> metric.update(noise, ["white noise", "a dog barks"], sample_rate=16000)
        >>> score = metric.compute()
        >>> score.shape, 0 <= score.item() <= 1
        (torch.Size([]), True)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    total: Tensor
    count: Tensor
    values: list[Tensor]

    def __init__(
        self,
        model: Clap | str = DEFAULT_MODEL,
        *,
        reduction: Reduction = "mean",
        clipped: bool = True,
        window: Window | None = None,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_reduction(reduction)
        clap = model if isinstance(model, Clap) else load(model)
        if window is not None:
            clap.check_window(window)
        self._shared = _Shared(clap)
        self.reduction = reduction
        self.clipped = clipped
        self.window = window
        self.batch_size = batch_size
        # The mean from sums, which processes without a pair have too; the scores only if they are requested.
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("values", [], dist_reduce_fx="cat")

    @property
    def clap(self) -> Clap:
        """The model. It is not part of the metric's state: it is neither saved, moved nor copied with it."""
        return self._shared.clap

    def update(
        self,
        audio: Sound | Sequence[Sound] | Tensor,
        texts: str | Sequence[str],
        sample_rate: int | None = None,
        lengths: Sequence[int] | Tensor | None = None,
    ) -> None:
        """Score pairs; arguments and errors as `clapometer.scoring.functional.clap_score`."""
        values = pair_scores(
            audio,
            texts,
            self.clap,
            sample_rate=sample_rate,
            lengths=lengths,
            clipped=self.clipped,
            window=self.window,
            batch_size=self.batch_size,
        ).to(self.total.device)
        # In double precision: a mean over processes must not depend on how they share the pairs.
        self.total += values.sum()
        self.count += len(values)
        if self.reduction == "none" and len(values):
            self.values.append(values)

    def compute(self) -> Tensor:
        """The mean, a scalar, NaN if there are no pairs; or the scores, (pairs,); float32."""
        if self.reduction == "mean":
            return (self.total / self.count).float()
        return reduced(torch.cat([*_tensors(self.values), torch.zeros(0, device=self.total.device)]), "none")

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """As torchmetrics does; a process without a pair takes part with no scores, so that no other waits for it."""
        if not isinstance(self.values, Tensor) and not self.values:
            self.values = [torch.zeros(0, dtype=torch.float64, device=self.total.device)]
        super().sync(*args, **kwargs)


class _Shared:
    """Holds a model where `nn.Module` does not look for submodules."""

    def __init__(self, clap: Clap) -> None:
        self.clap = clap

    def __deepcopy__(self, memo: dict[int, Any]) -> _Shared:
        return self


def _tensors(values: list[Tensor] | Tensor) -> list[Tensor]:
    """A state of several tensors, which is one tensor after processes have shared it."""
    return [values] if isinstance(values, Tensor) else values
