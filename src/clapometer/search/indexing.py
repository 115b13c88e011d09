"""A folder of sounds to an index, and an index brought up to date with its folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clapometer.audio.files import audio_files_below
from clapometer.embedding.pipeline import Embedded, Progress, embed_files
from clapometer.embedding.store import VectorStore
from clapometer.errors import BadOption
from clapometer.models.fingerprint import provenance
from clapometer.search import storage
from clapometer.search.nearest import MANY, build_graph, has_usearch
from clapometer.search.storage import NOTHING, Listed, Places, Vectors
from clapometer.types import Window

if TYPE_CHECKING:
    from clapometer.models.clap import Clap

STALE = 0.1
"""Share of the sounds that a graph may not know before it is built anew; those are searched exactly meanwhile."""


@dataclass(frozen=True)
class Indexed:
    """What indexing found."""

    folder: Path
    """The index."""
    sounds: int
    """Sounds that can be found."""
    new: int
    changed: int
    """Sounds whose size or time of writing is another than before."""
    gone: int
    same: int
    failed: dict[str, str]
    """Sounds that cannot be found, relative to the folder of sounds, and why."""
    graph: bool
    """Whether there is a graph, by which large indexes are searched."""


def index_folder(
    clap: Clap,
    sounds: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    model: str | None = None,
    window: Window | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    store: VectorStore | None = None,
    rebuild: bool = False,
    graph: bool | None = None,
    progress: Progress | None = None,
) -> Indexed:
    """Index the sounds in a folder and below it; where there is an index, bring it up to date.

    New files, deleted ones, and those whose size or time of writing has changed are noticed; the others are not read.
    A file that could not be read is tried again.

    Args:
        clap: the model.
        sounds: the folder of the sounds.
        folder: the folder of the index; made where it is missing.
        model: the name or folder by which the model was asked for, so that a search can load it; default: its card's.
        window: treatment of short and long clips; default: the card's.
        batch_size: windows a forward pass; default: the model's.
        workers: threads that decode and embed.
        store: where vectors are taken from and kept while the run goes on, so that one that is killed loses nothing.
        rebuild: begin anew: read every file again, whatever the index holds.
        graph: whether to build a graph for quick searches, with usearch; default: from a million sounds on, where
            usearch is installed.
        progress: told of sounds as they finish.

    Raises:
        BadAudio: the folder holds no sounds.
        BadOption: the folder is the index of other sounds or of another model, is damaged, or is being written.
    """
    root, folder = Path(os.path.abspath(sounds)), Path(folder)  # noqa: PTH100 - links stay as they are
    if not root.is_dir():
        raise BadOption(f"{sounds}: no such folder")
    window = window or clap.card.window
    size = batch_size or clap.default_batch_size
    about = provenance(clap, model=model or clap.card.name, window=window, batch_size=size)
    about["root"] = str(root)
    with storage.alone(folder):
        record = None if rebuild else storage.read_record(folder)
        if record is not None:
            check_same(folder, record, about)
        before = storage.read_sounds(folder, record) if record is not None else NOTHING
        held = storage.read_vectors(folder, record) if record is not None else None
        now = _listed(root)
        kept = _kept(before, now)
        fresh = np.flatnonzero(kept < 0)
        embedded = embed_files(
            clap,
            [root / now.paths[number] for number in fresh],
            window=window,
            batch_size=batch_size,
            workers=workers,
            store=store,
            progress=progress,
        )
        listed = _numbered(before, now, kept, fresh, embedded, 0 if record is None else record["next_number"])
        blocks = _blocks(listed, held, (before, kept, fresh, embedded))
        has_graph = _write(folder, record, about, listed, blocks, graph)
    return replace(_counted(folder, before, listed, kept), graph=has_graph)


def check_same(folder: Path, record: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Whether new vectors may stand beside those of an index.

    Raises:
        BadOption: its sounds, model, window or precision are others.
    """
    pairs = {
        "sounds": (record["root"], about["root"]),
        "weights": (record["model"]["weights"], about["model"]["weights"]),
        "window": (record["window"], about["window"]),
        "precision": (record["precision"], about["precision"]),
    }
    for what, (there, here) in pairs.items():
        if there != here:
            named = f" ({record['model']['name']} there, {about['model']['name']} here)" if what == "weights" else ""
            raise BadOption(
                f"{folder}: the index is of other {what}: {there}, not {here}{named}; take another folder for it, "
                "or --rebuild"
            )


def _listed(root: Path) -> Listed:
    """What is there, with neither numbers nor errors. Sizes and times are taken before any sound is read: what is
    written meanwhile is noticed the next time.
    """
    paths, sizes, times = [], [], []
    for path in audio_files_below(root):
        try:
            status = path.stat()
        except OSError:  # gone already, or a link that leads nowhere: whoever reads it will say so
            sizes.append(-1)
            times.append(-1)
        else:
            sizes.append(status.st_size)
            times.append(status.st_mtime_ns)
        paths.append(str(path.relative_to(root)))
    nobody = np.full(len(paths), -1)
    return Listed(paths, np.array(sizes, np.int64), np.array(times, np.int64), nobody, [""] * len(paths))


