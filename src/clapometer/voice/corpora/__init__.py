"""Published corpora of speech, read from the folders in which they come: who speaks, with what emotion, how strongly.

One file a corpus, with a `CORPUS` each. Nothing is downloaded, and no sound is opened.
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
    """The clips of a corpus.

    Args:
        name: one of `CORPORA`.
        folder: the corpus as it is unpacked, or a folder above it.

    Returns:
        Its clips, in the order of their paths, and the sounds whose names are not those of the corpus.

    Raises:
        BadOption: the name is not known, or the folder does not hold that corpus; the message says what is looked for.
    """
    if name not in CORPORA:
        raise BadOption(f"corpus {name!r} is not known; there are {', '.join(CORPORA)}")
    return CORPORA[name].read(Path(folder))
