"""What a search found, as one page on which it can be heard."""

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
    from clapometer.search import Found, SoundIndex


def write_found(index: SoundIndex, query: str, is_sound: bool, found: Sequence[Found], root: Path, page: Path) -> None:
    """Write a page of results that needs no other file.

    Args:
        index: what was searched.
        query: the text, or the path of the sound.
        is_sound: which of the two.
        found: the results, the best first.
        root: the folder of the sounds; what is not there, or cannot be read, stands without a player.
        page: where to.

    Raises:
        BadOption: it cannot be written.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string(files("clapometer.search").joinpath("found.html.j2").read_text("utf-8"))
    widest = max((one.score for one in found), default=0.0)
    record = index.record
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
                "clip": _packed(root / one.audio),
            }
            for one in found
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


def _packed(path: Path) -> str:
    try:
        return inline_audio.packed(path)
    except (soundfile.LibsndfileError, OSError):
        return ""  # the row stands without a player, and says so