def _kept(before: Listed, now: Listed) -> Places:
    """(sounds now,): the place in `before` of a sound whose vector still holds; -1 where there is none."""
    place = {path: number for number, path in enumerate(before.paths)}
    kept = np.array([place.get(path, -1) for path in now.paths], np.int64)
    if not before.paths:
        return kept
    same = (before.sizes[kept] == now.sizes) & (before.times[kept] == now.times) & (before.numbers[kept] >= 0)
    return np.where((kept >= 0) & same & (now.times >= 0), kept, -1)


def _numbered(before: Listed, now: Listed, kept: Places, fresh: Places, embedded: Embedded, following: int) -> Listed:
    """The sounds with the numbers that they had, or new ones, and errors."""
    numbers = np.where(kept >= 0, before.numbers[kept], -1) if before.paths else np.full(len(kept), -1)
    good = fresh[embedded.index >= 0]
    numbers[good] = following + np.arange(len(good))
    errors = list(now.errors)
    for place, error in zip(fresh.tolist(), embedded.errors, strict=True):
        errors[place] = error
    return Listed(now.paths, now.sizes, now.times, numbers, errors)


def _counted(folder: Path, before: Listed, now: Listed, kept: Places) -> Indexed:
    known = set(before.paths)
    good = now.numbers >= 0
    new = np.array([path not in known for path in now.paths])
    return Indexed(
        folder,
        sounds=int(good.sum()),
        new=int((new & good).sum()),
        changed=int((~new & (kept < 0) & good).sum()),
        gone=len(known.difference(now.paths)),
        same=int((kept >= 0).sum()),
        failed={path: error for path, error in zip(now.paths, now.errors, strict=True) if error},
        graph=False,
    )


def _write(
    folder: Path,
    record: Mapping[str, Any] | None,
    about: Mapping[str, Any],
    listed: Listed,
    blocks: Iterator[Vectors],
    graph: bool | None,
) -> bool:
    """Make these sounds and vectors the index; says whether it has a graph."""
    generation = 1 + (0 if record is None else record["generation"])
    # A name that no file has: after --rebuild an older index may still be there, and be in use.
    while any(folder.glob(f"*.{generation}.*")):
        generation += 1
    names = {"sounds": f"sounds.{generation}.parquet", "vectors": f"vectors.{generation}.npy"}
    numbers = listed.numbers[listed.numbers >= 0]
    storage.write_sounds(folder / names["sounds"], listed)
    storage.write_vectors(folder / names["vectors"], blocks, len(numbers), about["model"]["dimension"])
    drawn = _graph(folder, record, numbers, generation, graph, folder / names["vectors"])
    failed = sum(1 for error in listed.errors if error)
    following = 1 + max(int(numbers.max(initial=-1)), -1 if record is None else record["next_number"] - 1)
    storage.write_record(
        folder,
        {
            "format": storage.FORMAT,
            "command": "index",
            "generation": generation,
            **about,
            "counts": {"sounds": len(numbers), "failed": failed},
            "next_number": following,
            "files": {**names, "graph": drawn.get("file")},
            "graph": drawn or None,
        },
    )
    return bool(drawn)


def _blocks(listed: Listed, held: Vectors | None, source: tuple[Listed, Places, Places, Embedded]) -> Iterator[Vectors]:
    """The vectors of all sounds that have one, in their order, some at a time."""
    before, kept, fresh, embedded = source
    own = np.full(len(kept), -1)
    own[fresh] = embedded.index
    old = np.where(kept >= 0, before.rows[kept], -1) if before.paths else np.full(len(kept), -1)
    places = np.flatnonzero(listed.numbers >= 0)
    for start in range(0, len(places), storage.ROWS_AT_A_TIME):
        some = places[start : start + storage.ROWS_AT_A_TIME]
        block = np.empty((len(some), embedded.unique.shape[1]), np.float32)
        is_old = kept[some] >= 0
        if held is not None:
            block[is_old] = held[old[some[is_old]]]
        block[~is_old] = embedded.unique[own[some[~is_old]]]
        yield block


def _graph(
    folder: Path,
    record: Mapping[str, Any] | None,
    numbers: Places,
    generation: int,
    wanted: bool | None,
    vectors: Path,
) -> dict[str, Any]:
    """What the record says of the graph: the one that is there while it knows most of the sounds, or a new one."""
    if wanted is False or not (wanted or (len(numbers) > MANY and has_usearch())) or not len(numbers):
        return {}
    had: Mapping[str, Any] | None = record["graph"] if record is not None else None
    if had is not None:
        unknown = int((numbers >= had["next_number"]).sum())
        gone = had["sounds"] - (len(numbers) - unknown)
        if unknown + gone <= STALE * len(numbers):
            return dict(had)
    name = f"graph.{generation}.usearch"
    build_graph(np.load(vectors, mmap_mode="r"), numbers, folder / name)
    return {"file": name, "sounds": len(numbers), "next_number": int(numbers.max()) + 1}
