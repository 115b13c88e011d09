"""What a command is to listen to: sound files, folders of them, or one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from clapometer.audio.files import audio_files_below, resolve_audio_path
from clapometer.errors import BadAudio, BadOption
from clapometer.tables import Format, Table, read_table

TABLE_ENDINGS = tuple(f".{name}" for name in get_args(Format))


@dataclass(frozen=True)
class What:
    """The sounds of a command line as a table with an `audio` column."""

    table: Table
    root: Path | None
    """Where the table's relative paths begin; None where the sounds were named themselves."""

    @property
    def sounds(self) -> list[str]:
        """The file of each row."""
        names = self.table.texts("audio")
        if self.root is None:
            return names
        return [resolve_audio_path(self.root, name) for name in names]

    def where(self, number: int) -> str:
        """How to find row `number`, counted from 0."""
        return f"sound {number + 1}" if self.root is None else self.table.where(number)


def read_what(given: Sequence[str], audio_root: Path | None) -> What:
    """The one table that is named, or a table of the files and of the sounds in the folders that are.

    A folder is searched with all that is below it, in the order of the paths; hidden files are left out.

    Raises:
        BadTable: the table cannot be used.
        BadAudio: a file or folder is missing, or a folder holds no sounds.
        BadOption: a table beside other things, or an audio root that is no folder or beside no table.
    """
    tables = [Path(name) for name in given if Path(name).suffix.lower() in TABLE_ENDINGS and not Path(name).is_dir()]
    if tables and len(given) > 1:
        raise BadOption(f"{tables[0]} is a table and stands beside other arguments; give one table, or sounds")
    if tables:
        table = read_table(tables[0], required=("audio",))
        root = tables[0].parent if audio_root is None else audio_root
        if not root.is_dir():
            raise BadOption(f"--audio-root {root}: no such folder")
        return What(table, root)
    if audio_root is not None:
        raise BadOption("--audio-root belongs to a table; sounds and folders are found by their own paths")
    missing = [name for name in given if not Path(name).exists()]
    if missing:
        raise BadAudio(f"no such file or folder: {', '.join(missing)}; check the names")
    names = [name for argument in given for name in _sounds(argument)]
    rows = [{"audio": name} for name in names]
    return What(Table(Path(given[0]), "csv", ("audio",), rows, list(range(1, len(rows) + 1)), [""] * len(rows)), None)


def _sounds(given: str) -> Iterator[str]:
    folder = Path(given)
    if not folder.is_dir():
        yield given
        return
    yield from map(str, audio_files_below(folder))
