"""What both sides of a parity test start from, made by code: weights by their names, sounds, captions, vocabularies.

The reference packages live in an environment of their own, so this needs numpy alone. Every random number is of
numpy's `RandomState`, whose streams are frozen.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

CAPTIONS = [
    "a dog barks in a yard",
    "Rain!",
    "heavy rain falls on a tin roof, while thunder rumbles far away",
    "someone laughs; then a door slams shut",
    "café music & 2 people talking",
]


def weight(name: str, shape: tuple[int, ...]) -> Array:
    """The weight of this name: uniform noise that leaves activations about as large as they were."""
    random = np.random.RandomState(zlib.crc32(name.encode()))
    noise = ((random.random_sample(shape) - 0.5) * 12**0.5).astype(np.float32)
    last = name.rsplit(".", 1)[-1]
    if last == "running_var":
        return np.asarray(np.exp(0.2 * noise), np.float32)
    if last == "logit_scale" or name.startswith("logit_scale"):
        return np.float32(2.5) + np.zeros(shape, np.float32)
    if last in ("weight_g", "original0"):
        return np.asarray(1.0 + 0.1 * noise, np.float32)
    if len(shape) < 2:
        return np.asarray(0.1 * noise + (1.0 if last == "weight" else 0.0), np.float32)
    if "embedding" in name or last == "relative_position_bias_table" or ".wte." in name or ".wpe." in name:
        return noise
    inputs = shape[0] if ".c_" in name else int(np.prod(shape[1:]))  # GPT-2 stores its matrices transposed
    return np.asarray(noise * np.sqrt((2.0 if len(shape) == 4 else 1.0) / inputs), np.float32)


def sounds(rate: int, seconds: float) -> list[Array]:
    """Four mono clips: noise that swells, clicks, a tone that rises, and a short one of harmonics."""
    random, count = np.random.RandomState(7), round(rate * seconds)
    time = np.arange(count) / rate
    noise = random.random_sample(count) - 0.5
    clicks = 0.01 * noise + 0.8 * (np.arange(count) % (rate // 5) < 8)
    rising = 0.4 * np.sin(2 * np.pi * (200 + 400 * time) * time) + 0.01 * noise
    short = np.arange(round(0.3 * count)) / rate
    harmonics = sum(0.3 / n * np.sin(2 * np.pi * 180 * n * short) for n in range(1, 9)) + 0.005 * noise[: len(short)]
    return [np.asarray(clip, np.float32) for clip in (0.5 * noise * time / seconds, clicks, rising, harmonics)]


def bert_vocabulary(folder: Path) -> int:
    """Write `vocab.txt`; the number of its tokens."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789!?,.;&'"
    words = ["dog", "rain", "door", "people", "music", "laugh", "thunder", "the", "##ing", "##s", "cafe"]
    signs = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *[f"##{letter}" for letter in letters], *words]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(signs) + "\n", encoding="utf-8")
    return len(signs)


def byte_pair_vocabulary(folder: Path, marks: tuple[str, ...]) -> int:
    """Write `vocab.json` and `merges.txt` over bytes, with some words; the number of their tokens.

    Args:
        folder: made where it is missing.
        marks: signs of the model, first in the vocabulary but for `<|endoftext|>`, which is last as in GPT-2.
    """
    import json

    # The signs that stand for bytes, as GPT-2 has them: those that can be seen, then the others, from 256 on.
    seen = [*range(33, 127), *range(161, 173), *range(174, 256)]
    signs = [chr(byte) for byte in seen] + [chr(256 + number) for number in range(256 - len(seen))]
    tokens, merges = [mark for mark in marks if mark != "<|endoftext|>"] + signs, []
    for word in ("Ġdog", "Ġrain", "Ġa", "Ġbarks", "Ġtin", "Ġdoor", "Ġpeople", "music"):
        for end in range(2, len(word) + 1):
            if word[:end] not in tokens:
                merges.append(f"{word[: end - 1]} {word[end - 1]}")
                tokens.append(word[:end])
    tokens += [mark for mark in marks if mark == "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    return len(vocabulary)
