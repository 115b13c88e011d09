"""Clapometer: how well a sound matches a text, the way listeners would say it.

The names below are resolved on first use, so that importing the package costs nothing of torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from clapometer.checkpoints import list_models, load, save
    from clapometer.errors import ClapometerError
    from clapometer.evaluation.run import evaluate
    from clapometer.model import Clap
    from clapometer.records import ModelCard, Score, Window
    from clapometer.score import score_pairs
    from clapometer.stats.agreement import agreement
    from clapometer.tables.ratings_reading import read_ratings
    from clapometer.train.finetune import finetune
    from clapometer.train.pretrain import pretrain
    from clapometer.zeroshot import classify

_HOMES = {
    "Clap": "model",
    "ClapometerError": "errors",
    "ModelCard": "records",
    "Score": "records",
    "Window": "records",
    "agreement": "stats.agreement",
    "classify": "zeroshot",
    "evaluate": "evaluation.run",
    "finetune": "train.finetune",
    "list_models": "checkpoints",
    "load": "checkpoints",
    "pretrain": "train.pretrain",
    "read_ratings": "tables.ratings_reading",
    "save": "checkpoints",
    "score_pairs": "score",
}

__all__ = [
    "Clap",
    "ClapometerError",
    "ModelCard",
    "Score",
    "Window",
    "agreement",
    "classify",
    "evaluate",
    "finetune",
    "list_models",
    "load",
    "pretrain",
    "read_ratings",
    "save",
    "score_pairs",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'clapometer' has no attribute {name!r}")
    return getattr(import_module(f"clapometer.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
