"""What the scripts that run reference packages have in common."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from made import CAPTIONS, sounds, weight

STRIDE = 16
"""Of an embedding, every so-manieth coordinate is kept in the golden values."""


def folder_of(arguments: list[str]) -> Path:
    """Where a run puts its files: the folder that was named, or one that is not kept."""
    folder = Path(arguments[2] if len(arguments) > 2 else tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def filled(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The state of a network, every weight but constants and the front end replaced by the one of its name."""
    state = network.state_dict()
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    for name, value in state.items():
        if name in trained or name.rsplit(".", 1)[-1] in ("running_mean", "running_var"):
            state[name] = torch.from_numpy(np.asarray(weight(name, tuple(value.shape))))
    return state


def inputs(mode: str, folder: Path, rate: int, seconds: float) -> tuple[list[Path], list[str]]:
    """Clips and captions: those of `made.py`, or the real ones that were laid into the folder."""
    if mode == "full":
        clips = sorted((folder / f"clips-{rate}-{seconds:g}").glob("*.wav"))
        return clips, (folder / "captions.txt").read_text(encoding="utf-8").splitlines()
    clips = []
    for number, samples in enumerate(sounds(rate, seconds)):
        clips.append(folder / f"{rate}-{seconds:g}-{number}.wav")
        soundfile.write(clips[-1], samples, rate, subtype="FLOAT")
    return clips, CAPTIONS


def answers(audio: torch.Tensor, text: torch.Tensor) -> dict[str, np.ndarray]:
    """Embeddings as the reference gives them, and their cosines."""
    unit = torch.nn.functional.normalize
    cosine = unit(audio.double(), dim=-1) @ unit(text.double(), dim=-1).T
    return {"audio": audio.numpy(), "text": text.numpy(), "cosine": cosine.numpy()}


def save_answers(
    folder: Path, name: str, found: dict[str, np.ndarray], captions: list[str], network: torch.nn.Module, versions: dict
) -> None:
    """A small JSON for the tests in the golden folder, with the names and shapes of the weights; all in another one."""
    folder.mkdir(parents=True, exist_ok=True)
    if folder.name != "golden":
        np.savez(folder / f"{name}.npz", **found)
        return
    small = {
        kind: [[float(f"{value:.8g}") for value in row] for row in (rows if kind == "cosine" else rows[:, ::STRIDE])]
        for kind, rows in found.items()
    }
    lengths = {kind: np.linalg.norm(found[kind], axis=-1).astype(float).round(5).tolist() for kind in ("audio", "text")}
    shapes = {name: list(value.shape) for name, value in network.state_dict().items()}
    content = {"versions": versions, "captions": captions, "lengths": lengths, **small, "weights": shapes}
    text = json.dumps(content, ensure_ascii=False)
    for end in ("], [", '], "', "}, "):
        text = text.replace(end, f"{end[:-1].rstrip()}\n{end[-1]}")
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
