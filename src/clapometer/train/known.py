"""What the parts of a model that do not learn make of sounds and texts: computed once, and not at every step."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from clapometer.embed import Progress
from clapometer.model import Clap
from clapometer.train.objective import KnownRows


@dataclass(frozen=True)
class Known:
    """One side of a list of pairs, their sounds or their texts, as far as it does not change during training.

    Attributes:
        items: for each pair what is known, (windows, features).
        head: the projection that makes vectors of it, and learns; None where vectors are known.
    """

    items: tuple[Tensor, ...]
    head: nn.Module | None

    def rows(self, numbers: Sequence[int], random: np.random.Generator) -> KnownRows:
        """What is known of some pairs; of a clip of several windows that of one of them."""
        some = [self.items[number] for number in numbers]
        return KnownRows(torch.stack([one[int(random.integers(len(one)))] for one in some]), self.head)


def known_sounds(
    clap: Clap, learning: set[str], sounds: Sequence[str | os.PathLike[str]], progress: Progress | None
) -> Known | None:
    """What is known of the sounds if these parts learn; None where the audio tower is among them.

    Raises:
        BadAudio: a sound cannot be read.
    """
    return _known(clap, "audio", learning, [(sound,) for sound in sounds], clap.embed_audio, progress)


def known_texts(clap: Clap, learning: set[str], texts: Sequence[str], progress: Progress | None) -> Known | None:
    """As `known_sounds`, of texts and the text tower."""
    return _known(clap, "text", learning, [(text,) for text in texts], clap.embed_text, progress)


def _known(
    clap: Clap,
    side: str,
    learning: set[str],
    items: Sequence[tuple[Any, ...]],
    embed: Callable[..., Tensor],
    progress: Progress | None,
) -> Known | None:
    if side in learning:
        return None
    head = clap.parts()[f"{side} projection"] if f"{side} projection" in learning else None
    seen: list[Tensor] = []
    hook = None
    if head is not None:  # what goes into the projection is what the tower made, in every family
        hook = head.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().float().cpu()))
    count = progress("sounds" if side == "audio" else "texts", len(items)) if progress else None
    found: dict[tuple[Any, ...], Tensor] = {}
    try:
        for item in items:
            if item not in found:
                seen.clear()
                vectors = embed(*item)
                found[item] = vectors if head is None else torch.cat(seen)
            if count:
                count(1)
    finally:
        if hook is not None:
            hook.remove()
    return Known(tuple(found[item] for item in items), head)
