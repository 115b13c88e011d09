from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from rated_tones import rated_tones
from torch.nn.functional import normalize

from clapometer import Window, read_ratings
from clapometer.losses.contrastive import info_nce
from clapometer.losses.rated import read_loss
from clapometer.train.captions import CaptionBatches, Clip
from clapometer.train.known import Known
from clapometer.train.options import NO_AUGMENTATION, Augmentation
from clapometer.train.rated import RatedPairs, read_material
from clapometer.train.rated_batches import Rated, RatedBatches
from clapometer.train.sounds import Sounds

KEEP = Window(10.0, 10.0)


@pytest.fixture
def pairs(tmp_path: Path) -> RatedPairs:
    return read_material(read_ratings(rated_tones(tmp_path, ("train", "validation")), scale=(0, 10))).train


def batches(pairs: RatedPairs, samples: int = 4000, window: Window = KEEP, **more: object) -> RatedBatches:
    return RatedBatches(pairs, Sounds(pairs.audio, 16000), size=6, samples=samples, window=window, seed=1, **more)  # type: ignore[arg-type]


def test_every_pair_is_heard_once_before_one_comes_again(pairs: RatedPairs) -> None:
    source = batches(pairs)
    heard = [text for step in range(4) for text in source(step).texts]
    assert sorted(heard) == sorted(pairs.texts)
    first = source(0)
    for text, waveform, rating in zip(first.texts, first.waveforms, first.ratings, strict=True):
        number = pairs.texts.index(text)
        assert rating == pytest.approx(pairs.mean[number])
        torch.testing.assert_close(waveform.numpy(), Sounds([pairs.audio[number]], 16000)[0])
    for one, other in zip(source(3).waveforms, batches(pairs)(3).waveforms, strict=True):
        assert torch.equal(one, other)


def test_listeners_of_a_pair_take_turns(pairs: RatedPairs) -> None:
    several = replace(pairs, targets=tuple(np.array([0.1, 0.9]) for _ in pairs.targets))
    said = torch.cat([batches(several)(step).ratings for step in range(100)])
    assert sorted(set(said.tolist())) == pytest.approx([0.1, 0.9])
    assert said.mean().item() == pytest.approx(0.5, abs=0.05)


def test_short_sounds_are_lengthened_as_the_window_says_and_of_long_ones_a_stretch_is_heard(pairs: RatedPairs) -> None:
    own = {text: Sounds([path], 16000)[0] for text, path in zip(pairs.texts, pairs.audio, strict=True)}
    repeated = batches(pairs, 6000, replace(KEEP, short="repeat"))(0)
    for text, waveform in zip(repeated.texts, repeated.waveforms, strict=True):
        np.testing.assert_array_equal(waveform, np.resize(own[text], 6000))
    padded = batches(pairs, 6000, replace(KEEP, short="pad"))(0)
    for text, waveform in zip(padded.texts, padded.waveforms, strict=True):
        np.testing.assert_array_equal(waveform, np.pad(own[text], (0, 2000)))
    part = batches(pairs, 1000)(0)
    starts = set()
    for text, waveform in zip(part.texts, part.waveforms, strict=True):
        views = np.lib.stride_tricks.sliding_window_view(own[text], 1000)
        starts.add(int(np.flatnonzero((views == waveform.numpy()).all(axis=1))[0]))
    assert len(starts) > 1


def test_where_the_model_keeps_lengths_sounds_keep_theirs_up_to_a_quarter_of_a_second(
    pairs: RatedPairs, tmp_path: Path
) -> None:
    lengths = {800: 4000, 4000: 4000, 4001: 8000, 9000: 8000}
    paths = tuple(tmp_path / f"{length}.flac" for length in lengths)
    for path, length in zip(paths, lengths, strict=True):
        soundfile.write(path, np.full(length, 0.1), 16000)
    some = replace(pairs, audio=paths, texts=pairs.texts[:4], clip=np.arange(4), targets=pairs.targets[:4])
    batch = RatedBatches(some, Sounds(paths, 16000), size=4, samples=8000, window=KEEP, seed=1)(0)
    heard = {text: len(waveform) for text, waveform in zip(batch.texts, batch.waveforms, strict=True)}
    assert heard == dict(zip(some.texts, lengths.values(), strict=True))


