"""Weights in safetensors files: read, written, hashed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialized
from torch import Tensor, nn

from clapometer.errors import CheckpointError, WeightsMismatch


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; copy it from where the model was saved")
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a whole safetensors file ({error}); copy it again") from error


def write_weights(model: nn.Module, path: Path, *, half: bool = False) -> None:
    """Write a model's weights as safetensors, in half precision if asked; the file is there whole or not at all.

    Raises:
        WeightsMismatch: a weight is not finite, or too large for half precision.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if half:
        state = {name: tensor.half() for name, tensor in state.items()}
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            why = "numbers that half precision cannot hold, or that" if half else "numbers that"
            raise WeightsMismatch(f"{path}: not written, for {name} holds {why} are not finite")
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:  # not `save_file`, which lets nobody but the owner read what it writes
        file.write(serialized(state))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def weights_hash(model: nn.Module) -> str:
    """SHA-256 of the weights as they are in memory, 16 hexadecimal digits: the identity of a model in every result."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().float().numpy().tobytes())
    return digest.hexdigest()[:16]
