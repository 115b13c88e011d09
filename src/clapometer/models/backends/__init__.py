"""What runs the networks of a model at inference: torch as it is, torch with products of oneDNN, or OpenVINO.

Nothing else changes with it: windows, batches, order, caching and training are what they were.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, get_args

from clapometer.errors import BadOption
from clapometer.types import TORCH, BackendName

if TYPE_CHECKING:
    from clapometer.models.clap import Clap


def check_backend(backend: str) -> None:
    """Whether there is such a backend on this machine.

    Raises:
        BadOption: the name is unknown, or what it needs is not installed.
    """
    if backend not in get_args(BackendName):
        raise BadOption(f"backend must be one of {', '.join(get_args(BackendName))}, not {backend!r}")
    if backend.startswith("openvino") and find_spec("openvino") is None:
        raise BadOption(
            f"backend {backend} needs OpenVINO, which is not installed: pip install 'clapometer[openvino]'; "
            "or take backend onednn or torch"
        )


def set_backend(clap: Clap, backend: str) -> None:
    """Have the networks of a model run by a backend, from now on, wherever no gradients are wanted.

    Args:
        clap: for another backend than torch, a model on a CPU in single precision.
        backend: `torch` changes nothing; `onednn` has torch multiply by weights that were laid out beforehand, which
            takes their memory twice; `openvino` computes the same in single precision; with `openvino-int8` weights
            are rounded to eight bits, and what they are multiplied by as well, where the processor can.

    Raises:
        BadOption: as `check_backend`, or the backend cannot run this model as it is.
    """
    check_backend(backend)
    if backend == TORCH:
        return
    if clap.device.type != "cpu" or clap.precision != "fp32":
        raise BadOption(
            f"backend {backend} is for device cpu and precision fp32, not {clap.device.type} and {clap.precision}; "
            "change these, or take backend torch"
        )
    if backend == "onednn":
        from clapometer.models.backends.onednn import replace_products

        replace_products(clap)
        return
    from clapometer.models.backends.openvino import replace_networks

    replace_networks(clap, eight_bits=backend == "openvino-int8")
