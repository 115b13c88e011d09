"""Random weights for the smallest models."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


@torch.no_grad()
def enliven(model: Model) -> Model:
    """Draw the matrices of a network anew, so large that activations keep their size from layer to layer.

    Untrained networks as libraries make them are nearly linear and answer much the same to everything; a test could not
    see by their vectors whether an input was heard at all. Batch normalisation gets the mean and spread of spectrograms
    in decibels where it stands first.

    Returns:
        The same network.
    """
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.normal_(std=1.5 / max(1, parameter[0].numel()) ** 0.5)
    first = next((module for module in model.modules() if isinstance(module, nn.BatchNorm2d)), None)
    if first is not None and first.running_mean is not None and first.running_var is not None:
        first.running_mean.fill_(-30.0)
        first.running_var.fill_(30.0)
    return model
