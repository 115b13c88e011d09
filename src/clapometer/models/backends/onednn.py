"""Linear layers by oneDNN, which torch brings along, from weights laid out beforehand.

Torch multiplies single precision by the library of its BLAS, which lays the weights out again for each product: for the
few rows of one text that costs more than the product itself. oneDNN, which `torch.compile` uses for the same purpose,
takes weights in the layout that it wants; and its sums do not depend on how many rows there are.
"""

from __future__ import annotations

import copy
import threading
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from clapometer.errors import BadOption
from clapometer.models.clap import Clap

PRODUCT, LAYOUT = "_linear_pointwise", "_reorder_linear_weight"
"""What torch calls them; of no published interface, but in every version since 2.0."""
_LAYING_OUT = threading.Lock()


def replace_products(clap: Clap) -> None:
    """Put oneDNN in place of the `forward` of every linear layer of a model; `clap.backend` says so.

    Raises:
        BadOption: this build of torch has no oneDNN, or hides it.
    """
    there: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not there or not hasattr(torch.ops.mkldnn, PRODUCT) or not hasattr(torch.ops.mkldnn, LAYOUT):
        raise BadOption(f"backend onednn: torch {torch.__version__} has no oneDNN here; take backend torch")
    for module in clap.modules():
        if type(module) is nn.Linear:
            module.forward = Product(module)  # type: ignore[method-assign, assignment]
    clap.backend = "onednn"


class Product:
    """Replaces the `forward` of a linear layer; lays its weights out on first use, and when they change.

    The laid-out copy takes as much memory again as the weights.
    """

    def __init__(self, linear: nn.Linear) -> None:
        self._linear = linear
        self._laid_out: tuple[tuple[int, int], Tensor] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        weight, bias = self._linear.weight, self._linear.bias
        single = x.dtype == weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        if torch.is_grad_enabled() or not single or x.device.type != "cpu":
            return functional.linear(x, weight, bias)
        laid_out: Tensor = getattr(torch.ops.mkldnn, PRODUCT)(x, self._weights(weight), bias, "none", [], "")
        return laid_out

    def __deepcopy__(self, memo: dict[int, Any]) -> Product:
        return Product(copy.deepcopy(self._linear, memo))

    def _weights(self, weight: Tensor) -> Tensor:
        of = (weight.data_ptr(), weight._version)  # noqa: SLF001 - which counts steps of training
        if (known := self._laid_out) is not None and known[0] == of:
            return known[1]
        with _LAYING_OUT:
            self._laid_out = of, getattr(torch.ops.mkldnn, LAYOUT)(weight.detach().clone(), None)
            return self._laid_out[1]
