"""Damaged tables: other rows are kept, and every command ends in a line."""

from __future__ import annotations

import random
from pathlib import Path

from torture.harness import Tally, both, generator, run
from torture.material import WORDS, ratings_rows, read_rows, small_model, write_sound, write_table

ROWS = 8


def in_a_row(line: str, random_: random.Random) -> str:
    """Damage within one line."""
    place = random_.randrange(len(line) + 1)
    marks = ['"', '""', ",", ",,,", "\\", '\\"', "\u2028", "\ufeff", "'", "=cmd|' /C calc'!A0"]
    bad = random_.choice([*marks, "1e308", "nan", "-1e300", "9" * 400, "x" * 200_000])
    return line[:place] + bad + line[place:]


def whole(data: bytes, random_: random.Random) -> bytes:
    """Damage of a file."""
    lines = data.split(b"\n")
    kind = random_.randrange(12)
    place = random_.randrange(len(data))
    if kind == 0:
        return data[:place]
    if kind == 1:
        return data[:place] + random_.randbytes(20) + data[place:]
    if kind == 2:
        return data.replace(b"\n", b"\r\n", 3).replace(b"\n", b"\r", 1)
    if kind == 3:
        return b"\xef\xbb\xbf" + data
    if kind == 4:
        return data.decode().encode("utf-16")
    if kind == 5:
        return data[:place] + b"\0" * 5 + data[place:]
    if kind == 6:
        return lines[0] + b"\n" + data
    if kind == 7:
        return b"\n".join(lines[1:])
    if kind == 8:
        return lines[0] + b"," + lines[0] + b"\n" + b"\n".join(line + b"," + line for line in lines[1:])
    if kind == 9:
        return b""
    if kind == 10:
        return data.replace(b",", b";")
    return b"[" * 100_000 + data


def torture_tables(folder: Path, count: int, seed: int, tally: Tally) -> None:
    folder.mkdir()
    model = small_model(folder / "model")
    for number in range(ROWS):
        write_sound(folder / f"{number}.wav", number, 0.5)
    pairs = write_table(folder / "pairs.csv", [{"audio": f"{n}.wav", "text": WORDS[n % 6]} for n in range(ROWS)])
    ratings = write_table(folder / "ratings.csv", ratings_rows(ROWS))
    scores = folder / "scores.csv"
    run("score", pairs, "-o", scores, "--model", model, "-q", cache=folder / "cache")

    def one(number: int) -> None:
        random_ = generator(seed, "table", number)
        command = random_.choice(("score", "classify", "ratings", "evaluate", "queries"))
        source = {"ratings": ratings, "evaluate": random_.choice((ratings, scores))}.get(command, pairs)
        path = folder / f"t{number}.{random_.choice(('csv', 'csv', 'csv', 'tsv', 'jsonl', 'parquet'))}"
        hurt = None
        if path.suffix == ".csv" and random_.random() < 0.6:
            lines = source.read_text(encoding="utf-8").splitlines()
            hurt = random_.randrange(1, len(lines))
            lines[hurt] = in_a_row(lines[hurt], random_)
            path.write_bytes("\n".join(lines).encode() + b"\n")
        else:
            path.write_bytes(whole(source.read_bytes(), random_))
        output = folder / f"o{number}.csv"
        words: dict[str, list[object]] = {
            "score": [path, "-o", output, "--model", model, "-q"],
            "classify": [path, "--labels", "dog,rain", "-o", output, "--model", model, "-q"],
            "ratings": [path], "queries": [path, "-o", output, "-q"],
            "evaluate": [scores, "--ratings", path] if source == ratings else [path, "--ratings", ratings],
        }  # fmt: skip
        ended = run(command, *words[command], cache=folder / "cache", folder=folder)
        if not tally.ended(f"tables: {command}", ended, f"{path.name} (seed {seed})"):
            return
        if command == "score" and hurt is not None and ended.status in (0, 1):
            there = {row["text"] for row in read_rows(output)}
            lost = [WORDS[n % 6] for n in range(ROWS) if n + 1 != hurt and WORDS[n % 6] not in there]
            tally.count("other rows of a damaged table", f"{path.name}: lost {lost}" if lost else "")

    both(one, count)
