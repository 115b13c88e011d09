"""What the loop asks of a batch and of what is minimised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from clapometer.models.clap import summed


@dataclass(frozen=True)
class KnownRows:
    """What is known of a batch's sounds or texts before its step, for their tower does not learn.

    Attributes:
        features: n of (windows, features).
        head: the projection that makes vectors of them, and is trained; None where each of the n is one vector.
    """

    features: Sequence[Tensor]
    head: nn.Module | None = None

    def vectors(self, rows: Tensor, device: torch.device) -> Tensor:
        """Vectors of some of the n, (rows, dimension), not of unit length; windows are averaged as in scoring."""
        some = [self.features[row] for row in rows.tolist()]
        features = torch.cat(some).to(device)
        if self.head is None:
            return features
        return summed(self.head(features), [number for number, one in enumerate(some) for _ in one], len(some))


class Batch(Protocol):
    """What the loop needs of a batch; an objective may look for more."""

    @property
    def windows(self) -> Sequence[Sequence[Tensor]]:
        """Of each of n sounds its windows, as `Clap.encode_clips` takes them; not looked at where `audio_known`."""
        ...

    @property
    def texts(self) -> list[str]:
        """The n texts."""
        ...

    @property
    def audio_known(self) -> KnownRows | None:
        """What is known of the sounds; None where their tower learns."""
        ...

    @property
    def text_known(self) -> KnownRows | None:
        """What is known of the texts; None where their tower learns."""
        ...


SomeBatch = TypeVar("SomeBatch", bound=Batch)


class Objective(nn.Module, Generic[SomeBatch]):
    """What is minimised; it may have parameters of its own, which learn with the model's."""

    def forward(self, audio: Tensor, text: Tensor, logit_scale: Tensor, batch: SomeBatch) -> dict[str, Tensor]:
        """(n, dimension) unit vectors of sounds and texts -> scalars by name, whose sum is the loss."""
        raise NotImplementedError
