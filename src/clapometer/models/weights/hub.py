"""Download from huggingface.co of models that are not on this machine; only loading by a known name starts it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clapometer.errors import CheckpointError
from clapometer.models.weights.third_party import Place, models_folder
from clapometer.types import Hub


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
        files = ", and ".join(f"{', '.join(hub.files)} from https://huggingface.co/{hub.repository}" for hub in hubs)
        raise CheckpointError(
            f"{name} is not on this machine, and its download failed ({reason}). "
            f"Bring {files} into {models_folder() / name}; or give the path of a copy, --model PATH"
        ) from error
    return Place(paths[0], tuple(dict.fromkeys(path.parent for path in paths)))
