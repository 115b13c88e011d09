"""A study: prompts, the sounds that systems made of them, and what simulated listeners say.

Prompts of the training split are heard in clips of folds 1 to 4 of ESC-50. Those of validation and test are heard in
fold 5, which `mini` has never heard, each in clips of its own: settings that were chosen on clips that the model knows
would not be those for clips that it does not know. No clip, no caption and no listener is in two splits.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from panel.captions import caption
from panel.catalogue import catalogue
from panel.content import Content, heard, match, possible, told
from panel.listeners import Listeners, Places, draws, said
from panel.sound import RATE, SYSTEMS, TURNS, Clips, System, clips_of, rendered, scene

LEARNT, HELD_OUT = ("1", "2", "3", "4"), ("5",)
"""Folds of ESC-50: those that `mini` learned from too, and the one that neither it nor a fine-tuning has heard."""
VALIDATE = 3
"""Of the eight clips of each class that are held out; the others test."""
PROMPTS = {"test": 450, "validation": 250, "train": 2500}
"""Three pairs each: 7,500 to learn from are as many as XACLE has. What comes first does not depend on what follows."""
A_LISTENER = 16
"""Ratings a listener gives, as in RELATE after screening."""
TRUTH = (
    "audio",
    "text",
    "system",
    "split",
    "kind",
    "events",
    "layout",
    "match",
    "severity",
    "clear_match",
    "sound",
    "clips",
)
RATINGS = ("audio", "text", "listener", "rating", "system", "split", "scale_min", "scale_max", "kind", "events")


@dataclass(frozen=True)
class Pair:
    """A sound and a caption, and how well they match."""

    audio: str
    """The file, below the folder of the study."""
    text: str
    system: System
    split: str
    kind: str
    caption: Content
    sound: Content
    severity: float
    """How far the system is at its worst here, 0 to 1."""

    @property
    def match(self) -> float:
        """0 to 1."""
        return match(self.caption, self.sound, catalogue())

    @property
    def clear_match(self) -> float:
        """What is left of it where the sound is not clear, 0 to 1: what attentive listeners agree on."""
        return self.match * (1 - self.system.loss * self.severity)


def pairs(prompts: dict[str, int], seed: int) -> list[Pair]:
    """The pairs of a study; the same for the same seed."""
    systems = {system.name: system for system in SYSTEMS}
    texts: set[str] = set()
    found = []
    for part, (split, count) in enumerate(prompts.items()):
        for number in range(count):
            random = np.random.default_rng([seed, part, number])
            content, text = _prompt(random, texts)
            for name in TURNS[number % len(TURNS)]:
                kinds = possible(content)
                weights = np.array([systems[name].kinds[kind] for kind in kinds], float)
                kind = str(random.choice(kinds, p=weights / weights.sum()))
                sound = heard(content, kind, random, catalogue())
                audio = f"sounds/{split}/{number:04d}-{name}.flac"
                severity = float(random.random())
                found.append(Pair(audio, text, systems[name], split, kind, content, sound, severity))
    return found


def rated(study: list[Pair], listeners: Listeners, seed: int) -> Iterator[tuple[Pair, str, int]]:
    """What listeners say of the pairs: the pair, the listener, the rating; those of one split after the other."""
    for part, split in enumerate(dict.fromkeys(pair.split for pair in study)):
        some = [pair for pair in study if pair.split == split]
        random = np.random.default_rng([seed, 1000 + part])
        counts = random.choice(
            len(listeners.per_pair), len(some), p=np.array(listeners.per_pair) / sum(listeners.per_pair)
        )
        pair, listener = dealt(counts + 1, random)
        quality = listeners.quality(np.array([one.clear_match for one in some]))[pair]
        rating = said(listeners, quality, listener, draws(int(listener.max()) + 1, len(pair), random))
        for number, who, what in zip(pair.tolist(), listener.tolist(), rating.tolist(), strict=True):
            yield some[number], f"{split}-{who:04d}", int(what)


def dealt(counts: Places, random: np.random.Generator) -> tuple[Places, Places]:
    """So many ratings of each pair, dealt out to listeners who rate 16 each and no pair twice.

    Returns:
        (ratings,) twice: the number of the pair and that of the listener.
    """
    order = random.permutation(len(counts))
    pair = np.repeat(order, counts[order])
    listeners = max(int(counts.max()), len(pair) // A_LISTENER)
    # One after the other: the ratings of one pair go to neighbours, and a listener's own pairs lie far apart.
    return pair, np.arange(len(pair)) % listeners


def clips_by_split(data: Path) -> dict[str, Clips]:
    """The clips of ESC-50 that the sounds of each split are made of, by class."""
    held_out = clips_of(data, HELD_OUT)
    return {
        "train": clips_of(data, LEARNT),
        "validation": {name: files[:VALIDATE] for name, files in held_out.items()},
        "test": {name: files[VALIDATE:] for name, files in held_out.items()},
    }


def render(study: list[Pair], data: Path, folder: Path, seed: int) -> dict[str, str]:
    """Make the sounds that are not there yet.

    Returns:
        The clips that each sound is made of, by its name.
    """
    clips = clips_by_split(data)
    made = {}
    for pair in study:
        # From the name, so that a sound is the same however many others there are.
        random = np.random.default_rng([seed, *hashlib.sha256(pair.audio.encode()).digest()[:8]])
        samples, files = scene(pair.sound, clips[pair.split], random)
        path = folder / pair.audio
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            soundfile.write(
                part, rendered(samples, pair.system.name, pair.severity, random), RATE, format="FLAC", subtype="PCM_16"
            )
            part.replace(path)
        made[pair.audio] = " ".join(file.stem for file in files)
    return made


def write(study: list[Pair], made: dict[str, str], listeners: Listeners, folder: Path, seed: int) -> None:
    """`ratings.csv`, which a fine-tuning takes, and `truth.csv`: what each pair is and how well it matches."""
    with (folder / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(TRUTH)
        for one in study:
            row = [one.audio, one.text, one.system.name, one.split, one.kind, len(one.caption.events)]
            row += [
                one.sound.layout,
                f"{one.match:.4f}",
                f"{one.severity:.4f}",
                f"{one.clear_match:.4f}",
                "; ".join(one.sound.events),
            ]
            writer.writerow([*row, made[one.audio]])
    with (folder / "ratings.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(RATINGS)
        for one, who, rating in rated(study, listeners, seed):
            events = len(one.caption.events)
            writer.writerow([one.audio, one.text, who, rating, one.system.name, one.split, 0, 10, one.kind, events])


def _prompt(random: np.random.Generator, texts: set[str]) -> tuple[Content, str]:
    """What a caption tells of and its words, which no other caption has."""
    while True:
        content = told(random, catalogue())
        text = caption(content, random, catalogue())
        if text not in texts:
            texts.add(text)
            return content, text
