"""HTS-AT and its front end in checkpoints of LAION and Microsoft, which both keep the names of the original code."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from clapometer.errors import WeightsMismatch
from clapometer.models.nets.htsat import HtsatConfig
from clapometer.models.nets.mel import window_of_kernels
from clapometer.models.weights.third_party import Rules

HTSAT_RULES: Rules = (
    (r"layers\.\d+\.blocks\.\d+\.attn_mask", None),  # follow from the sizes
    (r"layers\.\d+\.blocks\.\d+\.attn\.relative_position_index", None),
    (r"(?:spectrogram|logmel)_extractor\..+", None),  # read by `original_mel`
    (r"(?:tscam_conv|head)\..+", None),  # the classifier on AudioSet
    (r"((?:bn0|patch_embed|layers|norm)\..+)", r"\1"),
)
"""What the weights of an original HTS-AT are called in `nets.htsat`; names without what stands in front of them."""


def htsat_config(weights: Mapping[str, Tensor], prefix: str) -> HtsatConfig:
    """The sizes of an original HTS-AT.

    Args:
        weights: a whole checkpoint.
        prefix: what stands in front of the names of its HTS-AT.

    Raises:
        KeyError: a weight that tells a size is missing.
    """
    own = {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
    return HtsatConfig.of(own)


def original_mel(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """What a checkpoint stores of its front end, as the state of a `DecibelMel`.

    Args:
        weights: a whole checkpoint.
        prefix: what stands in front of `spectrogram_extractor` and `logmel_extractor`.

    Returns:
        `window` and `filterbank`; what the checkpoint lacks is lacking.

    Raises:
        WeightsMismatch: the kernels are not those of a Fourier transform under a window.
    """
    state: dict[str, Tensor] = {}
    names = [f"{prefix}spectrogram_extractor.stft.conv_{part}.weight" for part in ("real", "imag")]
    if all(name in weights for name in names):
        window = window_of_kernels(weights[names[0]].float(), weights[names[1]].float())
        if window is None:
            raise WeightsMismatch(
                f"{names[0]} and its sister are no kernels of a Fourier transform under a window, and no other front "
                "end is known here; take the checkpoint from its authors"
            )
        state["window"] = window
    if (filters := weights.get(f"{prefix}logmel_extractor.melW")) is not None:
        state["filterbank"] = filters
    return state
