"""Names and folders of models: what can be loaded, `load`, `save`."""

from __future__ import annotations

import difflib
import json
import os
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from clapometer.errors import BadOption, CheckpointError, UnknownModel
from clapometer.families import mini
from clapometer.model import Clap
from clapometer.records import ModelCard, Window
from clapometer.weights import write_weights

FAMILIES: dict[str, ModuleType] = {"mini": mini}
EMBEDDED = Path(__file__).parent / "embedded"
"""Folder of the models that ship in the package."""
DEFAULT_MODEL = "mini"


def list_models() -> list[ModelCard]:
    """The cards of every model that `load` knows by name."""
    return [card for family in FAMILIES.values() for card in family.MODELS]


def find(name: str | os.PathLike[str]) -> tuple[ModelCard, Path]:
    """The card of a model and its folder, without its weights; the folder of a known model may not be there yet.

    Args:
        name: as `load` takes it.

    Raises:
        UnknownModel: neither a known name nor an existing folder.
        CheckpointError: the folder holds no model.
    """
    folder = Path(name)
    if folder.exists() and name not in {card.name for card in list_models()}:
        return _configuration(folder)[0], folder
    card = _known(str(name))
    return card, EMBEDDED / card.name


def load(name: str | os.PathLike[str] = DEFAULT_MODEL, *, device: str = "auto", precision: str = "fp32") -> Clap:
    """Load a model, ready to embed.

    Args:
        name: a name of `list_models()`, or a folder that `save`, `pretrain` or `finetune` wrote; a folder that is
            called like a known model needs a path, such as `./mini`.
        device: `cpu`, `cuda`, `mps`, ..., or `auto`: an accelerator where there is one.
        precision: `fp32`, `bf16` or `fp16`.

    Raises:
        UnknownModel: neither a known name nor an existing folder.
        CheckpointError: the folder is incomplete or its weights do not fit.
        BadOption: an unknown device or precision.
    """
    model = _read(find(name)[1])
    model.to_precision(precision)
    return model.to(_device(device)).eval()


def save(model: Clap, folder: str | os.PathLike[str], *, half: bool = False) -> None:
    """Write a folder that `load` reads: `config.json`, `model.safetensors` and the tokenizer's files.

    Args:
        model: any model.
        folder: made where it is missing; files in it are replaced.
        half: store weights in half precision.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = {"card": asdict(model.card), "configuration": model.configuration()}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    model.save_tokenizer(folder)
    write_weights(model, folder / "model.safetensors", half=half)


def _known(name: str) -> ModelCard:
    cards = {card.name: card for card in list_models()}
    if name not in cards:
        near = difflib.get_close_matches(name, cards, n=3, cutoff=0.5)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise UnknownModel(f"no model and no folder is called {name!r}; {meant}known names: {', '.join(cards)}")
    return cards[name]


def _read(folder: Path) -> Clap:
    card, configuration = _configuration(folder)
    if card.family not in FAMILIES:
        raise CheckpointError(
            f"{folder / 'config.json'}: this version knows no family {card.family!r}, only {', '.join(FAMILIES)}; "
            "upgrade clapometer, or correct the file"
        )
    try:
        return FAMILIES[card.family].build(card, folder, configuration)  # type: ignore[no-any-return]
    except (ArithmeticError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise _not_a_configuration(folder, error) from error


def _configuration(folder: Path) -> tuple[ModelCard, dict[str, Any]]:
    path = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        values = config["card"]
        return ModelCard(**{**values, "window": Window(**values["window"])}), config["configuration"]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CheckpointError(f"{path} is missing; {folder} is not a folder of a clapometer model") from error
    except (KeyError, TypeError, ValueError) as error:  # ValueError: not JSON, not UTF-8, or not a Window
        raise _not_a_configuration(folder, error) from error


def _not_a_configuration(folder: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"{folder / 'config.json'} is not the configuration of a clapometer model ({error!r})")


def _device(name: str) -> torch.device:
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return accelerator or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadOption(f"device {name!r} cannot be used here: {str(error).splitlines()[0]}") from error
    return device
