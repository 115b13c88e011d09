"""Corpora of emotional speech as tasks, read by `clapometer.voice.corpora`: EmoDB, CREMA-D, TESS, IEMOCAP, FAU Aibo."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from clapometer.benchmark.tasks.dataset_folder import in_folds
from clapometer.benchmark.tasks.hear_layout import hear_layout
from clapometer.benchmark.tasks.papers import WORDS_NOT_GIVEN, microsoft_2022, paraclap
from clapometer.benchmark.tasks.prompts import BARE
from clapometer.benchmark.tasks.task import Clip, Folder, Layout, Published, Task, Template
from clapometer.voice.corpora import CORPORA
from clapometer.voice.corpora.corpus import WORDS, SpeechClip

FEELING = Template("this person is feeling {}", "KeiKinn/ParaCLAP, evaluate.py, for IEMOCAP")
VOICE = Template("a person speaks in a {} voice", "clapometer")
TALKING = Template("{} person talking", "nttcslab/eval-audio-repr, zeroshot.py, for CREMA-D")
TEMPLATES = (FEELING, VOICE, TALKING, BARE)
_EKMAN = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
_BY_SPEAKER = "no folds were published: five made here in which no speaker is twice"


def speech_layout(
    corpus: str,
    drawing: str,
    marks: tuple[str, ...],
    *,
    folds: int = 0,
    fold: Callable[[SpeechClip], str] = lambda clip: clip.speaker,
    labels: Mapping[str, str] | None = None,
) -> Layout:
    """The layout of a corpus.

    Args:
        corpus: its name in `clapometer.voice.corpora`.
        drawing: what its folder looks like.
        marks: by what it is recognised.
        folds: how many to deal the speakers into; 0: each clip's is what `fold` says, or its published part.
        fold: the name of a clip's fold.
        labels: emotions that count as others; with it, those that are not here are left out.
    """

    def read(folder: Folder) -> list[Clip]:
        found = [clip for clip in CORPORA[corpus].read(folder.root).clips if labels is None or clip.emotion in labels]
        clips = [
            Clip(
                clip.audio,
                ((labels or {}).get(clip.emotion, clip.emotion),),
                fold="" if clip.split or folds else fold(clip),
                split=clip.split,
                group=clip.speaker,
            )
            for clip in found
        ]
        return in_folds(clips, folds, group=[clip.speaker for clip in found]) if folds else clips

    return Layout("the published folder", drawing, marks, read)


def _words(labels: tuple[str, ...]) -> dict[str, str]:
    return {label: WORDS.get(label, label) for label in labels}


_BERLIN = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness")
EMODB = Task(
    name="emodb",
    title="EmoDB",
    domain="emotions",
    metric="uar",
    labels=_BERLIN,
    words=_words(_BERLIN),
    templates=TEMPLATES,
    counts={"clips": 535, "classes": 7, "folds": 10},
    protocol="zero-shot on all speakers; supervised with one of the ten left out at a time",
    layouts=(speech_layout("emodb", "\nemodb/\n  wav/03a01Fa.wav\n", ("wav",)),),
    folders=("emodb", "EmoDB"),
    where="http://emodb.bilderbar.info/download/",
    licence="free for research",
)

_M2D = "nttcslab/m2d, clap/image_Table5_CLAP_ZS.png"
_CODES = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happiness", "NEU": "neutral", "SAD": "sadness"}
CREMA_D = Task(
    name="crema-d",
    title="CREMA-D",
    domain="emotions",
    metric="uar",
    labels=_EKMAN,
    words=_words(_EKMAN),
    templates=TEMPLATES,
    counts={"clips": 7442, "classes": 6, "folds": 5},
    protocol="no folds were published: those of HEAR where that folder is given (actors are in several of them), else "
    "five made here in which no actor is twice",
    layouts=(
        speech_layout("crema-d", "\nCREMA-D/\n  AudioWAV/1001_DFA_ANG_XX.wav\n", ("AudioWAV",), folds=5),
        hear_layout("tfds_crema_d-1.0.0-full", _CODES, group=lambda name: name.partition("_")[0]),
    ),
    folders=("CREMA-D", "crema-d", "crema_d", "tfds_crema_d-1.0.0-full"),
    where="https://github.com/CheyneyComputerScience/CREMA-D",
    licence="ODbL 1.0",
    published=(
        Published("msclap-2022", 0.2276, _M2D, "primary", figure="accuracy", note="prompts of whole sentences"),
        Published("msclap-2023", 0.300, _M2D, "primary", figure="accuracy"),
        Published("laion", 0.2308, _M2D, "primary", figure="accuracy", note="prompts of whole sentences"),
        Published("Pengi", 0.1846, _M2D, "primary", figure="accuracy"),
        Published("paraclap", 0.298, "wizwand", "secondary", figure="accuracy", note="from a later paper"),
        *microsoft_2022(
            0.1784, 0.2830, 0.6834, prompt="this person is feeling {}", figure="accuracy", note=WORDS_NOT_GIVEN
        ),
        paraclap(0.177),
    ),
)

_TORONTO = (*_EKMAN, "surprise")
TESS = Task(
    name="tess",
    title="TESS",
    domain="emotions",
    metric="uar",
    labels=_TORONTO,
    words={**_words(_TORONTO), "surprise": "pleasantly surprised"},
    templates=TEMPLATES,
    counts={"clips": 2800, "classes": 7, "folds": 2},
    protocol="zero-shot on both speakers; supervised on one, tested on the other",
    layouts=(speech_layout("tess", "\nTESS/\n  OAF_angry/OAF_back_angry.wav\n", ("*AF_*/*AF_*_*.wav",)),),
    folders=("TESS", "tess", "TESS Toronto emotional speech set data"),
    where="https://doi.org/10.5683/SP2/E8H2MF",
    licence="CC BY-NC-ND 4.0",
    published=(paraclap(0.170),),
)

_CLSP = "CLSP (arXiv 2601.03065), its table of emotions"
_FOUR = ("anger", "happiness", "neutral", "sadness")
_MERGED = {**{label: label for label in _FOUR}, "excitement": "happiness"}
IEMOCAP = Task(
    name="iemocap",
    title="IEMOCAP, four emotions",
    domain="emotions",
    metric="uar",
    labels=_FOUR,
    words=_words(_FOUR),
    templates=TEMPLATES,
    counts={"clips": 5531, "classes": 4, "folds": 5},
    protocol="anger, happiness with excitement, neutral, sadness; the five sessions are the folds",
    layouts=(
        speech_layout(
            "iemocap",
            "\nIEMOCAP_full_release/\n  Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav\n"
            "  Session1/dialog/EmoEvaluation/Ses01F_impro01.txt\n",
            ("Session1",),
            fold=lambda clip: str(int(clip.speaker[3:5])),
            labels=_MERGED,
        ),
    ),
    folders=("IEMOCAP_full_release", "IEMOCAP", "iemocap"),
    where="https://sail.usc.edu/iemocap/",
    licence="on request, research only",
    published=(
        paraclap(0.600),
        Published("paraclap", 0.465, _CLSP, "secondary", note="far from SmoothCLAP's figure: other words or protocol"),
        Published("CLSP", 0.561, _CLSP, "secondary", note="another model of speech and text"),
    ),
)


def _aibo(classes: int, labels: tuple[str, ...], words: Mapping[str, str], published: tuple[Published, ...]) -> Task:
    truth = f"labels/IS2009EmotionChallenge/chunk_labels_{classes}cl_corpus.txt"
    return Task(
        name=f"fau-aibo-{classes}cl",
        title=f"FAU Aibo, {classes} classes",
        domain="emotions",
        metric="uar",
        labels=labels,
        words=words,
        templates=TEMPLATES,
        counts={"clips": 18216, "classes": classes, "train": 9959, "test": 8257},
        protocol="trained on the children of one school, Ohm, tested on those of the other, Mont",
        layouts=(
            speech_layout(f"fau-aibo-{classes}cl", f"\nAibo/\n  wav/Mont_01_000_00.wav\n  {truth}\n", (truth, "wav")),
        ),
        folders=("Aibo", "FAU_Aibo", "fau_aibo"),
        where="https://www5.cs.fau.de/en/our-team/steidl-stefan/fau-aibo-emotion-corpus/",
        licence="on request, research only",
        published=published,
    )


FAU_AIBO_2 = _aibo(
    2,
    ("negative", "non-negative"),
    {"negative": "negative", "non-negative": "not negative"},
    (paraclap(0.526),),
)
_FIVE = ("anger", "emphatic", "neutral", "motherese", "rest")
_FIVE_WORDS = {
    "anger": "angry",
    "emphatic": "emphatic",
    "neutral": "neutral",
    "motherese": "joyful, as a mother who speaks to her child",
    "rest": "something else",
}
FAU_AIBO_5 = _aibo(5, _FIVE, _FIVE_WORDS, (paraclap(0.197),))
