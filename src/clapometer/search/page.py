"""Search results as one HTML page with audio players."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import soundfile

from clapometer._version import __version__
from clapometer.plots import inline_audio
from clapometer.tables import atomic_write

if TYPE_CHECKING:
    from clapometer.search import SearchResult, SoundIndex


def write_search_page(
    index: SoundIndex, query: str, is_sound: bool, found: Sequence[SearchResult], root: Path, page: Path
) -> int:
    """Write a self-contained HTML page of results.

    Args:
        index: the index that was searched.
        query: the text, or the path of the sound.
        is_sound: whether the query is a sound.
        found: the results, the best first.
        root: the folder of the sounds; a sound that is missing or unreadable has no player.
        page: the file to write.

    Returns:
        How many results have no player.

    Raises:
        BadOption: the page cannot be written.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string(files("clapometer.search").joinpath("page.html.j2").read_text("utf-8"))
    widest = max((one.score for one in found), default=0.0)
    record = index.record
    clips = [_packed(root / one.audio) for one in found]
    text = template.render(
        version=__version__,
        query=Path(query).name if is_sound else query,
        own=_packed(Path(query)) if is_sound else "",
        is_sound=is_sound,
        rows=[
            {
                "audio": one.audio,
                "score": f"{one.score:.3f}",
                "share": 100 * one.score / widest if widest else 0,
                "clip": clip,
            }
            for one, clip in zip(found, clips, strict=True)
        ],
        sounds=f"{len(index):,}",
        model=record["model"]["name"],
        weights=record["model"]["weights"],
        window=str(index.window),
        made=record["made"],
        longest=f"{inline_audio.LONGEST:g}",
    )
    with atomic_write(page) as file:
        file.write(text.encode("utf-8", "replace"))
    return clips.count("")


def _packed(path: Path) -> str:
    try:
        return inline_audio.packed(path)
    except (soundfile.LibsndfileError, OSError):
        return ""  # the row has no player, and says so
