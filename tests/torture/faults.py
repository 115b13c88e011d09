"""Full disks, read-only folders, damaged caches, several processes, hostile models and texts."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from torture.harness import Tally, generator, run
from torture.material import WORDS, ratings_rows, small_model, write_sound, write_table


def torture_faults(folder: Path, count: int, seed: int, tally: Tally) -> None:
    folder.mkdir()
    model, data = small_model(folder / "model"), folder / "data"
    data.mkdir()
    for number in range(8):
        write_sound(data / f"{number}.wav", number, 0.5)
    pairs = write_table(data / "pairs.csv", [{"audio": f"{n}.wav", "text": WORDS[n % 5]} for n in range(8)])
    ratings = write_table(data / "ratings.csv", [
        {**row, "split": ("train", "validation")[number % 2]} for number, row in enumerate(ratings_rows(8, 1))
    ])  # fmt: skip
    quick = ["--model", model, "-q"]
    train = ["--steps", "2", "--batch-size", "2", *quick]
    commands = {
        "score": lambda at: ["score", pairs, "-o", at / "o.csv", *quick],
        "classify": lambda at: ["classify", pairs, "--labels", "dog,rain", "-o", at / "o.csv", *quick],
        "index": lambda at: ["index", data, "-o", at / "index", *quick],
        "queries": lambda at: ["queries", pairs, "-o", at / "q.csv", "-q"],
        "pretrain": lambda at: ["pretrain", pairs, "-o", at / "run", *train],
        "finetune": lambda at: ["finetune", ratings, "-o", at / "run", *train],
    }
    for name, words in commands.items():
        at = folder / f"limit-{name}"
        at.mkdir()
        ended = run(*words(at), cache=at / "cache", most_bytes=4096)
        tally.ended("files of 4 kB at most", ended, name)
        _mounted(folder / f"full-{name}", "size=16k", name, words, tally, "full disk")
        _mounted(folder / f"read-only-{name}", "ro", name, words, tally, "read-only folder")
    reference = folder / "reference.csv"
    run("score", pairs, "-o", reference, *quick, cache=folder / "fresh")
    for number in range(count):
        random_ = generator(seed, "cache", number)
        cache = folder / f"cache-{number}"
        shutil.copytree(folder / "fresh", cache)
        store = cache / "vectors.sqlite"
        content = bytearray(store.read_bytes())
        for place in random_.sample(range(len(content)), random_.choice((1, 10, 1000))):
            content[place] = random_.randrange(256)
        store.write_bytes(content)
        output = folder / f"cached-{number}.csv"
        ended = run("score", pairs, "-o", output, *quick, cache=cache)
        if tally.ended("damaged caches", ended, f"cache {number}", statuses=(0,)):
            same = output.read_bytes() == reference.read_bytes()
            tally.count("scores from damaged caches", "" if same else f"cache {number}: other scores")
    for number in range(max(2, count // 4)):
        output, cache = folder / f"two-{number}.csv", folder / f"shared-{number}"
        with ThreadPoolExecutor(2) as pool:
            ran = list(pool.map(lambda _: run("score", pairs, "-o", output, *quick, cache=cache), range(2)))  # noqa: B023
        for ended in ran:
            tally.ended("two processes, one output and cache", ended, statuses=(0,))
        same = output.read_bytes() == reference.read_bytes()
        tally.count("output of two processes", "" if same else f"round {number}: another output")
    _hostile_models(folder, pairs, model, tally)
    _hostile_texts(folder, data, model, tally)


def _mounted(at: Path, how: str, name: str, words, tally: Tally, kind: str) -> None:
    at.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", how, "tmpfs", at], capture_output=True, check=False).returncode:
        tally.skip(kind, "tmpfs cannot be mounted here")
        return
    try:
        ended = run(*words(at), cache=at / "cache")
        tally.ended(kind, ended, name)
        whole = ended.status != 0 or any(at.iterdir())
        tally.count(f"{kind}: result or message", "" if whole else f"{name}: exit 0 and nothing written")
    finally:
        subprocess.run(["umount", at], check=False, capture_output=True)


class _Executes:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@contextmanager
def _changed(model: Path, at: Path) -> Iterator[Path]:
    shutil.copytree(model, at)
    yield at
    shutil.rmtree(at, ignore_errors=True)


def _hostile_models(folder: Path, pairs: Path, model: Path, tally: Tally) -> None:
    executed = folder / "executed"
    files: dict[str, bytes] = {}
    for protocol in (0, 2, 4):
        files[f"pickle-{protocol}.pt"] = pickle.dumps({"state_dict": _Executes(executed)}, protocol)
    header = json.dumps({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    files["huge.safetensors"] = struct.pack("<Q", len(header)) + header
    files["endless.safetensors"] = struct.pack("<Q", 2**62)
    for name, content in files.items():
        (folder / name).write_bytes(content)
        ended = run("score", pairs, "--model", folder / name, "-q", cache=folder / "c")
        tally.ended("hostile checkpoints", ended, name, statuses=(2,))
    configs: dict[str, bytes | str] = {
        "nested": b"[" * 200_000, "zero": "/dev/zero", "text": b"x", "empty": b"", "null": b"null",
        "large": b" " * (2**24 + 1),
    }  # fmt: skip
    for field, value in (("family", {}), ("sample_rate", "x"), ("sample_rate", True), ("window", {"seconds": 1e308}),
                         ("window", 3), ("embedding_dim", -1), ("name", None)):  # fmt: skip
        config = json.loads((model / "config.json").read_text())
        config["card"][field] = value
        configs[f"{field} {value}"] = json.dumps(config).encode()
    for field, value in (("text", None), ("audio", {"channels": "x"}), ("frontend", {"n_fft": -5})):
        config = json.loads((model / "config.json").read_text())
        config["configuration"][field] = value
        configs[f"configuration {field}"] = json.dumps(config).encode()
    for name, content in configs.items():
        with _changed(model, folder / "changed") as changed:
            (changed / "config.json").unlink()
            if isinstance(content, str):
                (changed / "config.json").symlink_to(content)
            else:
                (changed / "config.json").write_bytes(content)
            ended = run("score", pairs, "--model", changed, "-q", cache=folder / "c")
            tally.ended("hostile configurations", ended, name, statuses=(2,))
    tally.count("code executed", "a checkpoint ran a command" if executed.exists() else "")


def _hostile_texts(folder: Path, data: Path, model: Path, tally: Tally) -> None:
    payloads = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "</style><script>"]
    payloads.append("'><svg/onload=x>")
    rows = [{"audio": f"{n}.wav", "text": f"{payloads[n % 5]} {n}", "system": payloads[n % 5]} for n in range(8)]
    pairs = write_table(data / "hostile.csv", rows)
    ratings = [
        {**row, "listener": f"<b>{who}", "rating": (number + who) % 10, "scale_min": 0, "scale_max": 10}
        for number, row in enumerate(rows)
        for who in range(3)
    ]
    table = write_table(data / "hostile-ratings.csv", ratings)
    scores = folder / "hostile-scores.csv"
    run("score", pairs, "-o", scores, "--model", model, "-q", cache=folder / "c")
    ended = run("evaluate", scores, "--ratings", table, "-o", folder / "report", cache=folder / "c")
    if tally.ended("pages with hostile texts", ended, statuses=(0, 1)):
        page = (folder / "report" / "index.html").read_text(encoding="utf-8")
        bad = [payload for payload in payloads if payload != "{{ 7 * 7 }}" and payload in page]
        tally.count("texts that became markup", f"{bad}" if bad or "49 0" in page else "")
