"""VoxLingua107, its ten most frequent languages (Valk and Alumaee 2021), as HEAR cut it out."""

from __future__ import annotations

from clapometer.benchmark.tasks.hear_layout import WHERE, hear_layout
from clapometer.benchmark.tasks.task import Folder, Task, Template

LANGUAGES = {
    "ar": "Arabic", "az": "Azerbaijani", "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan",
    "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian",
    "fa": "Persian", "fi": "Finnish", "fr": "French", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian",
    "hy": "Armenian", "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh",
    "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian", "mn": "Mongolian", "nl": "Dutch",
    "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak",
    "sl": "Slovenian", "sr": "Serbian", "sv": "Swedish", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian",
    "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
"""What the labels of two letters mean, those of the ten among them; another one is written as it is."""


def _listed(folder: Folder) -> tuple[str, ...]:
    return tuple(row["label"] for row in folder.rows("labelvocabulary.csv", ["idx", "label"]))


VOX_LINGUA = Task(
    name="vox-lingua",
    title="VoxLingua107, ten languages",
    domain="languages",
    metric="accuracy",
    labels=(),
    listed=_listed,
    words=LANGUAGES,
    templates=(
        Template("a person speaking {}", "clapometer"),
        Template("this person is speaking in {}", "clapometer, after Microsoft's template of emotions"),
    ),
    counts={"clips": 972, "classes": 10, "folds": 5},
    protocol="the 5 folds of HEAR",
    layouts=(hear_layout("vox_lingua_top10-hear2021-full"),),
    folders=("vox_lingua_top10-hear2021-full",),
    where=WHERE,
    licence="CC BY 4.0 (the collection; the speech is of YouTube's authors)",
)
