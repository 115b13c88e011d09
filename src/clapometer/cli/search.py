"""`clapometer search`: find the sounds of an index that are nearest to a text or to a sound."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clapometer.cli import console
from clapometer.cli.options import InferenceOptions, JsonOption, QuietOption, load_model, with_options
from clapometer.embedding.store import store_for
from clapometer.errors import BadAudio, BadOption, BadText

if TYPE_CHECKING:
    from clapometer.search import SearchResult, SoundIndex

Folder = Annotated[Path, typer.Argument(metavar="INDEX", help="What `clapometer index` wrote.")]
Query = Annotated[str, typer.Argument(metavar="TEXT | SOUND", help="A text, or a sound file to find similar sounds.")]
Count = Annotated[int, typer.Option("--top", "-n", min=1, help="Largest number of results.")]
MinScore = Annotated[
    float | None, typer.Option("--min-score", min=0, max=1, help="Leave out sounds with a lower score, 0 to 1.")
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Where the index's model is now; default: as recorded in the index.",
        show_default=False,
    ),
]
Page = Annotated[
    Path | None,
    typer.Option("--page", metavar="FILE", help="Write the results as a page (.html) with audio players."),
]
Root = Annotated[
    Path | None,
    typer.Option("--audio-root", metavar="FOLDER", help="Where the sounds are now; default: as recorded in the index."),
]


@with_options(options=InferenceOptions, leave_out=("model", "batch_size", "workers", "window", "backend"))
def search(
    folder: Folder,
    query: Query,
    options: InferenceOptions,
    count: Count = 10,
    min_score: MinScore = None,
    page: Page = None,
    audio_root: Root = None,
    model: Model = None,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Find the sounds of an index that match a text or are similar to a sound.

    Prints the best ones with the scores that `clapometer score` gives:
    max(cosine, 0), from 0 to 1. A query that is a file, or has the extension of
    a sound file, is a sound; anything else is a text.

    Exit status: 0 (also if nothing is found), 2 bad input.
    """
    from clapometer.search import open_index

    is_sound = _is_sound(query)
    if not is_sound and not query.strip():
        raise BadText("the text is empty; describe the sound in words")
    _check_page(page)
    if audio_root is not None and not audio_root.is_dir():
        raise BadOption(f"--audio-root {audio_root}: no such folder")
    index = open_index(folder)
    clap = load_model(replace(options, model=model or index.record["model"]["asked_for"]))
    with store_for(None, cache=options.cache, log=console.say) as store:
        if is_sound:
            vector = index.sound_vector(clap, query, store=store)
        else:
            vector = index.text_vector(clap, query, store=store)
            if clap.is_truncated(query):
                console.note("the text is longer than the model's input and is truncated", quiet=quiet)
    found = index.search(vector, count=count, min_score=min_score)
    root = audio_root or index.root
    _print(index, query, found, root, json)
    if page is not None:
        from clapometer.search.page import write_search_page

        if silent := write_search_page(index, query, is_sound, found, root, page):
            console.note(
                f"{silent} of {len(found)} results have no player, as their sounds are not below {root}; name their "
                "folder by --audio-root",
                quiet=quiet,
            )
        console.note(f"wrote {page}", quiet=quiet)


def _is_sound(query: str) -> bool:
    """Whether a query is a sound.

    Raises:
        BadAudio: it has the extension of a sound file, and there is no such file.
    """
    from clapometer.audio.files import AUDIO_EXTENSIONS

    try:
        exists = Path(query).is_file()
    except (OSError, ValueError):  # too long for a file name, or with a character that no file name can hold
        exists = False
    if not exists and Path(query).suffix.lower() in AUDIO_EXTENSIONS and " " not in query.strip():
        raise BadAudio(f"{query}: no such file; check the name")
    return exists


def _check_page(page: Path | None) -> None:
    if page is None:
        return
    if page.suffix.lower() not in (".html", ".htm"):
        raise BadOption(f"--page {page}: the name must end in .html")
    if not page.absolute().parent.is_dir():
        raise BadOption(f"--page {page}: there is no folder {page.absolute().parent}; make it first")


def _print(index: SoundIndex, query: str, found: list[SearchResult], root: Path, json: bool) -> None:
    if json:
        rows = [{"rank": rank, **asdict(one), "path": str(root / one.audio)} for rank, one in enumerate(found, 1)]
        for row in rows:
            row.update(score=round(row["score"], 6), cosine=round(row["cosine"], 6))
            row.update(audio=_shown(row["audio"]), path=_shown(row["path"]))
        about = {"query": query, "index": str(index.folder), "model": index.record["model"]["name"]}
        console.print_json({**about, "sounds": len(index), "root": str(root), "found": rows})
        return
    if not found:
        print(f"none of {len(index)} sounds has such a score")
        return
    lines = [(rank, f"{one.score:.6f}", _shown(one.audio)) for rank, one in enumerate(found, 1)]
    console.print_table(("", "score", "sound"), lines, right=("", "score"), wrap=("sound",))


def _shown(path: str) -> str:
    """A printable path: bytes that are not UTF-8 are replaced."""
    return path.encode("utf-8", "replace").decode()
