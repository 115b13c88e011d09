"""What pretraining learns from: tables of captions, and batches of sounds with texts made of them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clapometer.audio import Samples
from clapometer.errors import BadTable, first_of
from clapometer.records import Window
from clapometer.tables import read_table
from clapometer.train.objective import KnownRows
from clapometer.train.options import Augmentation
from clapometer.train.sounds import Sounds, amplified, fitted, masked, overlaid, windows

TOGETHER = ("{} and {}", "{} while {}", "{} with {}")
BEHIND = ("{} with {} in the background", "{} and {} in the distance")
FOLLOWED = ("{} followed by {}", "{} then {}", "{} and then {}")
QUIETER = 3.0
"""Decibels from which the second of two sounds is said to be in the background."""


@dataclass(frozen=True)
class Clip:
    """A sound and everything that is true of it."""

    audio: Path
    texts: tuple[str, ...]
    group: str = ""
    """Sounds of one group are not told apart by each other's texts; empty: it is in none."""


@dataclass(frozen=True)
class Spoken:
    """One text of one clip: what a sound in a batch is made of, alone or as one of two."""

    clip: int
    """Number of the clip."""
    text: str


@dataclass(frozen=True)
class CaptionBatch:
    """Sounds with a text each.

    Attributes:
        windows: of each of n sounds its windows, (samples,), -1..1.
        texts: n texts.
        fits: (n, n) bool, whether text j is true of sound i.
        sources: for each sound the clips that it is made of, by number.
        audio_known, text_known: as in `clapometer.train.objective.Batch`.
    """

    windows: list[list[Tensor]]
    texts: list[str]
    fits: Tensor
    sources: list[tuple[int, ...]]
    audio_known: KnownRows | None = None
    text_known: KnownRows | None = None


def read_captions(
    paths: Sequence[str | os.PathLike[str]], *, audio_root: str | os.PathLike[str] | None = None
) -> list[Clip]:
    """Clips with captions.

    Args:
        paths: tables with the columns `audio` and `text`, and `group` if there are groups. Several rows may name one
            clip: all their texts are true of it.
        audio_root: folder of the files; default: each table's own.

    Returns:
        The clips, in the order of their first rows.

    Raises:
        BadTable: a table cannot be read, or rows cannot be used; the message names them.
    """
    texts: dict[Path, dict[str, None]] = {}
    groups: dict[Path, str] = {}
    bad: list[str] = []
    for path in paths:
        table = read_table(path)
        root = Path(audio_root) if audio_root is not None else table.path.parent
        for number, row in enumerate(table.rows):
            problem = table.problems[number]
            audio = Path(os.path.abspath(root / str(row.get("audio", ""))))  # noqa: PTH100 - links stay as they are
            group = str(row.get("group") or "")
            if not problem and audio not in texts and not audio.is_file():
                problem = f"{audio}: no such file; check the name, and the folder that it is relative to"
            if not problem and groups.setdefault(audio, group) != group:
                problem = f"{audio} is in the group {group!r}, and in {groups[audio]!r} before; give it one"
            if problem:
                bad.append(f"{table.where(number)}: {problem}")
            else:
                texts.setdefault(audio, {})[str(row["text"]).strip()] = None
    if bad:
        raise BadTable(f"{len(bad)} rows cannot be trained on; correct or remove them:{first_of(bad)}")
    clips = [Clip(audio, tuple(some), groups[audio]) for audio, some in texts.items()]
    if len(clips) < 2:
        raise BadTable(f"{paths[0]}: holds one clip; contrastive training needs sounds to tell apart")
    return clips


