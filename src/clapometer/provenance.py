"""What a number depends on: versions, the identity of a model, and the record that stands beside a result.

Torch is imported where it is asked for its version and not before.
"""

from __future__ import annotations

import hashlib
import json
import platform
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
import soxr

from clapometer import __version__
from clapometer.records import Window
from clapometer.threads import MOST_WORKERS, completed, processors

if TYPE_CHECKING:
    from clapometer.model import Clap

FORMAT = 1
"""Raise when the same input would give other vectors, so that stored ones are not taken for new."""


def versions() -> dict[str, str]:
    """The programs that take part in a number."""
    import torch

    return {
        "clapometer": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "soundfile": soundfile.__version__,
        "libsndfile": soundfile.__libsndfile_version__,
        "soxr": soxr.__version__,
    }


def fingerprint(clap: Clap) -> str:
    """What tells one model and its arithmetic from another: weights, configuration, tokenizer, device, precision,
    engine, and the versions of the programs that take part; hexadecimal.
    """
    from clapometer.weights import weights_hash

    digest = hashlib.sha256()
    facts = [FORMAT, weights_hash(clap), clap.card.family, clap.card.sample_rate, clap.device.type, clap.precision]
    facts += [clap.engine] if clap.engine != "torch" else []
    digest.update(json.dumps([facts, versions(), clap.configuration()], default=str, sort_keys=True).encode())
    with tempfile.TemporaryDirectory() as folder:
        clap.save_tokenizer(Path(folder))
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def provenance(clap: Clap, *, model: str, window: Window, batch_size: int) -> dict[str, Any]:
    """What the numbers of a run depend on, for the JSON file beside them.

    Args:
        clap: the model.
        model: the name or folder by which it was asked for.
        window: treatment of short and long clips.
        batch_size: windows or texts a forward pass.
    """
    from clapometer.weights import weights_hash

    card = {name: value for name, value in asdict(clap.card).items() if name != "window"}
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": {"asked_for": model, "weights": weights_hash(clap), **card},
        "window": asdict(window),
        "sound": f"channels averaged, resampled once by soxr {soxr.__version__} HQ to {clap.card.sample_rate} Hz",
        "device": _device_name(clap),
        "precision": clap.precision,
        "engine": clap.engine,
        "batch_size": batch_size,
        "versions": versions(),
    }


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_hashes(paths: Iterable[Path]) -> dict[Path, str | OSError]:
    """SHA-256 of files, hexadecimal, by several threads; or why a file cannot be read."""

    def one(path: Path) -> str | OSError:
        try:
            return file_hash(path)
        except OSError as error:
            return error

    return dict(completed(one, sorted(set(paths)), min(processors(), MOST_WORKERS)))


def _device_name(clap: Clap) -> str:
    import torch

    return f"cuda ({torch.cuda.get_device_name(clap.device)})" if clap.device.type == "cuda" else clap.device.type
