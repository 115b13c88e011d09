"""The methods that are compared, each a fine-tuning of the base by `clapometer finetune`, and what is measured of it.

Every step is a command or a file: what is there is not done again, and a training that was stopped goes on.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clapometer.classification.classifier import classify
from clapometer.models.registry import load
from clapometer.tables import read_table
from clapometer.tables.writing import atomic_write
from panel.sound import clips_of
from panel.study import HELD_OUT

BASE = "mini"
TEMPLATE = "the sound of {}"
SETTINGS = (
    *("--trainable", "audio,text,projection", "--learning-rate", "1e-3", "--warmup-steps", "20"),
    *("--lr-scale", "text.=0.3", "--lr-scale", "audio.stem=0", "--lr-scale", "audio.blocks=0"),
    *("--lr-scale", "audio.norm=0.1", "--lr-scale", "audio.hidden=0.1"),
    *("--batch-size", "32", "--steps", "234", "--validate-every", "78", "--save-every", "78"),
)
"""Chosen on the validation split."""
LOSSES = ("0.1*wsce+mae", "wsce+mae", "wsce", "mae")
"""Those of the paper. It does not say what its sum weighs, so there are equal weights, and a tenth of `wsce`, whose
gradients are steeper than those of `mae` by the inverse temperature: 23 for `mini`."""
OTHERS = ("mse", "wsce+mse", "listnet", "margin", "infonce")
SEEDS = (0, 1, 2)
FEWER = (300, 1000, 2850)
"""Rated pairs of the curve, beside all of them."""


@dataclass(frozen=True)
class Method:
    """A fine-tuning."""

    loss: str
    seed: int = 0
    pairs: int | None = None
    """So many of the training split; None: all."""

    @property
    def name(self) -> str:
        """What its figures are called."""
        parts = [self.loss, f"{self.pairs} pairs" if self.pairs else "", f"seed {self.seed}" if self.seed else ""]
        return ", ".join(part for part in parts if part)

    @property
    def folder(self) -> str:
        """The same as the name of a folder."""
        return self.name.replace("+", "_").replace(", ", "-").replace(" ", "").replace("*", "x")


def short() -> list[Method]:
    """What `make panel` does."""
    return [Method(loss) for loss in LOSSES]


def seeds() -> list[Method]:
    """Every loss with every seed."""
    return [Method(loss, seed) for seed in SEEDS for loss in (*LOSSES, *OTHERS)]


def curve() -> list[Method]:
    """The first loss with fewer pairs."""
    return [Method(LOSSES[0], pairs=pairs) for pairs in FEWER]


def tuned(study: Path, method: Method) -> Path:
    """Fine-tune the base on the ratings of a study; the folder of the model, with what `measured` wants beside it."""
    folder = study / "runs" / method.folder
    done = folder / "seconds.json"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        ratings = study / "ratings.csv" if method.pairs is None else fewer(study, method.pairs)
        started = time.monotonic()
        command = ["finetune", str(ratings), "--model", BASE, "-o", str(folder / "model"), "--loss", method.loss]
        command += ["--seed", str(method.seed), "--audio-root", str(study), *SETTINGS]
        clapometer(*command)
        keep(done, {"seconds": round(time.monotonic() - started)})
    return folder


def measured(study: Path, data: Path, folder: Path, model: str) -> None:
    """Write `scores.csv` of validation and test, and `esc50.json`, beside a model."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "scores.csv").exists():
        clapometer("score", str(pairs_table(study)), "--model", model, "-o", str(folder / "scores.csv"))
    if not (folder / "esc50.json").exists():
        keep(folder / "esc50.json", zero_shot(model, data))


def zero_shot(model: str, data: Path) -> dict[str, Any]:
    """Accuracy on ESC-50's held-out fold, with the names of the classes and no training on them."""
    clips = [(str(file), name) for name, files in clips_of(data, HELD_OUT).items() for file in files]
    names = sorted({name for _, name in clips})
    found = classify(load(model, device="cpu"), [file for file, _ in clips], names, templates=[TEMPLATE]).clips
    hits = [clip.labels[0] == true for clip, (_, true) in zip(found, clips, strict=True)]
    return {"clips": len(hits), "accuracy": sum(hits) / len(hits)}


def pairs_table(study: Path) -> Path:
    """The pairs of validation and test, as `clapometer score` takes them."""
    path = study / "pairs.csv"
    if not path.exists():
        rows = [row for row in read_table(study / "truth.csv", ("audio", "text")).rows if row["split"] != "train"]
        with atomic_write(path) as file:
            lines = [["audio", "text"], *([row["audio"], row["text"]] for row in rows)]
            file.write(_csv(lines))
    return path


def fewer(study: Path, pairs: int) -> Path:
    """The ratings with the first so many pairs of the training split; validation and test as they are."""
    path = study / f"ratings-{pairs}.csv"
    if not path.exists():
        table = read_table(study / "ratings.csv", ("audio", "text"))
        first = [row["audio"] for row in read_table(study / "truth.csv", ("audio",)).rows if row["split"] == "train"]
        kept = set(first[:pairs])
        rows = [row for row in table.rows if row["split"] != "train" or row["audio"] in kept]
        with atomic_write(path) as file:
            file.write(_csv([list(table.columns), *([row[name] for name in table.columns] for row in rows)]))
    return path


def clapometer(*arguments: str) -> None:
    """A command of the product, in a process of its own.

    Raises:
        SystemExit: it failed; it has said why.
    """
    print("clapometer", " ".join(arguments), flush=True)
    if subprocess.run([sys.executable, "-m", "clapometer", *arguments, "--quiet"], check=False).returncode:
        sys.exit(f"clapometer {arguments[0]} failed")


def keep(path: Path, value: dict[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    with atomic_write(path) as file:
        file.write((json.dumps(value, indent=2) + "\n").encode())


def _csv(rows: list[list[Any]]) -> bytes:
    import io

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
