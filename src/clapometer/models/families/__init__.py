"""Model families, one module each.

A new family is one module, listed in `registry.FAMILIES`: its model cards, a subclass of `Clap` with two methods, and
what the protocol `Family` asks for. `tests/models/families/test_contract.py` holds for every family.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from clapometer.models.clap import Clap, Config
from clapometer.models.weights.third_party import ThirdPartyCheckpoint
from clapometer.models.weights.tokenizers import Kind
from clapometer.types import Hub, ModelCard


@dataclass(frozen=True)
class Recipe:
    """How a third-party checkpoint becomes a model."""

    checkpoint: ThirdPartyCheckpoint
    summary: str
    """What the checkpoint is, such as `ParaCLAP (wav2vec 2.0, BERT)`."""
    cards: tuple[ModelCard, ...]
    """Known models that it may hold, as far as its architecture shows; the first stands for a model without a name."""
    differences: str
    """Where a model without a name differs from the published code."""
    tokenizer: Kind
    convert: Callable[[], tuple[Config, dict[str, Tensor]]]
    """Reads the sizes and renames the weights. Raises KeyError if a weight that a size is read from is missing,
    ValueError if a weight cannot be used, CheckpointError or WeightsMismatch as the functions that it calls."""


class Family(Protocol):
    """What a module of a family provides."""

    CLASS: type[Clap]
    """The class of its models."""
    MODELS: tuple[ModelCard, ...]
    """The cards of its known models."""
    DOWNLOADS: Mapping[str, tuple[Hub, ...]]
    """Files of known models by name, the repository with the weights first; models that ship in the package have none.
    """
    PARAMETERS: Mapping[str, int]
    """Number of trained parameters of known models by name."""

    def match(self, checkpoint: ThirdPartyCheckpoint) -> Recipe | None:
        """How the checkpoint becomes a model; None if it is not of this family. Looks at names and shapes only."""

    def tiny(self) -> Clap:
        """A model with a few thousand random weights, for tests."""
