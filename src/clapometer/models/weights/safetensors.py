"""Weights in and out, safely and strictly: safetensors only, nothing missing, nothing left over."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialized
from torch import Tensor, nn

from clapometer.errors import CheckpointError, WeightsMismatch


def read_weights(model: nn.Module, path: Path) -> None:
    """Copy a safetensors file into a model; half-precision weights become single precision.

    Raises:
        CheckpointError: the file is missing or damaged.
        WeightsMismatch: names or shapes differ, or a weight is not finite.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; copy it from where the model was saved")
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a whole safetensors file ({error}); copy it again") from error
    fit(model, weights, str(path))


def fit(model: nn.Module, weights: Mapping[str, Tensor], where: str) -> None:
    """Copy weights into a model, in single precision; nothing missing, nothing left over.

    Args:
        model: any.
        weights: by the model's names.
        where: the file or folder they are from, for messages.

    Raises:
        WeightsMismatch: names or shapes differ, or a weight is not finite.
    """
    expected = model.state_dict()
    problems = [f"missing {name}" for name in expected if name not in weights]
    problems += [f"unexpected {name}" for name in weights if name not in expected]
    for name, tensor in weights.items():
        if name in expected and tensor.shape != expected[name].shape:
            problems.append(f"{name} is {tuple(tensor.shape)}, not {tuple(expected[name].shape)}")
        elif not torch.isfinite(tensor).all():
            problems.append(f"{name} holds numbers that are not finite")
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise WeightsMismatch(f"{where} does not fit the network: {'; '.join(problems[:5])}{more}")
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})


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
