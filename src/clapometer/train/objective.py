"""What the loop asks of a batch and of what is minimised."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from torch import Tensor, nn


class Batch(Protocol):
    """What the loop needs of a batch; an objective may look for more."""

    @property
    def waveforms(self) -> Tensor:
        """(n, samples) at the model's rate, -1..1; not looked at where `audio_known`."""
        ...

    @property
    def texts(self) -> list[str]:
        """The n texts."""
        ...

    @property
    def audio_known(self) -> Tensor | None:
        """(n, dimension): vectors of the sounds, where no part of the model that makes them learns; else None."""
        ...

    @property
    def text_known(self) -> Tensor | None:
        """(n, dimension): as `audio_known`, of the texts."""
        ...


SomeBatch = TypeVar("SomeBatch", bound=Batch)


class Objective(nn.Module, Generic[SomeBatch]):
    """What is minimised; it may have parameters of its own, which learn with the model's."""

    def forward(self, audio: Tensor, text: Tensor, logit_scale: Tensor, batch: SomeBatch) -> dict[str, Tensor]:
        """(n, dimension) unit vectors of sounds and texts -> scalars by name, whose sum is the loss."""
        raise NotImplementedError
