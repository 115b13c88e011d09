"""CLAPScore as a torchmetrics metric, for training and evaluation loops (extra `metrics`)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor

from clapometer.audio.reading import Sound, is_one_sound
from clapometer.errors import BadOption
from clapometer.models.clap import Clap
from clapometer.models.registry import DEFAULT_MODEL, load
from clapometer.similarity import clap_score_of, paired_cosine
from clapometer.types import Window

try:
    _Metric: Any = import_module("torchmetrics").Metric
except ImportError as error:
    raise ImportError("clapometer.scoring.metric needs torchmetrics: pip install 'clapometer[metrics]'") from error

Reduction = Literal["mean", "none"]


class CLAPScore(_Metric):  # type: ignore[misc]
    """How well sounds match texts: max(cosine, 0) of each pair, and its mean.

    The number of a pair is that of `clapometer score`: nothing is cropped at random, and it does not depend on the
    other pairs, on the size of the updates, nor on how pairs are spread over processes.

    Args:
        clap: a model, or the name or folder of one.
        reduction: `mean`: `compute` gives the mean of all pairs; `none`: the value of each, those of one process after
            those of another (a scalar where there is one pair, as everywhere in torchmetrics).
        clipped: False: the cosines, -1..1, in place of the scores.
        window: treatment of short and long clips; default: the model card's.
        batch_size: windows or texts a forward pass; default: the model's, which is 1 on a CPU.
        kwargs: of `torchmetrics.Metric`, such as `sync_on_compute`.

    Raises:
        BadOption: an unknown reduction, or a window that the model cannot hear.

    Example:
        >>> from clapometer.scoring.metric import CLAPScore
        >>> metric = CLAPScore("mini")  # doctest: +SKIP
        >>> metric.update(["dog.wav", "rain.wav"], ["a dog barks", "rain is falling"])  # doctest: +SKIP
        >>> metric.compute()  # doctest: +SKIP
        tensor(0.4...)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    total: Tensor
    count: Tensor
    values: list[Tensor]

    def __init__(
        self,
        clap: Clap | str = DEFAULT_MODEL,
        *,
        reduction: Reduction = "mean",
        clipped: bool = True,
        window: Window | None = None,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if reduction not in get_args(Reduction):
            raise BadOption(f"reduction must be one of {', '.join(get_args(Reduction))}, not {reduction!r}")
        model = clap if isinstance(clap, Clap) else load(clap)
        if window is not None:
            model.check_window(window)
        self._shared = _Shared(model)
        self.reduction = reduction
        self.clipped = clipped
        self.window = window
        self.batch_size = batch_size
        # The mean from sums, which processes without a pair have too; the values only where they are asked for.
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("values", [], dist_reduce_fx="cat")

    @property
    def clap(self) -> Clap:
        """The model. It is no part of the metric's state: it is neither saved, moved nor copied with it."""
        return self._shared.clap

    def update(
        self, audio: Sound | Sequence[Sound] | Tensor, text: str | Sequence[str], sample_rate: int | None = None
    ) -> None:
        """Score pairs.

        Args:
            audio: files or `(array, sample_rate)`, one or a list; or a tensor (n, samples) or (n, channels, samples)
                with a `sample_rate`, -1..1.
            text: as many texts.
            sample_rate: of a tensor, in Hz.

        Raises:
            BadAudio: a sound cannot be read.
            BadText: a text is empty.
            BadOption: the numbers of sounds and texts differ, or a tensor comes without its sample rate.
        """
        sounds = _listed(audio, sample_rate)
        texts = [text] if isinstance(text, str) else list(text)
        if len(sounds) != len(texts):
            raise BadOption(f"{len(sounds)} sounds and {len(texts)} texts do not pair up; give as many of both")
        if not sounds:
            return
        heard = self.clap.embed_audio(sounds, window=self.window, batch_size=self.batch_size)
        read = self.clap.embed_text(texts, batch_size=self.batch_size)
        # In double precision: a mean over processes must not depend on how they share the pairs.
        cosines = paired_cosine(heard.numpy(), read.numpy())
        values = torch.from_numpy(clap_score_of(cosines) if self.clipped else cosines).to(self.total.device)
        self.total += values.sum()
        self.count += len(values)
        if self.reduction == "none":
            self.values.append(values)

    def compute(self) -> Tensor:
        """The mean, a scalar, NaN where there are no pairs; or the values, (pairs,); float32."""
        if self.reduction == "mean":
            return (self.total / self.count).float()
        return torch.cat([*_tensors(self.values), torch.zeros(0, device=self.total.device)]).float()

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """As torchmetrics does; a process without a pair takes part with no values, lest the others wait for it."""
        if not isinstance(self.values, Tensor) and not self.values:
            self.values = [torch.zeros(0, dtype=torch.float64, device=self.total.device)]
        super().sync(*args, **kwargs)


class _Shared:
    """Holds a model in a place where `nn.Module` does not look for parts of its own."""

    def __init__(self, clap: Clap) -> None:
        self.clap = clap

    def __deepcopy__(self, memo: dict[int, Any]) -> _Shared:
        return self


def _listed(audio: Sound | Sequence[Sound] | Tensor, sample_rate: int | None) -> list[Sound]:
    if isinstance(audio, Tensor):
        if sample_rate is None:
            raise BadOption("a tensor of sounds needs its sample_rate, in Hz")
        if audio.ndim not in (2, 3):
            raise BadOption(f"a tensor of shape {tuple(audio.shape)}; give (n, samples) or (n, channels, samples)")
        return [(one, sample_rate) for one in audio.detach().float().cpu().numpy()]
    if sample_rate is not None:
        raise BadOption("sample_rate belongs to a tensor; files know theirs, and arrays come as (array, sample_rate)")
    return [audio] if is_one_sound(audio) else list(cast("Sequence[Sound]", audio))


def _tensors(values: list[Tensor] | Tensor) -> list[Tensor]:
    """A state of several parts, which is one tensor after processes have shared it."""
    return [values] if isinstance(values, Tensor) else values
