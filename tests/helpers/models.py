"""The smallest model of every family and variant; or, where CLAPOMETER_PARITY names a folder that `make parity` has
filled, the full-size models in it.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import pytest
import torch
from parity.lay import checkpoint_of

from clapometer.models.clap import Clap
from clapometer.models.families import laion, microsoft
from clapometer.models.registry import FAMILIES, load

FULL = os.environ.get("CLAPOMETER_PARITY", "")
"""Folder of full-size models; they take minutes each, and are tested by `make parity`."""
SMALLEST: dict[str, Callable[[], Clap]] = {
    **{name: family.tiny for name, family in FAMILIES.items()},
    "laion-fused": partial(laion.tiny, fused=True),
    "msclap-2023": partial(microsoft.tiny, "msclap-2023"),
}
NAMES = sorted(path.stem for path in Path(FULL).glob("*.npz")) if FULL else list(SMALLEST)


def example(name: str) -> Clap:
    """A model of its own, always with the same weights."""
    if FULL:
        return copy.deepcopy(_full(name))
    torch.manual_seed(0)
    return SMALLEST[name]().eval()


@lru_cache(1)
def _full(name: str) -> Clap:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLAPOMETER_MODELS", FULL)
        return load(checkpoint_of(name, Path(FULL)), device="cpu")
