"""Contrastive losses."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def info_nce(audio: Tensor, text: Tensor, logit_scale: Tensor, fits: Tensor | None = None) -> Tensor:
    """Symmetric InfoNCE: each sound picks its text among the batch's, each text its sound.

    With s_ij = exp(logit_scale) a_i . t_j, the mean over i of

        -1/2 [log softmax_j(s_ij)_i + log softmax_j(s_ji)_i]

    as in CLIP (Radford et al. 2021, arXiv 2103.00020, figure 3) and CLAP (Elizalde et al. 2022, arXiv 2206.04769,
    equation 3). Pairs that fit each other without having been drawn together are left out of both sums.

    Args:
        audio: (n, dimension), unit length; row i belongs to row i of `text`.
        text: (n, dimension), unit length.
        logit_scale: natural logarithm of the inverse temperature, a scalar.
        fits: (n, n) bool, whether text j is true of sound i and so is not its negative; the diagonal is not looked
            at. Default: all others are negatives.

    Returns:
        A scalar, 0 or more; log(n) where all vectors are alike.
    """
    logits = logit_scale.exp() * audio @ text.T
    own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    if fits is not None:
        logits = logits.masked_fill(fits & ~own, -torch.inf)
    target = torch.arange(len(logits), device=logits.device)
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2
