"""Weights in safetensors files: read, written, hashed."""

from __future__ import annotations

import hashlib
import weakref
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialized
from torch import Tensor, nn

from clapometer.errors import CheckpointError, WeightsMismatch
from clapometer.tables import atomic_write

_State = list[tuple[str, weakref.ref[Tensor], tuple[int, int]]]
_HASHES: weakref.WeakKeyDictionary[nn.Module, tuple[_State, str]] = weakref.WeakKeyDictionary()


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
    """Write a model's weights as safetensors, in half precision if asked, atomically.

    Raises:
        WeightsMismatch: a weight is not finite, or too large for half precision.
        BadOption: the file cannot be written.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if half:
        state = {name: tensor.half() for name, tensor in state.items()}
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            why = "numbers that half precision cannot hold, or that" if half else "numbers that"
            raise WeightsMismatch(f"{path}: not written, for {name} holds {why} are not finite")
    with atomic_write(path) as file:
        file.write(serialized(state))


def weights_hash(model: nn.Module) -> str:
    """SHA-256 of the weights as they are in memory, 16 hexadecimal digits: the identity of a model in every result.

    It is computed once per state of the weights, which is known by the identity, the memory and the version of each
    tensor. Training and every other change in place raise the version; a change through `Tensor.data` or NumPy does
    not, and is not seen.
    """
    tensors = sorted(model.state_dict(keep_vars=True).items())
    known = _HASHES.get(model)
    if known is not None and _is_state(known[0], tensors):
        return known[1]
    digest = hashlib.sha256()
    for name, tensor in tensors:
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().float().numpy().tobytes())
    found = digest.hexdigest()[:16]
    _HASHES[model] = [(name, weakref.ref(one), _version(one)) for name, one in tensors], found
    return found


def _is_state(state: _State, tensors: list[tuple[str, Tensor]]) -> bool:
    if [name for name, _, _ in state] != [name for name, _ in tensors]:
        return False
    pairs = zip(state, tensors, strict=True)
    return all(held() is tensor and version == _version(tensor) for (_, held, version), (_, tensor) in pairs)


def _version(tensor: Tensor) -> tuple[int, int]:
    return tensor.data_ptr(), tensor._version  # noqa: SLF001 - counts changes in place
