"""Captions to sounds and sounds to captions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from clapometer.benchmark.data import Data, Heard
from clapometer.benchmark.metrics import RESAMPLES
from clapometer.benchmark.result import Figures
from clapometer.embedding.pipeline import Progress, embed_texts
from clapometer.embedding.store import VectorStore
from clapometer.errors import BadOption
from clapometer.stats.bootstrap import Resamples
from clapometer.stats.classes import groups_of
from clapometer.stats.retrieval import TEXT_TO_AUDIO, both_ways

if TYPE_CHECKING:
    from clapometer.models.clap import Clap

MAIN = f"{TEXT_TO_AUDIO} R@1"


def retrieved(
    clap: Clap,
    data: Data,
    heard: Heard,
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    store: VectorStore | None = None,
    progress: Progress | None = None,
    resamples: Resamples = RESAMPLES,
) -> tuple[Figures, dict[str, Any]]:
    """Figures in both directions, and the counts.

    A caption that several clips share looks for each of them; of its other captions none of a clip is a wrong answer.
    Intervals come from clips drawn anew, with all their captions and, where recordings are known, with all clips of
    one; a caption that several clips share is drawn with the first.

    Raises:
        BadOption: a clip has no caption.
    """
    clips = [data.clips[place] for place in heard.places]
    bare = [clip.audio for clip in clips if not any(caption.strip() for caption in clip.labels)]
    if bare:
        raise BadOption(f"{data.folder.root}: {len(bare)} clips have no caption, such as {bare[0]}")
    owners: dict[str, list[int]] = {}
    for number, clip in enumerate(clips):
        for caption in dict.fromkeys(caption.strip() for caption in clip.labels if caption.strip()):
            owners.setdefault(caption, []).append(number)
    captions = list(owners)
    read = embed_texts(clap, captions, batch_size=batch_size, workers=workers, store=store, progress=progress)
    for error in filter(None, read.errors):
        raise BadOption(f"{data.folder.root}: a caption cannot be read: {error}")
    similarity = np.einsum("id,jd->ij", heard.vectors.astype(np.float64), read.vectors.astype(np.float64))
    right = np.zeros(similarity.shape, np.bool_)
    for number, mine in enumerate(owners.values()):
        right[mine, number] = True
    of_clip = [clip.group or f"clip {number}" for number, clip in enumerate(clips)]
    of_caption = [of_clip[mine[0]] for mine in owners.values()]
    estimates = both_ways(similarity, right, resamples, (groups_of(of_caption), groups_of(of_clip)))
    counts = {
        "clips": len(clips),
        "captions": len(captions),
        "texts_cut": sum(clap.is_truncated(text) for text in captions),
    }
    drawn = f"{len({*of_clip})} clips or recordings with all their captions"
    return Figures(MAIN, estimates, {}, [], drawn=drawn), counts
