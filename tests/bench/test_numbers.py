"""The numbers in prose are those of the JSON files that the benchmarks wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def numbers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "bench"), *sys.path])
    import numbers_in_prose

    return numbers_in_prose


def test_every_number_in_prose_is_that_of_its_source() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "bench" / "numbers_in_prose.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_number_that_differs_is_rewritten(numbers, tmp_path: Path) -> None:
    source = tmp_path / "found.json"
    source.write_text(json.dumps({"esc50": [{"accuracy": 0.8925, "clips": 1400}]}))
    values = (f"{source}:esc50.0.accuracy|.3f", f"{source}:esc50.0.clips|,d")
    sentence = numbers.Sentence(ROOT / "README.md", "accuracy {} of {} clips", values)
    assert numbers.rewritten("an accuracy 0.5\nof 12 clips.", sentence) == "an accuracy 0.892\nof 1,400 clips."


@pytest.mark.parametrize("page", ["nothing of it", "accuracy 0.5 and accuracy 0.6"])
def test_a_sentence_must_be_on_its_page_once(numbers, page: str) -> None:
    with pytest.raises(SystemExit, match="there must be one"):
        numbers.rewritten(page, numbers.Sentence(ROOT / "README.md", "accuracy {}", ("x.json:a|.3f",)))


def test_rows_of_a_marked_table_are_those_of_its_source(numbers, tmp_path: Path) -> None:
    source = tmp_path / "rows.json"
    source.write_text(json.dumps([["dog", "0.9"], {"label": "cat", "accuracy": 0.8}]))
    head = f"Before.\n\n<!-- table: {source} -->\n| label | accuracy |\n| --- | --- |\n"
    page = numbers.with_tables(f"{head}| dog | 0.1 |\n\nBehind.")
    assert page == f"{head}| dog | 0.9 |\n| cat | 0.8 |\n\nBehind."
