"""Templates with their sources."""

from __future__ import annotations

from clapometer.benchmark.tasks.task import Template

MICROSOFT = Template("this is the sound of {}", "microsoft/CLAP, README, ESC-50")
LAION = Template("This is a sound of {}.", "LAION-AI/CLAP, README, ESC-50")
HEARD = Template("{} can be heard", "nttcslab/eval-audio-repr, zeroshot.py")
OWN = Template("the sound of {}", "clapometer classify")
SOUNDS = (LAION, MICROSOFT, HEARD, OWN)
"""For sounds that have names; the first is that of the published figures of LAION."""
SONG = Template("This audio is a {} song.", "LAION-AI/CLAP, README, GTZAN")
MUSIC_HEARD = Template("{} music can be heard", "nttcslab/eval-audio-repr, zeroshot.py, GTZAN")
BARE = Template("{}", "the words of the class alone")
