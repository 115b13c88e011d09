"""Many sounds or texts to vectors: each content once, what is stored is taken from there, decoding in worker threads.

Torch is imported only through the model that is passed in, so that a command can check its input before.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from clapometer.audio.files import content_of, without_name
from clapometer.audio.workers import completed, default_workers
from clapometer.embedding.store import Vector, VectorStore
from clapometer.errors import BadAudio, BadOption, BadText
from clapometer.models.fingerprint import fingerprint
from clapometer.types import Window

if TYPE_CHECKING:
    from clapometer.models.clap import Clap

Outcome = Vector | str
"""A vector, or why there is none."""
Progress = Callable[[str, int], Callable[[int], None]]
"""`progress("sounds", 500)` begins a count to 500 and returns the function that counts finished items."""

TEXTS_A_UNIT, UNITS_A_THREAD = 32, 4
"""Texts are quick: so many are handed to a thread, and stored, at a time, and fewer where threads would go without."""


@dataclass(frozen=True)
class Embedded:
    """The vectors of a list of sounds or texts.

    Attributes:
        unique: float32 (contents, dimension), unit vectors of the contents that have one.
        index: (items,), the row of `unique` that belongs to each item; -1 where the item has none.
        errors: for each item why it has no vector; empty where it has one.
        computed: contents that went through the model, whether it could read them or not.
        reused: contents that were stored from before.
        digests: for each sound the SHA-256 of its file, hexadecimal; empty where it could not be read, and for texts.
    """

    unique: Vector
    index: npt.NDArray[np.intp]
    errors: list[str]
    computed: int
    reused: int
    digests: tuple[str, ...] = ()

    @property
    def vectors(self) -> Vector:
        """Float32 (items, dimension); NaN for items without a vector."""
        vectors = np.full((len(self.index), self.unique.shape[1]), np.nan, np.float32)
        vectors[self.index >= 0] = self.unique[self.index[self.index >= 0]]
        return vectors


class _Job(NamedTuple):
    """What is the same for all items of a call."""

    clap: Clap
    workers: int
    dimension: int
    store: VectorStore | None
    progress: Progress | None


def embed_sounds(
    clap: Clap,
    paths: Sequence[str | os.PathLike[str]],
    *,
    window: Window | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    store: VectorStore | None = None,
    progress: Progress | None = None,
) -> Embedded:
    """Embed sound files; one content is embedded once, under whatever names it appears.

    Args:
        clap: the model.
        paths: files, in any order; a repeated one costs nothing.
        window: treatment of short and long clips; default: the card's.
        batch_size: windows a forward pass; default: the model's.
        workers: threads that decode and embed; default: `default_workers`.
        store: where vectors are taken from and kept, one transaction a batch.
        progress: told of clips as they finish.

    Returns:
        Vectors and errors in the order of `paths`. A vector depends on nothing but its clip at batch size 1, and in
        the last digits on which other clips there are, never on their order, at larger ones.

    Raises:
        BadOption: batch size or workers below 1.
    """
    names = [os.fspath(path) for path in paths]
    window = window or clap.card.window
    job, size = _job(clap, batch_size, workers, store, progress)
    sizes: dict[bytes, tuple[int, str]] = {}
    contents: dict[str, bytes | str] = {}
    for name, found in completed(content_of, sorted(set(names)), job.workers):
        if isinstance(found, str):
            contents[name] = found
        else:
            contents[name] = found.digest
            sizes[found.digest] = min(sizes.get(found.digest, (found.size, name)), (found.size, name))
    # Equal sizes are mostly equal lengths, which share a batch; the largest go first, lest one thread ends alone.
    order = sorted(sizes, key=lambda digest: (-sizes[digest][0], digest))

    def embed(digests: Sequence[bytes]) -> list[Outcome]:
        files = [sizes[digest][1] for digest in digests]
        pairs = zip(files, clap.try_embed_audio(files, window=window, batch_size=size), strict=True)
        return [without_name(name, str(v)) if isinstance(v, BadAudio) else _finite(v.numpy()) for name, v in pairs]

    done = _embedded(job, "audio", order, embed, size, f"{window} batch={size}")
    result = _gathered(job, names, contents, order, done)
    named = (why and f"{Path(name)}: {why}" for name, why in zip(names, result.errors, strict=True))
    digests = {name: content.hex() if isinstance(content, bytes) else "" for name, content in contents.items()}
    return replace(result, errors=list(named), digests=tuple(digests[name] for name in names))


def embed_texts(
    clap: Clap,
    texts: Sequence[str],
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    store: VectorStore | None = None,
    progress: Progress | None = None,
) -> Embedded:
    """Embed texts; arguments, result and errors as `embed_sounds`."""
    job, size = _job(clap, batch_size, workers, store, progress)
    contents: dict[str, bytes | str] = {text: _text_bytes(text) for text in dict.fromkeys(texts)}
    # By length, so that a batch needs little padding.
    order = sorted((text for text in contents.values() if isinstance(text, bytes)), key=lambda text: (len(text), text))

    def embed(some: Sequence[bytes]) -> list[Outcome]:
        vectors = clap.embed_text([text.decode() for text in some], batch_size=size)
        return [_finite(vector) for vector in vectors.numpy()]

    unit = size * max(1, min(TEXTS_A_UNIT // size, len(order) // (size * UNITS_A_THREAD * job.workers)))
    done = _embedded(job, "text", order, embed, unit, f"batch={size}")
    return _gathered(job, list(texts), contents, order, done)


def _text_bytes(text: str) -> bytes | str:
    try:
        return text.encode() if text.strip() else str(BadText("the text is empty; describe the sound in words"))
    except UnicodeEncodeError:
        return str(BadText("the text holds half of a surrogate pair; save the table as UTF-8"))


def _finite(vector: Vector) -> Outcome:
    return vector if np.isfinite(vector).all() else "the model's answer is not finite; check its weights"


def _embedded(
    job: _Job,
    kind: str,
    contents: Sequence[bytes],
    embed: Callable[[Sequence[bytes]], list[Outcome]],
    unit: int,
    settings: str,
) -> tuple[dict[bytes, Outcome], int]:
    """The outcome of every content, and how many were stored from before."""
    keys: dict[bytes, bytes] = {}
    done: dict[bytes, Outcome] = {}
    if job.store is not None:
        about = f"{fingerprint(job.clap)} {kind} {settings} ".encode()
        keys = {content: hashlib.blake2b(about + content, digest_size=32).digest() for content in contents}
        stored = job.store.get(list(keys.values()), job.dimension)
        done = {content: stored[key] for content, key in keys.items() if key in stored}
    reused = len(done)
    # Batches are cut from all contents, not from those that are left: a run that goes on meets the same batches.
    units = [contents[start : start + unit] for start in range(0, len(contents), unit)]
    left = [rest for whole in units if (rest := [content for content in whole if content not in done])]
    tick = job.progress("sounds" if kind == "audio" else "texts", sum(map(len, left))) if job.progress else None
    for some, outcomes in completed(embed, left, job.workers):
        fresh = dict(zip(some, outcomes, strict=True))
        done.update(fresh)
        if job.store is not None:
            job.store.add({keys[content]: found for content, found in fresh.items() if not isinstance(found, str)})
        if tick:
            tick(len(some))
    return done, reused


def _gathered(
    job: _Job,
    items: Sequence[str],
    contents: Mapping[str, bytes | str],
    order: Sequence[bytes],
    outcome: tuple[dict[bytes, Outcome], int],
) -> Embedded:
    done, reused = outcome
    good = {content: found for content in order if not isinstance(found := done[content], str)}
    number = {content: row for row, content in enumerate(good)}
    unique = np.array(list(good.values()), np.float32).reshape(len(good), job.dimension)
    index = np.full(len(items), -1, np.intp)
    errors = [""] * len(items)
    for at, item in enumerate(items):
        content = contents[item]
        if isinstance(content, str):
            errors[at] = content
        elif isinstance(why := done[content], str):
            errors[at] = why
        else:
            index[at] = number[content]
    return Embedded(unique, index, errors, len(order) - reused, reused)


def _job(
    clap: Clap, batch_size: int | None, workers: int | None, store: VectorStore | None, progress: Progress | None
) -> tuple[_Job, int]:
    """The job, and its batch size."""
    if batch_size is None:
        batch_size = clap.default_batch_size
    if workers is None:
        workers = default_workers(clap.device.type)
    for what, value in (("batch size", batch_size), ("workers", workers)):
        if value < 1:
            raise BadOption(f"{what} must be at least 1, not {value}")
    return _Job(clap, workers, clap.card.embedding_dim, store, progress), batch_size
