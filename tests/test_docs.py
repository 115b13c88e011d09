"""What README and the docs tell users to type works as it stands there."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import checkpoints
from helpers.speech import lay_emodb

from clapometer.cli import main
from clapometer.models.registry import EMBEDDED

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"```(sh|python)\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)\)")

pytestmark = pytest.mark.skipif(not (EMBEDDED / "mini").is_dir(), reason="the embedded model is not there: make mini")


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def status() -> object:
    try:
        main()
    except SystemExit as ended:
        return ended.code or 0
    return 0


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the sounds and tables that the pages speak of."""
    sys.path.insert(0, str(ROOT / "demo"))
    try:
        import sounds
    finally:
        sys.path.remove(str(ROOT / "demo"))
    described = {"siren": "a siren is wailing", "rain": "rain is falling", "clock": "a clock is ticking"}
    described |= {"bell": "a church bell is ringing"}
    (tmp_path / "clips").mkdir()
    for name in described:
        for folder in (tmp_path, tmp_path / "clips"):
            soundfile.write(folder / f"{name}.wav", sounds.make(name)[: 2 * sounds.RATE], sounds.RATE)
        soundfile.write(tmp_path / f"held-out-{name}.wav", sounds.make(name)[-2 * sounds.RATE :], sounds.RATE)

    def table(name: str, column: str, rows: dict[str, str]) -> None:
        lines = [f"audio,{column}", *(f"{sound}.wav,{value}" for sound, value in rows.items())]
        (tmp_path / name).write_text("\n".join(lines) + "\n")

    table("captions.csv", "text", described)
    labels = {name: name.replace("bell", "church bell") for name in described}
    table("val.csv", "label", {f"held-out-{name}": label for name, label in labels.items()})
    table("labelled.csv", "label", labels)
    chance = np.random.default_rng(0)
    for number in range(106):
        pitch = chance.uniform(200, 4000)
        tone = 0.1 * np.sin(2 * np.pi * pitch * np.arange(sounds.RATE // 4) / sounds.RATE)
        soundfile.write(tmp_path / f"{number}.wav", tone, sounds.RATE)
        described[str(number)] = f"tone {number} is {'high' if pitch > 2000 else 'low'}"
    table("pairs.csv", "text", described)
    rated = [
        f"{name}.wav,{text},L{listener},{place % 8 + listener},0,10"
        for place, (name, text) in enumerate(described.items())
        for listener in range(3)
    ]
    lines = ["audio,text,listener,rating,scale_min,scale_max", *rated]
    (tmp_path / "ratings.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "labels.txt").write_text("\n".join(labels.values()) + "\n")
    lay_emodb(tmp_path)
    checkpoints.write(tmp_path / "models" / "paraclap", "paraclap")
    monkeypatch.chdir(tmp_path)
    return tmp_path


QUICK = ("classification.md", "models.md", "ratings.md", "scoring.md")
"""Pages whose blocks take seconds; README's commands from ratings to a report have a quick test, too."""
MARKED = [pytest.param(page, marks=[pytest.mark.slow] * (page.name not in QUICK), id=page.name) for page in PAGES]


@pytest.mark.parametrize("page", MARKED)
def test_commands(page: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if not words:
                continue
            assert words[0] == "clapometer", line
            monkeypatch.setattr(sys, "argv", words)
            assert status() == 0, line


def test_the_four_commands_of_the_readme_claim_no_gain_on_shuffled_ratings(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start, metric = blocks(ROOT / "README.md", "sh")[:2]
    chance = np.random.default_rng(1)
    header, *rows = (place / "ratings.csv").read_text().splitlines()
    ratings = chance.permutation([row.split(",")[3] for row in rows[::3]])
    shuffled = [row.split(",") for row in rows]
    for number, cells in enumerate(shuffled):
        cells[3] = ratings[number // 3]
    (place / "ratings.csv").write_text("\n".join([header, *map(",".join, shuffled)]) + "\n")
    lines = [line for line in start.splitlines() if line.startswith("clapometer score pairs.csv")]
    lines += metric.splitlines()
    assert [line.split()[1] for line in lines] == ["score", "ratings", "finetune", "score", "evaluate"]
    for line in lines:
        monkeypatch.setattr(sys, "argv", shlex.split(line, comments=True))
        capsys.readouterr()
        assert status() == 0, line
    found = capsys.readouterr()
    assert "agrees better than" not in found.out.replace("scores agrees better than tuned", "")
    assert "training or validation data of the model of tuned" in found.err


@pytest.mark.parametrize("page", MARKED)
def test_python(page: Path, place: Path) -> None:
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
