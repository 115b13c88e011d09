"""Hold our vectors of full-size models against those of the reference packages, and print how far they are apart.

python tests/parity/compare.py FOLDER        after `lay.py` and the reference scripts have filled it
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import soundfile
import torch
from lay import LONG, checkpoint_of

from clapometer.models.clap import Clap
from clapometer.models.registry import load
from clapometer.models.weights.tokenizers import REPOSITORIES

EMBEDDING, COSINE = 1e-4, 1e-5
"""What is allowed: the distance of two vectors relative to their length, and the difference of two cosines."""


def clips_of(clap: Clap, folder: Path) -> list[Path]:
    rate, seconds = clap.card.sample_rate, clap.card.window.seconds
    clips = sorted((folder / f"clips-{rate}-{seconds:g}").glob("*.wav"))
    fused = clap.card.window.long == "fused"
    return [*clips, *sorted((folder / f"clips-{rate}-{LONG:g}").glob("*.wav"))] if fused else clips


def compared(name: str, folder: Path) -> dict[str, float]:
    clap = load(checkpoint_of(name, folder), device="cpu")
    captions = (folder / "captions.txt").read_text(encoding="utf-8").splitlines()
    sounds = [soundfile.read(clip, dtype="float32") for clip in clips_of(clap, folder)]
    ours = {"audio": clap.embed_audio(sounds), "text": clap.embed_text(captions)}
    theirs = {kind: torch.from_numpy(values) for kind, values in np.load(folder / f"{name}.npz").items()}
    figures = {"clips": float(len(sounds)), "captions": float(len(captions))}
    for kind, vectors in ours.items():
        expected = torch.nn.functional.normalize(theirs[kind], dim=-1)
        figures[kind] = (vectors - expected).norm(dim=-1).max().item()
    cosines = ours["audio"].double() @ ours["text"].double().T
    figures["cosine"] = (cosines - theirs["cosine"]).abs().max().item()
    batched = clap.embed_audio(sounds, batch_size=4)
    figures["alone against batch"] = (batched - ours["audio"]).abs().max().item()
    return figures


def lay_vocabularies(folder: Path) -> None:
    """Make the vocabularies of the references findable, as those that a user brings."""
    os.environ["CLAPOMETER_MODELS"] = str(folder)
    for kind, repositories in REPOSITORIES.items():
        own = folder / repositories[0].rpartition("/")[2]
        if (folder / kind).is_dir() and not own.exists():
            shutil.copytree(folder / kind, own)


def main(folder: Path) -> int:
    lay_vocabularies(folder)
    found = {path.stem: compared(path.stem, folder) for path in sorted(folder.glob("*.npz"))}
    print(json.dumps(found, indent=2))
    far = [
        name
        for name, figures in found.items()
        if max(figures["audio"], figures["text"]) > EMBEDDING or figures["cosine"] > COSINE
    ]
    if far or not found:
        print(f"too far from the reference: {', '.join(far) or 'nothing was compared'}", file=sys.stderr)
    return 1 if far or not found else 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main(Path(sys.argv[1])))