def test_augmentation_changes_sounds_and_nothing_else(pairs: RatedPairs) -> None:
    plain, changed = batches(pairs)(0), batches(pairs, augmentation=Augmentation(mix=0.0))(0)
    assert plain.texts == changed.texts
    assert torch.equal(plain.ratings, changed.ratings)
    for one, other in zip(plain.waveforms, changed.waveforms, strict=True):
        assert not torch.equal(one, other)


def test_pairs_of_one_text_or_one_sound_are_not_each_others_negatives(pairs: RatedPairs) -> None:
    some = replace(
        pairs, texts=(*pairs.texts[:2], " ".join(pairs.texts[0].upper().split()), *pairs.texts[3:]),
        clip=np.array([0, 1, 2, 1, *range(4, len(pairs))]),
    )  # fmt: skip
    source = RatedBatches(some, Sounds(some.audio, 16000), size=len(some), samples=10, window=KEEP, seed=1)
    found = source(0)
    place = {text: number for number, text in enumerate(found.texts)}
    order = [place[text] for text in some.texts]
    fits = found.fits[order][:, order]
    expected = torch.eye(len(some), dtype=torch.bool)
    expected[0, 2] = expected[2, 0] = expected[1, 3] = expected[3, 1] = True
    assert torch.equal(fits, expected)


def test_captions_stand_behind_the_rated_pairs_and_have_a_loss_of_their_own(pairs: RatedPairs) -> None:
    clips = [Clip(path, (f"sound {number}",)) for number, path in enumerate(pairs.audio)]
    captions = CaptionBatches(
        clips, Sounds(pairs.audio, 16000), size=3, seconds=0.25, seed=1, augmentation=NO_AUGMENTATION
    )
    batch = batches(pairs, captions=captions)(2)
    assert batch.texts[6:] == captions(2).texts
    assert torch.equal(torch.stack(batch.waveforms[6:]), captions(2).waveforms)
    assert len(batch.ratings) == 6
    torch.manual_seed(0)
    audio, text, scale = normalize(torch.randn(9, 4)), normalize(torch.randn(9, 4)), torch.tensor(1.0)
    terms = Rated(read_loss("wsce+2*mae"), weight=0.5)(audio, text, scale, batch)
    alone = read_loss("wsce+2*mae")(audio[:6], text[:6], scale, batch.ratings, batch.fits)
    assert terms.keys() == {"wsce", "mae", "captions"}
    for name, value in alone.items():
        torch.testing.assert_close(terms[name], value)
    assert batch.captions_fit is not None
    torch.testing.assert_close(terms["captions"], 0.5 * info_nce(audio[6:], text[6:], scale, batch.captions_fit))


def test_of_sounds_that_are_known_nothing_is_read(pairs: RatedPairs) -> None:
    head = torch.nn.Linear(2, 3)
    windows = tuple(torch.tensor([[number, 0.0], [number, 1.0]]) for number in range(len(pairs)))
    source = RatedBatches(pairs, None, size=6, samples=4000, window=KEEP, seed=1, audio=Known(windows, head))
    seen = set()
    for step in range(4):
        batch = source(step)
        assert batch.text_known is None
        assert batch.audio_known is not None
        features = batch.audio_known.features
        assert [pairs.texts[int(number)] for number in features[:, 0]] == batch.texts
        seen |= set(features[:, 1].tolist())
        rows = torch.tensor([4, 1])
        torch.testing.assert_close(batch.audio_known.vectors(rows, torch.device("cpu")), head(features[rows]))
    assert seen == {0.0, 1.0}  # of a clip of two windows now the one, now the other
