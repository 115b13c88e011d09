"""Names and folders of models: what can be loaded, `load`, `save`.

A model is a folder that `save` wrote, a checkpoint of other people (a file, or a folder of transformers) that a family
recognises, or a known name, whose files are looked for on this machine and, only if they are not there, downloaded.
"""

from __future__ import annotations

import difflib
import json
import os
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from clapometer.errors import BadOption, CheckpointError, UnknownModel
from clapometer.models.backends import check_backend, set_backend
from clapometer.models.clap import Clap, Origin
from clapometer.models.families import laion, microsoft, mini, paraclap
from clapometer.models.weights.hub import Place, download, find_files, models_folder
from clapometer.models.weights.safetensors import write_weights
from clapometer.models.weights.third_party import PICKLES, WEIGHTS, Published, read_published
from clapometer.seen import Seen, check_seen, read_seen, seen_of_checkpoint, write_seen
from clapometer.types import TORCH, Hub, ModelCard, Window

FAMILIES: dict[str, ModuleType] = {"mini": mini, "laion": laion, "microsoft": microsoft, "paraclap": paraclap}
EMBEDDED = Path(__file__).parent / "bundled"
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
        UnknownModel: neither a known name nor an existing path.
        CheckpointError: the path holds no model.
    """
    path = Path(name)
    if _is_known(name) or not path.exists():
        card = _known(str(name))
        place = where(card.name)
        return card, models_folder() / card.name if place is None else place
    published = _published(path)
    if published is None:
        return _configuration(_own(path))[0], _own(path)
    card = _family(published).card_of(published)
    return card, path if path.is_dir() else path.parent


def seen_of(name: str | os.PathLike[str]) -> Seen:
    """What a model has learned from, without loading its weights; arguments and errors as `find`."""
    card, folder = find(name)
    return seen_of_checkpoint(folder, card.name)


def where(name: str) -> Path | None:
    """The folder of a known model on this machine; None where it would have to be downloaded.

    Raises:
        UnknownModel: the name is not known.
    """
    card = _known(name)
    if not _downloads(card):
        return EMBEDDED / card.name
    place = find_files(card.name, _downloads(card))
    return None if place is None else place.folders[0]


def load(
    name: str | os.PathLike[str] = DEFAULT_MODEL,
    *,
    device: str = "auto",
    precision: str = "fp32",
    backend: str = TORCH,
) -> Clap:
    """Load a model, ready to embed.

    Args:
        name: a name of `list_models()`; a folder that `save`, `pretrain` or `finetune` wrote; or a published checkpoint
            of a known family, file or folder. What is called like a known model needs a path, such as `./mini`. A path
            never touches the network; a name does if the model is not on this machine.
        device: `cpu`, `cuda`, `mps`, ..., or `auto`: an accelerator where there is one.
        precision: `fp32`, `bf16` or `fp16`.
        backend: what runs the networks: `torch`; or, on a CPU, `onednn`, `openvino` or `openvino-int8`, see
            `backends.set_backend`.

    Raises:
        UnknownModel: neither a known name nor an existing path.
        CheckpointError: the folder is incomplete, its weights do not fit, or a download failed.
        BadOption: an unknown device, precision or backend, or a backend that is not installed.
    """
    check_backend(backend)
    if backend != TORCH and device == "auto":
        device = "cpu"
    path = Path(name)
    if _is_known(name) or not path.exists():
        card = _known(str(name))
        model = _load_known(card)
        folder = where(card.name) or models_folder() / card.name
    elif (published := _published(path)) is not None:
        model = _family(published).adopt(published, None)
        folder = path if path.is_dir() else path.parent
        model.seen = partial(seen_of_checkpoint, folder, model.card.name)
    else:
        folder = _own(path)
        model = _read(folder)
    model.origin = Origin(str(name), folder)
    model.to_precision(precision)
    model = model.to(_device(device)).eval()
    set_backend(model, backend)
    return model


def save(model: Clap, folder: str | os.PathLike[str], *, half: bool = False) -> None:
    """Write a folder that `load` reads: `config.json`, `model.safetensors`, the tokenizer's files, and `seen.csv`.

    Args:
        model: any model.
        folder: made where it is missing; files in it are replaced.
        half: store weights in half precision.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    seen = write_seen(model.seen, folder)
    config = {"card": asdict(model.card), "configuration": model.configuration(), "seen_sha256": seen}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    model.save_tokenizer(folder)
    write_weights(model, folder / "model.safetensors", half=half)


def _is_known(name: str | os.PathLike[str]) -> bool:
    return name in {card.name for card in list_models()}  # a `Path` is in no set of words


def _downloads(card: ModelCard) -> tuple[Hub, ...]:
    """What a known model consists of; nothing for those that ship in the package."""
    downloads: dict[str, tuple[Hub, ...]] = getattr(FAMILIES[card.family], "DOWNLOADS", {})
    return downloads.get(card.name, ())


def _load_known(card: ModelCard) -> Clap:
    hubs = _downloads(card)
    if not hubs:
        return _read(EMBEDDED / card.name)
    place: Place = find_files(card.name, hubs) or download(card.name, hubs)
    published = _published(place.weights)
    if published is None:
        return _read(_own(place.weights))
    published = replace(published, folders=(*published.folders, *place.folders))
    family = _family(published)
    if family is not FAMILIES[card.family]:
        raise CheckpointError(f"{place.weights} does not hold {card.name} but {family.recognises(published)}")
    model: Clap = family.adopt(published, card)
    model.seen = partial(seen_of_checkpoint, place.folders[0], card.name)
    return model


def _own(path: Path) -> Path:
    """The folder of a model that `save` wrote, named by itself or by its weights."""
    return path.parent if path.name in WEIGHTS and path.is_file() else path


def _published(path: Path) -> Published | None:
    """The checkpoint at a path; None where it is a folder, or in one, that `save` wrote or that holds no weights."""
    folder = _own(path)
    if folder.is_dir():
        config = folder / "config.json"
        if config.is_file():
            try:
                settings = json.loads(config.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                return None  # told by who reads it as the configuration of a model of ours
            if not isinstance(settings, dict) or "model_type" not in settings:
                return None
        elif not any(file.suffix in PICKLES for file in folder.iterdir()):
            return None
    return read_published(path)


def _family(published: Published) -> ModuleType:
    """The family that a checkpoint is of.

    Raises:
        CheckpointError: no family recognises it.
    """
    known = [family for family in FAMILIES.values() if hasattr(family, "recognises")]
    for family in known:
        if family.recognises(published):
            return family
    names = ", ".join(list(published.weights)[:3])
    raise CheckpointError(
        f"{published.path} holds no model that is known here: its {len(published.weights)} weights are called {names}, "
        f"...; known are checkpoints of {', '.join(name for name, family in FAMILIES.items() if family in known)}"
    )


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
        model: Clap = FAMILIES[card.family].build(card, folder, configuration)
    except (ArithmeticError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise _not_a_configuration(folder, error) from error
    model.seen = partial(read_seen, folder)
    return model


def _configuration(folder: Path) -> tuple[ModelCard, dict[str, Any]]:
    path = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        values = config["card"]
        check_seen(folder, config.get("seen_sha256"))
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
