"""Files of published models on this machine: in a folder of the user's own, or in the cache of huggingface_hub; and
their download, which nothing but a known name that is not here begins.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clapometer.errors import CheckpointError
from clapometer.types import Hub


@dataclass(frozen=True)
class Place:
    """Where the files of a model are."""

    weights: Path
    """The file with the weights, or a folder with one model in it."""
    folders: tuple[Path, ...]
    """Where its other files are."""


def models_folder() -> Path:
    """The folder for models that were brought here by hand, one folder a name: `$CLAPOMETER_MODELS`, else
    `$XDG_DATA_HOME/clapometer/models`, else `~/.local/share/clapometer/models`.
    """
    if own := os.environ.get("CLAPOMETER_MODELS"):
        return Path(own)
    if shared := os.environ.get("XDG_DATA_HOME"):
        return Path(shared) / "clapometer" / "models"
    return Path(os.path.expanduser("~/.local/share")) / "clapometer" / "models"  # noqa: PTH111 - see cache_folder


def find_files(name: str, hubs: Sequence[Hub]) -> Place | None:
    """Where a model is on this machine, without the network; None where it is not.

    Args:
        name: of the model.
        hubs: what it consists of, the repository with the weights first.
    """
    folder = models_folder() / name
    if folder.is_dir() and any(path.is_file() for path in folder.iterdir()):
        return Place(folder, (folder,))
    found = [[_cached(hub.repository, file) for file in hub.files] for hub in hubs]
    paths = [[path for path in paths if path is not None] for paths in found]
    if not paths or not paths[0] or len(paths[0]) < len(hubs[0].files):
        return None
    return Place(paths[0][0], tuple(dict.fromkeys(path.parent for own in paths for path in own)))


def find_folders(repositories: Sequence[str], file: str) -> list[Path]:
    """Folders on this machine with a file of one of these repositories, without the network."""
    own = [models_folder() / repository.rpartition("/")[2] for repository in repositories]
    cached = [_cached(repository, file) for repository in repositories]
    return [*(folder for folder in own if folder.is_dir()), *(path.parent for path in cached if path is not None)]


def download(name: str, hubs: Sequence[Hub]) -> Place:
    """Bring the files of a model into the cache of huggingface_hub.

    Args:
        name: of the model.
        hubs: what it consists of, the repository with the weights first.

    Raises:
        CheckpointError: that failed; says what to bring by hand, and where to.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        paths = [Path(hf_hub_download(hub.repository, file)) for hub in hubs for file in hub.files]
    except (HfHubHTTPError, OSError, ValueError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"{name} is not on this machine, and its download failed ({reason}). "
            f"Bring {_by_hand(hubs)} into {models_folder() / name}; or give the path of a copy, --model PATH"
        ) from error
    return Place(paths[0], tuple(dict.fromkeys(path.parent for path in paths)))


def _by_hand(hubs: Sequence[Hub]) -> str:
    return ", and ".join(f"{', '.join(hub.files)} from https://huggingface.co/{hub.repository}" for hub in hubs)


def _cached(repository: str, file: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(repository, file)
    return Path(path) if isinstance(path, str) else None
