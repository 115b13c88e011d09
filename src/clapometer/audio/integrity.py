"""Is a sound file whole? Decoders read what is left of a file that was cut off and say nothing; we say it."""

from __future__ import annotations

import struct
from pathlib import Path

OGG_PAGE = b"OggS\0"
OGG_LAST_PAGE = 4
OPEN_ENDED = (range(0x7FFF0000, 0x80000000), range(0xFFFF0000, 0x100000000))
"""What programs that write to a pipe put for a length that they do not know yet: about the largest number."""


def why_cut_off(path: Path, kind: str, seconds: float) -> str:
    """Why the file is known to be incomplete; an empty text where nothing speaks for it.

    Args:
        path: the file.
        kind: libsndfile's name of its format. WAV, RF64 and OGG are looked into; FLAC's decoder notices by itself, and
            an mp3 that promises a length is held to it when it has been decoded.
        seconds: length that could be decoded, for the message.
    """
    if kind == "OGG":
        return _ogg(path)
    if kind in ("WAV", "WAVEX", "RF64"):
        return _wav(path, seconds)
    return ""


def _ogg(path: Path) -> str:
    # RFC 3533: the last page of a stream carries a flag, and each page says how long it is.
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 2 * 65307))
        end = file.read()
    start = end.rfind(OGG_PAGE)
    while (
        start >= 0 and end[start + 5 : start + 6] > b"\7"
    ):  # no flags of a page: the sign stands within one, by chance
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
            if name == b"ds64":  # RF64: lengths beyond 4 GB stand here
                long_length = struct.unpack("<8xQ", file.read(16))[0]
                length -= 16
            if name == b"data":
                left = size - file.tell()
                promised = long_length if long_length is not None and length == 0xFFFFFFFF else length
                if promised <= left or any(promised in lengths for lengths in OPEN_ENDED):
                    return ""
                return f"its header promises {promised} bytes of sound, {left} are there: {seconds:.2f} s"
            file.seek(length + length % 2, 1)
    return ""
