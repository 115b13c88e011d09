"""Audio files: which names are audio, all of them below a folder, the path that a table names, and content hashes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from clapometer.audio.reading import check_file
from clapometer.errors import BadAudio, BadOption

# Some of these cannot be decoded here; their rows then say so, instead of being left out silently.
_EXTENSIONS = "aif aifc aiff au caf flac m4a mp3 oga ogg opus rf64 w64 wav wave wma"
AUDIO_EXTENSIONS = frozenset(f".{name}" for name in _EXTENSIONS.split())
"""Extensions of the files that are taken for audio in a folder."""


@dataclass(frozen=True)
class Content:
    """The content of a file."""

    digest: bytes
    """SHA-256."""
    size: int
    """In bytes."""


def audio_files_below(folder: Path) -> list[Path]:
    """The audio files in a folder and its subfolders, sorted by path; hidden files are left out.

    Raises:
        BadAudio: there are none.
    """
    found = sorted(path for path in _below(folder) if path.suffix.lower() in AUDIO_EXTENSIONS)
    if not found:
        known = ", ".join(sorted(AUDIO_EXTENSIONS))
        raise BadAudio(f"{folder}: the folder contains no audio files, that is no files named {known}")
    return found


def resolve_audio_path(folder: str | os.PathLike[str], name: str) -> str:
    """The path of an audio file that a table names.

    Args:
        folder: where relative paths begin.
        name: as in the table. A path with a leading slash that does not exist is taken as relative to the folder if it
            exists there: RELATE writes its paths like this.
    """
    path = os.path.join(folder, name)  # noqa: PTH118 - a million times
    if name[:1] in ("/", "\\") and not os.path.isfile(path):  # noqa: PTH113
        inside = os.path.join(folder, name.lstrip("/\\"))  # noqa: PTH118
        return inside if os.path.isfile(inside) else path  # noqa: PTH113
    return path


def check_audio_root(folder: str | os.PathLike[str] | None) -> None:
    """Refuse a folder of audio that does not exist.

    Raises:
        BadOption: it does not.
    """
    if folder is not None and not os.path.isdir(folder):  # noqa: PTH112
        raise BadOption(f"--audio-root {folder}: no such folder")


def check_files(paths: Iterable[str]) -> dict[str, str]:
    """What is wrong with audio files as far as it shows without decoding, by path: missing, empty, a folder."""
    problems: dict[str, str] = {}
    for path in dict.fromkeys(paths):
        try:
            check_file(path)
        except BadAudio as error:
            problems[path] = str(error)
    return problems


def content_of(path: str) -> Content | str:
    """The content hash of an audio file, or why it cannot be read, without its name, which may be one of several."""
    try:
        check_file(path)
        with Path(path).open("rb") as file:
            return Content(hashlib.file_digest(file, "sha256").digest(), file.tell())
    except BadAudio as error:
        return without_name(path, str(error))
    except (OSError, ValueError) as error:  # ValueError: characters that no file name can hold
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"


def without_name(path: str, message: str) -> str:
    """A message about a file without the name at its start: the same content may have several names."""
    return message.removeprefix(f"{Path(path)}: ").removeprefix(f"{path}: ")


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent) / name for name in files if not name.startswith("."))
