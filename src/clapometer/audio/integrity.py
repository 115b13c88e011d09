"""Detect truncated audio files, which decoders read silently up to the cut."""

from __future__ import annotations

import struct
from pathlib import Path

OGG_PAGE = b"OggS\0"
OGG_LAST_PAGE = 4
OPEN_ENDED = (range(0x7FFF0000, 0x80000000), range(0xFFFF0000, 0x100000000))
"""Lengths that programs write to a pipe while the length is still unknown: close to the largest number."""


def truncation_reason(path: Path, kind: str, seconds: float) -> str:
    """Why a file is known to be truncated; empty if nothing indicates it.

    Args:
        path: the file.
        kind: libsndfile's name of its format. WAV, RF64 and OGG are inspected; the FLAC decoder detects truncation, and
            the length in the header of an mp3 is compared with what was decoded.
        seconds: decoded length, for the message.
    """
    if kind == "OGG":
        return _ogg(path)
    if kind in ("WAV", "WAVEX", "RF64"):
        return _wav(path, seconds)
    return ""


def _ogg(path: Path) -> str:
    # RFC 3533: the last page of a stream has a flag, and each page contains its length.
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 2 * 65307))
        end = file.read()
    start = end.rfind(OGG_PAGE)
    while (
        start >= 0 and end[start + 5 : start + 6] > b"\7"
    ):  # not a page header: the magic bytes occur in a page by chance
        start = end.rfind(OGG_PAGE, 0, start)
    page = end[start:] if start >= 0 else b""
    if len(page) < 27 or len(page) < 27 + page[26]:
        return "its last page is incomplete"
    body = 27 + page[26] + sum(page[27 : 27 + page[26]])
    if len(page) < body:
        return "its last page is incomplete"
    return "" if page[5] & OGG_LAST_PAGE else "the page that ends an ogg stream is missing"


def _wav(path: Path, seconds: float) -> str:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        order = ">" if file.read(12).startswith(b"RIFX") else "<"
        long_length = None
        while len(header := file.read(8)) == 8:
            name, length = struct.unpack(f"{order}4sI", header)
            if name == b"ds64":  # RF64: lengths beyond 4 GB are stored here
                long_length = struct.unpack("<8xQ", file.read(16))[0]
                length -= 16
            if name == b"data":
                left = size - file.tell()
                promised = long_length if long_length is not None and length == 0xFFFFFFFF else length
                if promised <= left or any(promised in lengths for lengths in OPEN_ENDED):
                    return ""
                return f"its header promises {promised} bytes of audio, {left} are present: {seconds:.2f} s"
            file.seek(length + length % 2, 1)
    return ""
