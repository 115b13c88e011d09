"""What the parts of a model that do not learn make of sounds and texts: computed once, and not at every step."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from clapometer.embedding.pipeline import Embedded, Progress, embed_files, embed_texts
from clapometer.errors import BadAudio, BadInput, BadText
from clapometer.models.clap import Clap
from clapometer.training.objective import KnownRows


@dataclass(frozen=True)
class Known:
    """One side of a list of pairs, their sounds or their texts, as far as it does not change during training.

    Attributes:
        items: for each pair what is known, (windows, features).
        head: the projection that makes vectors of it, and is trained; None where each item is one vector.
    """

    items: tuple[Tensor, ...]
    head: nn.Module | None

    def rows(self, numbers: Sequence[int]) -> KnownRows:
        """What is known of some pairs."""
        return KnownRows([self.items[number] for number in numbers], self.head)


def known_sounds(
    clap: Clap, learning: set[str], sounds: Sequence[str | os.PathLike[str]], progress: Progress | None
) -> Known | None:
    """What is known of the sounds if these parts learn; None where the audio tower is among them.

    Raises:
        BadAudio: a sound cannot be read.
    """
    if "audio projection" in learning and "audio" not in learning:
        return _before_projection(clap, "audio", sounds, clap.embed_audio, progress and progress("sounds", len(sounds)))
    if "audio" in learning:
        return None
    return Known(_rows(embed_files(clap, sounds, progress=progress), BadAudio), None)


def known_texts(clap: Clap, learning: set[str], texts: Sequence[str], progress: Progress | None) -> Known | None:
    """As `known_sounds`, of texts and the text tower."""
    if "text projection" in learning and "text" not in learning:
        return _before_projection(clap, "text", texts, clap.embed_text, progress and progress("texts", len(texts)))
    if "text" in learning:
        return None
    return Known(_rows(embed_texts(clap, texts, progress=progress), BadText), None)


def _rows(embedded: Embedded, unreadable: type[BadInput]) -> tuple[Tensor, ...]:
    """A row for each item; what stands there twice has one."""
    for error in filter(None, embedded.errors):
        raise unreadable(error)
    unique = tuple(torch.from_numpy(embedded.unique)[:, None])
    return tuple(unique[number] for number in embedded.index)


def _before_projection(
    clap: Clap,
    side: str,
    items: Sequence[Any],
    embed: Callable[[Any], Tensor],
    count: Callable[[int], None] | None,
) -> Known:
    """What goes into the projection of a side, which is what the tower made, in every family."""
    head = clap.parts()[f"{side} projection"]
    seen: list[Tensor] = []
    found: dict[Any, Tensor] = {}
    hook = head.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().float().cpu()))
    try:
        for item in items:
            if item not in found:
                seen.clear()
                embed(item)
                found[item] = torch.cat(seen)
            if count:
                count(1)
    finally:
        hook.remove()
    return Known(tuple(found[item] for item in items), head)
