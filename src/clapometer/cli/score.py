"""`clapometer score`: one sound against texts, or a table of pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from clapometer.cli import console
from clapometer.cli.engine import (
    MINI,
    MINI_IS_SMALL,
    BatchOption,
    CacheOption,
    DeviceOption,
    Engine,
    EngineOption,
    JsonOption,
    ModelOption,
    PrecisionOption,
    QuietOption,
    WindowOption,
    WorkersOption,
)
from clapometer.errors import BadAudio, BadInput, BadOption, BadText
from clapometer.tables import Format
from clapometer.types import TORCH, Score

TABLES = tuple(f".{name}" for name in get_args(Format))
What = Annotated[str, typer.Argument(metavar="SOUND | TABLE", help=f"A sound file, or a table ({', '.join(TABLES)}).")]
Texts = Annotated[
    list[str] | None, typer.Argument(metavar="[TEXT]...", help="Texts for the sound.", show_default=False)
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="TABLE", help="Write the table with its scores, and a .json file beside it that says "
        "how they came about.",
    ),
]  # fmt: skip
Root = Annotated[
    Path | None,
    typer.Option(
        "--audio-root", metavar="FOLDER", help="Where relative paths of a table begin; default: its own folder."
    ),
]


def score(
    what: What,
    texts: Texts = None,
    model: ModelOption = MINI,
    output: Output = None,
    audio_root: Root = None,
    batch_size: BatchOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "fp32",
    engine: EngineOption = TORCH,
    workers: WorkersOption = None,
    window: WindowOption = "",
    cache: CacheOption = True,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Score how well a sound matches a text.

    A sound and a text: prints the score. Several texts: prints a ranked list.

    A table with the columns audio and text: adds score, cosine and error, and,
    where the model is calibrated, rating: what listeners would say.

    The score is max(cosine, 0), from 0 to 1. Rows that cannot be scored keep
    their error and do not stop the others. A run that was stopped goes on.

    Exit status: 0 all scored, 1 some rows failed, 2 bad input.
    """
    runs = Engine(model, device, precision, batch_size, workers, window, cache, quiet, engine)
    if Path(what).suffix.lower() in TABLES:
        if texts:
            raise BadOption(f"{what} is a table and takes its texts from its column `text`; leave {texts[0]!r} out")
        from clapometer.cli.score_table import score_table

        failed = score_table(runs, Path(what), output, audio_root, json)
        raise typer.Exit(1 if failed else 0)
    if output is not None or audio_root is not None:
        raise BadOption("--output and --audio-root belong to a table; a single sound is answered in the terminal")
    _score_sound(runs, what, texts or [], json)


def _score_sound(engine: Engine, sound: str, texts: list[str], json: bool) -> None:
    from clapometer.audio.files import check_files
    from clapometer.scoring.pairs import score_pairs

    for problem in check_files([sound]).values():
        raise BadAudio(problem)
    if not texts:
        known = ", ".join(TABLES)
        raise BadInput(f'{sound}: give a text too, such as "a dog barks", or a table whose name ends in {known}')
    if not all(text.strip() for text in texts):
        raise BadText("a text is empty; describe the sound in words")
    clap = engine.load()
    store = engine.store(None)
    scored = score_pairs(
        clap,
        [(sound, text) for text in texts],
        window=engine.window_of(clap),
        batch_size=engine.batch_size,
        workers=engine.workers,
        store=store,
        calibration=engine.calibration(clap),
    )
    if store is not None:
        store.close()
    for result in scored.scores:
        if result.error:
            raise BadInput(result.error)
    for text in scored.cut:
        engine.note(f"note: the model reads only the beginning of {text[:60]!r}...")
    if clap.card.name == MINI:
        engine.note(f"note: {MINI_IS_SMALL}")
    ranked = sorted(scored.scores, key=lambda result: -(result.cosine or 0.0))
    _print(sound, clap.card.name, ranked, json)


def _print(sound: str, model: str, ranked: list[Score], json: bool) -> None:
    from clapometer.cli.layout import print_table
    from clapometer.cli.score_report import rounded

    if json:
        figures: list[dict[str, Any]] = [
            {"text": result.text, "score": rounded(result.score), "cosine": rounded(result.cosine)}
            | ({} if result.rating is None else {"rating": rounded(result.rating)})
            for result in ranked
        ]
        console.print_json({"audio": sound, "model": model, "scores": figures})
    elif len(ranked) == 1:
        print(f"{ranked[0].score:.6f}")
    else:
        rated = ranked[0].rating is not None
        numbers = ("score", "cosine", *(["rating"] if rated else []))
        rows = [(*(f"{getattr(result, name):.6f}" for name in numbers), result.text) for result in ranked]
        print_table((*numbers, "text"), rows, right=numbers, wrap=("text",))
