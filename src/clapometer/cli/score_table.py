"""A table of pairs to the same table with scores, a record of how they came about, and a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clapometer.audio.files import resolve_audio_path
from clapometer.calibration import Calibration
from clapometer.cli.engine import Engine
from clapometer.cli.rows import problems_of, tell
from clapometer.cli.score_report import ScoredTable, report, summary_figures, write
from clapometer.embedding.store import VectorStore, partial_store, remove_store
from clapometer.errors import BadOption
from clapometer.models.fingerprint import provenance
from clapometer.provenance import file_hash
from clapometer.scoring.pairs import ScoredPairs, score_pairs
from clapometer.seen import exclusion
from clapometer.similarity import FORMULA
from clapometer.tables import Table, check_output, read_table
from clapometer.types import Score

if TYPE_CHECKING:
    from clapometer.models.clap import Clap


def score_table(engine: Engine, path: Path, output: Path | None, audio_root: Path | None, json: bool) -> int:
    """Score a table; returns how many of its rows failed.

    Raises:
        BadInput: the table, an option or the place of the output cannot be used.
        CheckpointError: the model cannot be loaded.
    """
    if output is not None:
        check_output(output, path)
    table = read_table(path)
    root = path.parent if audio_root is None else audio_root
    if not root.is_dir():
        raise BadOption(f"--audio-root {root}: no such folder")
    sounds = [resolve_audio_path(root, name) for name in table.texts("audio")]
    problems = problems_of(table, sounds)
    tell(table.where, problems, "cannot be scored")
    clap = engine.load()
    good = [number for number, problem in enumerate(problems) if not problem]
    calibration = engine.calibration(clap)
    pairs = [(sounds[n], table.rows[n]["text"]) for n in good]
    scored, store = _scored(engine, clap, pairs, output, calibration)
    scores = _in_place(table, problems, good, scored.scores)
    late = ["" if known else score.error for known, score in zip(problems, scores, strict=True)]
    tell(table.where, late, "could not be read")
    result = ScoredTable(table, scores, _record(engine, clap, table, root, scores, scored, calibration))
    if store is not None:
        store.close()
    if output is not None:
        write(result, output)
        remove_store(partial_store(output))
    report(engine, result, output, json)
    return sum(1 for score in scores if score.error)


def _scored(
    engine: Engine,
    clap: Clap,
    pairs: Sequence[tuple[str, str]],
    output: Path | None,
    calibration: Calibration | None,
) -> tuple[ScoredPairs, VectorStore | None]:
    store = engine.store(output)
    scored = score_pairs(
        clap,
        pairs,
        window=engine.window_of(clap),
        batch_size=engine.batch_size,
        workers=engine.workers,
        store=store,
        progress=engine.progress,
        calibration=calibration,
    )
    if store is not None and store.ignored:
        engine.note(f"note: {store.path}: {store.ignored} stored vectors were damaged and are computed again")
    return scored, store


def _in_place(table: Table, problems: Sequence[str], good: Sequence[int], scored: Sequence[Score]) -> list[Score]:
    """One score a row, in the order of the table, with the names that stand there."""
    names = table.texts("audio"), table.texts("text")
    scores = [Score(name, text, None, None, why) for name, text, why in zip(*names, problems, strict=True)]
    for number, score in zip(good, scored, strict=True):
        scores[number] = replace(score, audio=scores[number].audio)
    return scores


def _record(
    engine: Engine,
    clap: Clap,
    table: Table,
    root: Path,
    scores: Sequence[Score],
    scored: ScoredPairs,
    calibration: Calibration | None,
) -> dict[str, Any]:
    """What the JSON file beside the output says."""
    batch_size = engine.batch_size or clap.default_batch_size
    failed = sum(1 for score in scores if score.error)
    cut = set(scored.cut)
    lines = [table.lines[number] for number, score in enumerate(scores) if not score.error and score.text in cut]
    return {
        "command": "score",
        **provenance(clap, model=engine.model, window=engine.window_of(clap), batch_size=batch_size),
        "formula": FORMULA,
        **({} if calibration is None else {"calibration": asdict(calibration)}),
        "input": {"file": str(table.path), "sha256": file_hash(table.path), "audio_root": str(root)},
        "counts": {
            "rows": len(scores),
            "scored": len(scores) - failed,
            "failed": failed,
            "sounds": asdict(scored.sounds),
            "texts": asdict(scored.texts),
        },
        "texts_cut": {
            "meaning": "the model reads only the beginning of these texts",
            "texts": len(scored.cut),
            "rows": len(lines),
            "lines": lines,
        },
        "seen": {
            **clap.seen.as_record(),
            "rows": dict(Counter(score.seen for score in scores if score.seen)),
            "excluded_by_evaluate": sum(1 for score in scores if exclusion(score.seen)),
        },
        "summary": summary_figures(table, scores),
    }
