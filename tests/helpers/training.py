"""Options of training from flat keywords."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from clapometer.training.options import FINETUNE, PRETRAIN, FinetuneOptions, PretrainOptions, TrainOptions

LOOP = {one.name for one in fields(TrainOptions)}


def finetune_options(**changes: Any) -> FinetuneOptions:
    """`FinetuneOptions`, whose `training` is `options` with the changes that are of the loop."""
    loop, rest = _parted(changes, FINETUNE)
    return FinetuneOptions(**rest, training=loop)


def pretrain_options(**changes: Any) -> PretrainOptions:
    """The same for `PretrainOptions`."""
    loop, rest = _parted(changes, PRETRAIN)
    return PretrainOptions(**rest, training=loop)


def _parted(changes: dict[str, Any], preset: TrainOptions) -> tuple[TrainOptions, dict[str, Any]]:
    base = changes.pop("options", preset)
    loop = {name: changes.pop(name) for name in LOOP & changes.keys()}
    return replace(base, **loop), changes
