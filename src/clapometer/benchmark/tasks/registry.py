"""All tasks, by name."""

from __future__ import annotations

import difflib

from clapometer.benchmark.tasks.audiocaps import AUDIOCAPS
from clapometer.benchmark.tasks.beijing_opera import BEIJING_OPERA
from clapometer.benchmark.tasks.clotho import CLOTHO
from clapometer.benchmark.tasks.custom import OWN_CAPTIONS, OWN_CLASSES
from clapometer.benchmark.tasks.dcase2017_task4 import DCASE2017_TASK4
from clapometer.benchmark.tasks.esc50 import ESC10, ESC50
from clapometer.benchmark.tasks.fsd50k import FSD50K
from clapometer.benchmark.tasks.gtzan import GTZAN
from clapometer.benchmark.tasks.gtzan_music_speech import GTZAN_MUSIC_SPEECH
from clapometer.benchmark.tasks.libricount import LIBRICOUNT
from clapometer.benchmark.tasks.mridangam import MRIDANGAM_STROKE, MRIDANGAM_TONIC
from clapometer.benchmark.tasks.nsynth import NSYNTH
from clapometer.benchmark.tasks.ravdess import RAVDESS
from clapometer.benchmark.tasks.speech import CREMA_D, EMODB, FAU_AIBO_2, FAU_AIBO_5, IEMOCAP, TESS
from clapometer.benchmark.tasks.speech_commands import SPEECH_COMMANDS
from clapometer.benchmark.tasks.task import Task
from clapometer.benchmark.tasks.tut2017 import TUT2017
from clapometer.benchmark.tasks.urbansound8k import URBANSOUND8K
from clapometer.benchmark.tasks.vocalsound import VOCALSOUND
from clapometer.benchmark.tasks.vox_lingua import VOX_LINGUA
from clapometer.errors import BadOption

TASKS: tuple[Task, ...] = (
    ESC50, ESC10, URBANSOUND8K, FSD50K, DCASE2017_TASK4, TUT2017, GTZAN, GTZAN_MUSIC_SPEECH, MRIDANGAM_STROKE,
    MRIDANGAM_TONIC, BEIJING_OPERA, NSYNTH, VOCALSOUND, LIBRICOUNT, SPEECH_COMMANDS, VOX_LINGUA, RAVDESS, CREMA_D,
    EMODB, TESS, IEMOCAP, FAU_AIBO_2, FAU_AIBO_5, AUDIOCAPS, CLOTHO, OWN_CLASSES, OWN_CAPTIONS,
)  # fmt: skip


def find_task(name: str) -> Task:
    """The task of a name.

    Raises:
        BadOption: there is none.
    """
    for task in TASKS:
        if name.casefold() == task.name:
            return task
    near = difflib.get_close_matches(name.casefold(), [task.name for task in TASKS], n=2, cutoff=0.5)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    raise BadOption(f"no task is called {name!r}; {meant}`clapometer benchmark --list` shows all")
