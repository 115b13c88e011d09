"""Published speech corpora, read from their folders: speaker, emotion, intensity.

One file per corpus. Nothing is downloaded, and no sound is opened.
"""

from __future__ import annotations

import os
from pathlib import Path

from clapometer.errors import BadOption
from clapometer.voice.corpora import crema_d, emodb, fau_aibo, iemocap, ravdess, tess
from clapometer.voice.corpora.corpus import Corpus, SpeechClip, SpeechTable, write_corpus

__all__ = ["CORPORA", "Corpus", "SpeechClip", "SpeechTable", "read_corpus", "write_corpus"]

CORPORA: dict[str, Corpus] = {
    corpus.name: corpus
    for corpus in (
        emodb.CORPUS,
        ravdess.CORPUS,
        crema_d.CORPUS,
        tess.CORPUS,
        iemocap.CORPUS,
        fau_aibo.TWO_CLASSES,
        fau_aibo.FIVE_CLASSES,
    )
}


def read_corpus(name: str, folder: str | os.PathLike[str]) -> SpeechTable:
    """Read the clips of a corpus.

    Args:
        name: one of `CORPORA`.
        folder: the unpacked corpus, or a folder that contains it.

    Returns:
        Its clips, sorted by path, and the sounds whose names do not match the corpus.

    Raises:
        BadOption: the name is unknown, or the folder does not hold that corpus; the message shows the expected names.
    """
    if name not in CORPORA:
        raise BadOption(f"unknown corpus {name!r}; choose one of {', '.join(CORPORA)}")
    return CORPORA[name].read(Path(folder))
