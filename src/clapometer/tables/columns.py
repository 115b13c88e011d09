"""What the columns of a table are called: the common names for each role, and which column has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from clapometer.errors import BadTable

_AUDIO = """
    file file_name filename file_path filepath path audio_path audio_file audio_filepath audio_filename wav wav_path
    wavname wav_file_name wave_file_name
"""
_LISTENER = """
    listener_id annotator annotator_id worker worker_id workerid participant participant_id rater rater_id subject
    subject_id assessor evaluator
"""
NAMES: Mapping[str, Sequence[str]] = {
    "audio": _AUDIO.split(),
    "text": ("caption", "captions", "prompt", "text_prompt"),
    "listener": _LISTENER.split(),
    "rating": ("mos", "opinion_score"),
}
"""Other names of roles that are recognised, in lower case with underscores."""


def plain(name: str) -> str:
    """The name of a column without regard to case, blanks and dashes: `File-Name ` is `file_name`."""
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def column_of(role: str, columns: Sequence[str], path: Path, remedy: str, more: Sequence[str] = ()) -> str:
    """The column that has a role; empty if none does.

    Args:
        role: such as `audio`; a column of this very name has it.
        columns: names of all columns.
        path: the table, for the message.
        remedy: what to do where several could have the role.
        more: further names that are recognised here.

    Raises:
        BadTable: several could have it.
    """
    if role in columns:
        return role
    known = (role, *NAMES.get(role, ()), *more)
    found = [name for name in columns if plain(name) in known]
    if len(found) > 1:
        shown = " and ".join(map(repr, found))
        raise BadTable(f"{path}: the columns {shown} could both be the {role}; {remedy.format(role, found[0])}")
    return found[0] if found else ""


def read_as(role: str, column: str) -> str:
    """The note on a column with another name than its role."""
    return f"the column {column!r} is read as {role}"
