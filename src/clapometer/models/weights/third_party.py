"""Checkpoints that other programs wrote: read safely, their names translated by rules that are written down.

Nothing in such a file is executed. Weights come from safetensors, or from a pickle of which torch takes tensors, plain
containers and numbers, and refuses the rest.
"""

from __future__ import annotations

import json
import pickle
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from clapometer.errors import CheckpointError, WeightsMismatch

Rules = Sequence[tuple[str, str | None]]
"""Pairs of a pattern, which a whole name must match, and what the name becomes, as in `re.sub`; None: the weight has no
part in a score and is left out. The first pattern that matches counts.
"""
PICKLES = (".pt", ".pth", ".tar", ".bin", ".ckpt")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""What the weights of a Hugging Face folder are called, the safer one first; in parts where `.index.json` follows."""
_WRAPPINGS = ("state_dict", "model")
_SCALAR: Callable[..., Any] = np.float64(0).__reduce__()[0]  # type: ignore[assignment]
_NUMBERS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    # Training loops leave numpy numbers beside the weights; numpy 1 and 2 call their maker by different names.
    *((_SCALAR, name) for name in ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")),
    np.dtype,
    *(type(np.dtype(code)) for code in ("f2", "f4", "f8", "i4", "i8", "?")),
]


@dataclass(frozen=True)
class Published:
    """A checkpoint as its authors published it."""

    path: Path
    """The file or folder that was named."""
    weights: Mapping[str, Tensor]
    """By the authors' names, without `module.` in front; on the CPU, in the precision of the file."""
    configuration: Mapping[str, Any] | None = None
    """The `config.json` beside the weights, where there is one."""
    folders: tuple[Path, ...] = ()
    """Where its tokenizer may lie, the likeliest place first."""


def read_published(path: Path) -> Published:
    """Read a checkpoint: a file, a Hugging Face folder, or a folder with one checkpoint in it.

    Raises:
        CheckpointError: there is none, or it is damaged, or reading it would execute something.
    """
    if not path.is_dir():
        configuration = _configuration(path.parent) if path.name in WEIGHTS else None
        return Published(path, _weights(path), configuration, (path.parent,))
    files = _parts(path, WEIGHTS[0]) or _parts(path, WEIGHTS[1])
    if not files:
        files = sorted(file for file in path.iterdir() if file.suffix in (*PICKLES, ".safetensors"))
        if len(files) != 1:
            there = ", ".join(file.name for file in files) or "none"
            raise CheckpointError(
                f"{path} holds no {' or '.join(WEIGHTS)} and not just one checkpoint ({there}); name the file itself"
            )
    return Published(path, {k: v for file in files for k, v in _weights(file).items()}, _configuration(path), (path,))


def translated(weights: Mapping[str, Tensor], rules: Rules, where: str) -> dict[str, Tensor]:
    """The same weights by other names.

    Args:
        weights: by the authors' names.
        rules: what each of them becomes.
        where: the file or folder they are from, for messages.

    Raises:
        WeightsMismatch: no rule knows a name, or two become one.
    """
    compiled = [(re.compile(pattern), name) for pattern, name in rules]
    renamed: dict[str, Tensor] = {}
    unknown: list[str] = []
    for name, tensor in weights.items():
        found = next(((match, new) for pattern, new in compiled if (match := pattern.fullmatch(name))), None)
        if found is None:
            unknown.append(name)
        elif found[1] is not None:
            new = found[0].expand(found[1])
            if new in renamed:
                raise WeightsMismatch(f"{where}: {name} and another weight would both be {new}")
            renamed[new] = tensor
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise WeightsMismatch(f"{where} does not fit the network: unexpected {'; unexpected '.join(unknown[:5])}{more}")
    return renamed


def _parts(folder: Path, name: str) -> list[Path]:
    if (folder / name).is_file():
        return [folder / name]
    index = folder / f"{name}.index.json"
    if not index.is_file():
        return []
    try:
        names: set[str] = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        raise CheckpointError(f"{index}: not an index of weights ({error!r}); download it again") from error
    return [folder / name for name in sorted(names)]


def _configuration(folder: Path) -> Mapping[str, Any] | None:
    path = folder / "config.json"
    if not path.is_file():
        return None
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path}: not JSON ({error}); download it again") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: not a configuration; download it again")
    return values


def _weights(path: Path) -> dict[str, Tensor]:
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); copy it again") from error
    if start.startswith(b"version https://git-lfs"):
        raise CheckpointError(f"{path} is a pointer of Git LFS and not the file itself; run `git lfs pull`")
    if start[8:9] == b"{":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{path}: not a whole safetensors file ({error}); copy it again") from error
    return _unwrapped(_unpickled(path), path)


def _unpickled(path: Path) -> Any:
    try:
        with torch.serialization.safe_globals(_NUMBERS), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the age of a format is nothing that the user can change
            try:
                return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            except RuntimeError as error:
                if "mmap can only be used" not in str(error):
                    raise
                return torch.load(path, map_location="cpu", weights_only=True)  # written before torch 1.6
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL (\S+)", str(error))
        if found is None:
            raise CheckpointError(f"{path}: not a checkpoint, or a damaged one; copy it again") from error
        raise CheckpointError(
            f"{path} holds more than weights: reading it would execute {found[1]}. Nothing was executed. "
            "Take the checkpoint from its authors, or ask them for safetensors"
        ) from error
    except (AssertionError, EOFError, KeyError, IndexError, OSError, RuntimeError, TypeError, ValueError) as error:
        # What the machine says of a file that was cut off, "Invalid argument", helps nobody.
        said = "" if isinstance(error, OSError) or not str(error) else f" ({str(error).splitlines()[0]})"
        raise CheckpointError(f"{path}: not a checkpoint, or a damaged one{said}; copy it again") from error


def _unwrapped(content: Any, path: Path) -> dict[str, Tensor]:
    for name in _WRAPPINGS:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"{path}: holds no weights by name; name a checkpoint")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise CheckpointError(f"{path}: {name!r} is no weight but {type(value).__name__}; name a checkpoint")
    weights: dict[str, Tensor] = dict(content)
    if all(name.startswith("module.") for name in weights):  # left by training on several GPUs
        return {name.removeprefix("module."): tensor for name, tensor in weights.items()}
    return weights
