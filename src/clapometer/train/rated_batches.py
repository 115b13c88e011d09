"""Batches of rated pairs, with pairs of captions beside them where there are such."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clapometer.audio import Samples, lengthened
from clapometer.losses.contrastive import info_nce
from clapometer.losses.rated import RatedLoss
from clapometer.records import Window
from clapometer.train.captions import CaptionBatches, turns
from clapometer.train.known import Known
from clapometer.train.objective import KnownRows, Objective
from clapometer.train.options import NO_AUGMENTATION, Augmentation
from clapometer.train.rated import RatedPairs
from clapometer.train.sounds import Sounds, amplified, masked

STEP = 0.25
"""Seconds. Where a model hears sounds at their own lengths, they are lengthened to the next multiple with silence, so
that some share a length and go through the network together."""
CAPTIONS = "captions"
"""The term of the loss that is of pairs of captions."""


@dataclass(frozen=True)
class RatedBatch:
    """Sounds with texts and what listeners say of them.

    Attributes:
        waveforms: n + m of (samples,), -1..1; those of the m pairs of captions come last. None where they are known.
        texts: n + m texts.
        ratings: (n,), 0..1.
        fits: (n, n) bool, whether text j is, or goes with, that of sound i.
        captions_fit: (m, m) bool, whether caption j is true of sound i; None where there are no captions.
        audio_known, text_known: as in `clapometer.train.objective.Batch`.
    """

    waveforms: list[Tensor]
    texts: list[str]
    ratings: Tensor
    fits: Tensor
    captions_fit: Tensor | None = None
    audio_known: KnownRows | None = None
    text_known: KnownRows | None = None


class RatedBatches:
    """Batches of rated pairs; batch `step` depends on the seed and on `step` alone.

    All pairs are gone through in random order before one comes again. Of a longer sound a random stretch is heard; a
    shorter one is heard as the model will hear it, lengthened as its window says, or at its own length.

    Args:
        pairs: what to learn from.
        sounds: the samples of each pair; None where `audio` is given.
        size: pairs a batch.
        window: what the model hears at a time.
        seed: of everything random.
        augmentation: what is done to the sounds; nothing is mixed.
        captions: pairs of captions to be heard beside them, with sounds as long as `samples`.
        audio: what is known of the sounds, for their tower does not learn.
        text: what is known of the texts.
    """

    def __init__(
        self,
        pairs: RatedPairs,
        sounds: Sounds | None,
        *,
        size: int,
        samples: int,
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
        self.samples = samples
        self.window = window
        self.seed = seed
        self.augmentation = augmentation
        self.captions = captions
        self.audio = audio
        self.text = text
        said = [" ".join(text.casefold().split()) for text in pairs.texts]
        self._said = np.unique(np.array(said), return_inverse=True)[1].reshape(-1)

    def __call__(self, step: int) -> RatedBatch:
        """The batch of a step, counted from 0."""
        random = np.random.default_rng((self.seed, 3, step))
        numbers = turns(step, self.size, len(self.pairs), self.seed)
        targets = [float(random.choice(self.pairs.targets[number])) for number in numbers]
        waveforms = []
        if self.audio is None:
            waveforms = [torch.from_numpy(self.waveform(number, random)) for number in numbers]
        texts = [self.pairs.texts[number] for number in numbers]
        said, clip = self._said[numbers], self.pairs.clip[numbers]
        fits = (said[:, None] == said[None]) | (clip[:, None] == clip[None])
        captions_fit = None
        if self.captions is not None:
            more = self.captions(step)
            waveforms, texts = [*waveforms, *more.waveforms], texts + more.texts
            captions_fit = more.fits
        return RatedBatch(
            waveforms,
            texts,
            torch.tensor(targets),
            torch.from_numpy(fits),
            captions_fit,
            None if self.audio is None else self.audio.rows(numbers, random),
            None if self.text is None else self.text.rows(numbers, random),
        )

    def waveform(self, number: int, random: np.random.Generator) -> Samples:
        """What is heard of a pair's sound, float32 (at most `samples`,)."""
        assert self.sounds is not None
        samples = self.sounds[number]
        if len(samples) > self.samples:
            start = int(random.integers(len(samples) - self.samples + 1))
            samples = samples[start : start + self.samples]
        elif len(samples) < self.samples:
            if self.window.short == "keep":
                step = round(STEP * self.sounds.sample_rate)
                samples = lengthened(samples, min(self.samples, -(-len(samples) // step) * step), "pad")
            else:
                samples = lengthened(samples, self.samples, self.window.short)
        if self.augmentation.time_mask or self.augmentation.frequency_mask:
            samples = masked(samples, self.sounds.sample_rate, self.augmentation, random)
        return amplified(samples, random.uniform(-self.augmentation.gain, self.augmentation.gain))


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
