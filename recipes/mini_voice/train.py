"""Step 3: the embedded model learns queries about voices.

The first convolutions of its audio tower, and its text tower, stay as they are: what they make of each clip and of each
text is computed once, and an update costs little. The projection behind the text tower learns faster than the rest: to
that tower "a high pitch" and "a low pitch" are nearly the same. A text is no negative of a sound of which all that it
says is true.

    python recipes/mini_voice/train.py --queries build/mini_voice/{sample,always}.csv \
        --facts build/mini_voice/facts.csv --out build/mini_voice/sample
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from clapometer.audio import read_sound
from clapometer.checkpoints import load
from clapometer.families.mini import MiniClap
from clapometer.nets.mobilenet import AudioEncoder
from clapometer.train.captions import CaptionBatch
from clapometer.train.loop import train
from clapometer.train.options import TrainOptions
from clapometer.train.pretrain import Contrastive
from prepare import fitted

FIXED = 11
"""Convolutions of the audio tower, of 13, that stay as they are."""


class Later(AudioEncoder):
    """The audio tower behind its first convolutions."""

    def trunk(self, spectrograms: Tensor) -> Tensor:
        return self.blocks[FIXED:](spectrograms)  # type: ignore[no-any-return]


class LaterClap(MiniClap):
    """The model behind what stays as it is: `waveforms` are what the first convolutions made of a clip."""

    def __init__(self, clap: MiniClap) -> None:
        super().__init__(clap.card, clap.config, clap.tokenizer)
        self.audio = Later(clap.config.audio)
        self.load_state_dict(clap.state_dict())
        self.known: dict[str, Tensor] = {}
        """What the text tower makes of each text that was met."""

    def audio_vectors(self, waveforms: Tensor) -> Tensor:
        return self.audio(waveforms)  # type: ignore[no-any-return]

    def text_vectors(self, texts: Sequence[str]) -> Tensor:
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        if new:
            was_training = self.text.training
            with torch.no_grad():
                self.text.eval()
                sentences = functional.normalize(self.text(*self.tokens(new)).float(), dim=-1)
                self.text.train(was_training)
            self.known |= dict(zip(new, sentences, strict=True))
        return self.text_projection(torch.stack([self.known[text] for text in texts]))  # type: ignore[no-any-return]


def beginnings(clap: MiniClap, files: list[Path]) -> Tensor:
    """What the fixed convolutions make of two seconds of each file, (files, channels, time, mel)."""
    found = []
    with torch.no_grad():
        for file in files:
            samples = fitted(read_sound(file, clap.card.sample_rate))
            spectrogram = clap.frontend(torch.from_numpy(samples)[None])
            stem = functional.relu(clap.audio.stem(functional.pad(spectrogram.unsqueeze(1), (0, 1, 0, 1))))
            found.append(clap.audio.blocks[:FIXED](stem))
    return torch.cat(found)


class QueryBatches:
    """Clips with a query each; batch `step` depends on the seed and on `step` alone.

    Args:
        sounds: (clips, ...), what the model takes for waveforms.
        queries: for each clip its texts, and for each the things that it says.
        facts: for each clip everything that is true of it.
        size: clips a batch.
        seed: of everything random.
    """

    def __init__(
        self, sounds: Tensor, queries: list[list[tuple[str, set[str]]]], facts: list[set[str]], size: int, seed: int
    ) -> None:
        self.sounds, self.queries, self.facts, self.size, self.seed = sounds, queries, facts, size, seed

    def __call__(self, step: int) -> CaptionBatch:
        random = np.random.default_rng((self.seed, step))
        clips = random.permutation(len(self.sounds))[: self.size].tolist()
        chosen = [self.queries[clip][random.integers(len(self.queries[clip]))] for clip in clips]
        fits = torch.tensor([[says <= self.facts[clip] for _, says in chosen] for clip in clips])
        return CaptionBatch(self.sounds[clips], [text for text, _ in chosen], fits, [(clip,) for clip in clips])


def read_queries(*paths: Path) -> dict[Path, list[tuple[str, set[str]]]]:
    """The texts of each clip, and what they say."""
    found = defaultdict(list)
    for path in paths:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                found[(path.parent / row["audio"]).resolve()].append((row["text"], set(row["says"].split("; "))))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=Path, required=True, nargs="+")
    parser.add_argument("--facts", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--projection", type=float, default=5.0, help="factor of the learning rate of the projection")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    mini = load("mini", device="cpu")
    assert isinstance(mini, MiniClap)
    queries, facts = read_queries(*options.queries), read_queries(options.facts)
    clips = list(queries)
    batches = QueryBatches(
        beginnings(mini, clips),
        [queries[clip] for clip in clips],
        [{fact for _, says in facts[clip] for fact in says} for clip in clips],
        min(options.batch, len(clips)),
        options.seed,
    )
    training = TrainOptions(
        steps=options.steps,
        batch_size=min(options.batch, len(clips)),
        learning_rate=options.learning_rate,
        warmup=min(50, options.steps // 5),
        weight_decay=0.05,
        rates={"text_projection": options.projection},
        parts=("audio", "text projection"),
        seed=options.seed,
        workers=1,
        validate_every=options.steps,
        save_every=100,
    )
    print(f"{len(clips)} clips", flush=True)
    trained = train(LaterClap(mini), batches, Contrastive(), training, options.out)
    print(f"{trained.folder}: loss {trained.loss:.3f}")


if __name__ == "__main__":
    main()