class CaptionBatches:
    """Batches of clips and captions; batch `step` depends on the seed and on `step` alone.

    All clips are gone through in random order before one comes again; each time one of its texts is drawn.

    Args:
        clips: what to learn from.
        sounds: their samples.
        size: sounds a batch.
        window: treatment of short and long sounds; the model's.
        seconds: length of the random stretch of a sound that is encoded, a shorter sound being put at a random place or
            repeated; None: a sound is encoded whole, and a mixture is as long as its first one, or as the window.
        seed: of everything random.
        augmentation: what is done to the sounds.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        sounds: Sounds,
        *,
        size: int,
        window: Window,
        seconds: float | None,
        seed: int,
        augmentation: Augmentation,
    ) -> None:
        self.clips = list(clips)
        self.sounds = sounds
        self.size = size
        self.window = window
        self.samples = None if seconds is None else max(1, round(seconds * sounds.sample_rate))
        self.seed = seed
        self.augmentation = augmentation

    def __call__(self, step: int) -> CaptionBatch:
        """The batch of a step, counted from 0."""
        random = np.random.default_rng((self.seed, 1, step))
        heard, texts, spoken = [], [], []
        for number in turns(step, self.size, len(self.clips), self.seed):
            waveform, text, parts = self.example(number, random)
            heard.append(windows(waveform, self.sounds.sample_rate, self.window))
            texts.append(text)
            spoken.append(parts)
        return CaptionBatch(
            heard,
            texts,
            fits(self.clips, spoken),
            [tuple(part.clip for part in parts) for parts in spoken],
        )

    def example(self, number: int, random: np.random.Generator) -> tuple[Samples, str, tuple[Spoken, ...]]:
        """A sound made of a clip, perhaps with another one; its text; and what it is made of."""
        first = Spoken(number, str(random.choice(self.clips[number].texts)))
        sound, size = self.sounds[number], self.samples
        if random.random() >= self.augmentation.mix:
            sound = sound if size is None else fitted(sound, size, random)
            return self.changed(sound, random), first.text, (first,)
        if size is None:
            size = max(len(sound), round(self.window.seconds * self.sounds.sample_rate))
        other = (number + int(random.integers(1, len(self.clips)))) % len(self.clips)
        second = Spoken(other, str(random.choice(self.clips[other].texts)))
        level = random.uniform(-self.augmentation.level, self.augmentation.level)
        if random.random() < 0.5:
            lengths = (size // 2, size - size // 2)
            parts = [
                fitted(self.sounds[one.clip], length, random)
                for one, length in zip((first, second), lengths, strict=True)
            ]
            waveform = np.concatenate([parts[0], amplified(parts[1], -level)])
            templates: tuple[str, ...] = FOLLOWED
        else:
            here, there = (fitted(self.sounds[one.clip], size, random) for one in (first, second))
            waveform = overlaid(here, there, level)
            templates = TOGETHER + (BEHIND if level > QUIETER else ())
        text = joined(str(random.choice(templates)), first.text, second.text)
        return self.changed(waveform, random), text, (first, second)

    def changed(self, waveform: Samples, random: np.random.Generator) -> Samples:
        """Louder or quieter, and masked."""
        waveform = masked(waveform, self.sounds.sample_rate, self.augmentation, random)
        return amplified(waveform, random.uniform(-self.augmentation.gain, self.augmentation.gain))


def turns(step: int, size: int, count: int, seed: int) -> list[int]:
    """The numbers, of `count`, whose turn it is in a step: all come once, in random order, before one comes again."""
    places = range(step * size, (step + 1) * size)
    orders = {one: np.random.default_rng((seed, 0, one)).permutation(count) for one in {at // count for at in places}}
    return [int(orders[at // count][at % count]) for at in places]


def joined(template: str, first: str, second: str) -> str:
    """One sentence of two."""
    if second[1:2].islower():
        second = second[0].lower() + second[1:]
    return template.format(first.rstrip(" ."), second.rstrip(" ."))


def fits(clips: Sequence[Clip], spoken: Sequence[tuple[Spoken, ...]]) -> Tensor:
    """Whether the text of one sound is true of another.

    It is if each clip that the text speaks of has its like in the sound: a clip of the same group, or one of which the
    same text is true. A sound of a dog therefore does not fit "a dog and rain", while the sound of both fits "a dog".

    Args:
        clips: all clips.
        spoken: for each sound of a batch what it, and its text, is made of.

    Returns:
        (n, n) bool: row i the sound, column j the text; the diagonal is True.
    """
    with_text: Mapping[str, set[int]] = defaultdict(set)
    with_group: Mapping[str, set[int]] = defaultdict(set)
    for number, parts in enumerate(spoken):
        for part in parts:
            clip = clips[part.clip]
            for text in clip.texts:
                with_text[text.casefold()].add(number)
            if clip.group:
                with_group[clip.group].add(number)
    table: npt.NDArray[np.bool_] = np.eye(len(spoken), dtype=np.bool_)
    for number, parts in enumerate(spoken):
        alike = [with_text[part.text.casefold()] | with_group.get(clips[part.clip].group, set()) for part in parts]
        table[list(set.intersection(*alike)), number] = True
    return torch.from_numpy(table)
