"""Sounds in a folder: which names are taken for sounds, all of them below a folder, and those that a table names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from clapometer.errors import BadAudio

# Some of these cannot be read here; then their rows say so, rather than that they are left out unseen.
_SOUNDS = "aif aifc aiff au caf flac m4a mp3 oga ogg opus rf64 w64 wav wave wma"
SOUND_ENDINGS = frozenset(f".{name}" for name in _SOUNDS.split())
"""Endings of the names that are taken for sounds in a folder."""


def sounds_below(folder: Path) -> list[Path]:
    """The sounds in a folder and in all that is below it, in the order of the paths; hidden files are left out.

    Raises:
        BadAudio: there are none.
    """
    found = sorted(path for path in _below(folder) if path.suffix.lower() in SOUND_ENDINGS)
    if not found:
        known = ", ".join(sorted(SOUND_ENDINGS))
        raise BadAudio(f"{folder}: the folder holds no sounds, that is no files whose names end in {known}")
    return found


def within(folder: str | os.PathLike[str], name: str) -> str:
    """The path of a sound that a table names.

    Args:
        folder: where relative paths begin.
        name: as the table has it. A path that begins with a stroke and leads nowhere is meant within the folder, if it
            leads to a file there: RELATE has its paths so.
    """
    path = os.path.join(folder, name)  # noqa: PTH118 - a million times
    if name[:1] in ("/", "\\") and not os.path.isfile(path):  # noqa: PTH113
        inside = os.path.join(folder, name.lstrip("/\\"))  # noqa: PTH118
        return inside if os.path.isfile(inside) else path  # noqa: PTH113
    return path


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent) / name for name in files if not name.startswith("."))
