"""Batches of rated pairs, with pairs of captions beside them where there are such."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clapometer.text import text_key
from clapometer.training.audio_data import Sounds, amplified, masked, windows
from clapometer.training.captions import CaptionBatches, turns
from clapometer.training.frozen import Known
from clapometer.training.losses.contrastive import info_nce
from clapometer.training.losses.rated import RatedLoss
from clapometer.training.objective import KnownRows, Objective
from clapometer.training.options import NO_AUGMENTATION, Augmentation
from clapometer.training.rating_data import RatedPairs
from clapometer.types import Window

CAPTIONS = "captions"
"""The term of the loss that is of pairs of captions."""


@dataclass(frozen=True)
class RatedBatch:
    """Sounds with texts and what listeners say of them.

    Attributes:
        windows: of each of n + m sounds its windows, (samples,), -1..1, those of the m pairs of captions last; empty
            where the sounds are known.
        texts: n + m texts.
        ratings: (n,), 0..1.
        fits: (n, n) bool, whether text j is, or goes with, that of sound i.
        captions_fit: (m, m) bool, whether caption j is true of sound i; None where there are no captions.
        audio_known, text_known: as in `clapometer.training.objective.Batch`.
    """

    windows: list[list[Tensor]]
    texts: list[str]
    ratings: Tensor
    fits: Tensor
    captions_fit: Tensor | None = None
    audio_known: KnownRows | None = None
    text_known: KnownRows | None = None


class RatedBatches:
    """Batches of rated pairs; batch `step` depends on the seed and on `step` alone.

    All pairs are gone through in random order before one comes again. Sounds are encoded as scoring encodes them: all
    the windows of each, or the clip whole, as `window` says. Nothing about that is random.

    Args:
        pairs: what to learn from.
        sounds: the samples of each pair; None where `audio` is given.
        size: pairs a batch.
        window: treatment of short and long sounds; the model's.
        seed: of everything random.
        augmentation: what is done to the sounds; nothing is mixed.
        captions: batches of pairs of captions beside them.
        audio: what is known of the sounds, where their tower is frozen.
        text: what is known of the texts, where their tower is frozen.
    """

    def __init__(
        self,
        pairs: RatedPairs,
        sounds: Sounds | None,
        *,
        size: int,
        window: Window,
        seed: int,
        augmentation: Augmentation = NO_AUGMENTATION,
        captions: CaptionBatches | None = None,
        audio: Known | None = None,
        text: Known | None = None,
    ) -> None:
        self.pairs = pairs
        self.sounds = sounds
        self.size = size
        self.window = window
        self.seed = seed
        self.augmentation = augmentation
        self.captions = captions
        self.audio = audio
        self.text = text
        said = [text_key(text) for text in pairs.texts]
        self._said = np.unique(np.array(said), return_inverse=True)[1].reshape(-1)

    def __call__(self, step: int) -> RatedBatch:
        """The batch of a step, counted from 0."""
        random = np.random.default_rng((self.seed, 3, step))
        numbers = turns(step, self.size, len(self.pairs), self.seed)
        targets = [float(random.choice(self.pairs.targets[number])) for number in numbers]
        sounds = [] if self.audio is not None else [self.heard(number, random) for number in numbers]
        texts = [self.pairs.texts[number] for number in numbers]
        said, clip = self._said[numbers], self.pairs.clip[numbers]
        fits = (said[:, None] == said[None]) | (clip[:, None] == clip[None])
        captions_fit = None
        if self.captions is not None:
            more = self.captions(step)
            sounds, texts = sounds + more.windows, texts + more.texts
            captions_fit = more.fits
        return RatedBatch(
            sounds,
            texts,
            torch.tensor(targets),
            torch.from_numpy(fits),
            captions_fit,
            None if self.audio is None else self.audio.rows(numbers),
            None if self.text is None else self.text.rows(numbers),
        )

    def heard(self, number: int, random: np.random.Generator) -> list[Tensor]:
        """The windows of a pair's sound, (samples,) each."""
        assert self.sounds is not None
        samples = self.sounds[number]
        if self.augmentation.time_mask or self.augmentation.frequency_mask:
            samples = masked(samples, self.sounds.sample_rate, self.augmentation, random)
        samples = amplified(samples, random.uniform(-self.augmentation.gain, self.augmentation.gain))
        return windows(samples, self.sounds.sample_rate, self.window)


class Rated(Objective[RatedBatch]):
    """Losses of ratings, and InfoNCE of the captions.

    Args:
        loss: of the rated pairs.
        weight: of the captions' term.
    """

    def __init__(self, loss: RatedLoss, weight: float = 1.0) -> None:
        super().__init__()
        self.loss = loss
        self.weight = weight

    def forward(self, audio: Tensor, text: Tensor, logit_scale: Tensor, batch: RatedBatch) -> dict[str, Tensor]:
        """As `Objective.forward`."""
        n, device = len(batch.ratings), audio.device
        terms = self.loss(audio[:n], text[:n], logit_scale, batch.ratings.to(device), batch.fits.to(device))
        if batch.captions_fit is not None:
            true = batch.captions_fit.to(device)
            terms[CAPTIONS] = self.weight * info_nce(audio[n:], text[n:], logit_scale, true)
        return terms
