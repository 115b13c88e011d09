"""SIGKILL at a random moment, then the same command again: the result of an undisturbed run."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torture.harness import KILLED, Tally, both, generator, run
from torture.material import WORDS, ratings_rows, small_model, write_sound, write_table

CLIPS = 40


@dataclass(frozen=True)
class Trial:
    """A command and what it leaves."""

    words: Callable[[Path], list[object]]
    results: tuple[str, ...]
    """Files whose bytes must not differ, relative to the folder of the run."""


def torture_kills(folder: Path, count: int, seed: int, tally: Tally) -> None:
    folder.mkdir()
    model, data = small_model(folder / "model"), folder / "data"
    data.mkdir()
    for number in range(CLIPS):
        write_sound(data / f"{number}.wav", number, 0.6)
    pairs = write_table(data / "pairs.csv", [{"audio": f"{n}.wav", "text": WORDS[n % 5]} for n in range(CLIPS)])
    ratings = write_table(data / "ratings.csv", [
        {**row, "split": ("train", "validation")[int(str(row["audio"]).split(".")[0]) % 4 == 0]}
        for row in ratings_rows(CLIPS)
    ])  # fmt: skip
    write_table(data / "labelled.csv", [
        {"audio": f"{n}.wav", "label": ("dog", "rain")[n % 2], "fold": 1 + n % 2} for n in range(CLIPS)
    ])  # fmt: skip
    quick = ["--model", model, "-q"]
    train = ["--steps", "6", "--batch-size", "4", "--save-every", "2", *quick]
    labels = ["--labels", "dog,rain"]
    trained, labelled = ("run/model.safetensors", "run/last/model.safetensors"), data / "labelled.csv"
    trials = {
        "score": Trial(lambda at: ["score", pairs, "-o", at / "o.csv", *quick], ("o.csv",)),
        "classify": Trial(lambda at: ["classify", labelled, *labels, "-o", at / "o.csv", *quick], ("o.csv",)),
        "index": Trial(lambda at: ["index", data, "-o", at / "index", *quick], ("index/vectors.*.npy",)),
        "queries": Trial(lambda at: ["queries", pairs, "-o", at / "q.csv", "-q"], ("q.csv",)),
        "pretrain": Trial(lambda at: ["pretrain", pairs, "-o", at / "run", *train], trained),
        "finetune": Trial(lambda at: ["finetune", ratings, "-o", at / "run", "--validate-every", "3", *train], trained),
        "benchmark": Trial(
            lambda at: ["benchmark", "own-classes", "--root", data, "-o", at / "report", *quick], ("report/*.csv",)
        ),
    }
    expected, seconds = {}, {}
    for name, trial in trials.items():
        at = folder / f"whole-{name}"
        at.mkdir()
        ended = run(*trial.words(at), cache=at / "cache")
        if not tally.ended("undisturbed runs", ended, name, statuses=(0,)):
            continue
        expected[name], seconds[name] = _digests(at, trial), ended.seconds
    names = list(expected)

    def one(number: int) -> None:
        random_ = generator(seed, "kill", number)
        name = names[number % len(names)]
        trial, at = trials[name], folder / f"kill-{number}"
        at.mkdir()
        first = run(*trial.words(at), cache=at / "cache", kill_after=random_.uniform(0.3, 1.0) * seconds[name])
        if first.status != KILLED:
            tally.count("kills that came too late")
        again = run(*trial.words(at), cache=at / "cache")
        if tally.ended(f"killed: {name}", again, f"run {number} (seed {seed})", statuses=(0,)):
            problem = "" if _digests(at, trial) == expected[name] else f"run {number}: another result"
            left = [path.name for path in at.rglob("*") if path.name.endswith((".tmp", ".partial", ".part"))]
            tally.count(f"results after a kill: {name}", problem or (f"run {number}: left {left}" if left else ""))
        shutil.rmtree(at, ignore_errors=True)

    both(one, count)


def _digests(at: Path, trial: Trial) -> list[str]:
    files = [path for pattern in trial.results for path in sorted(at.glob(pattern))]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in files] or ["nothing"]
