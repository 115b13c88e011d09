"""`clapometer example`: files on which the commands of README run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clapometer.benchmark.example import SYSTEMS, write_example
from clapometer.cli import main
from clapometer.errors import BadOption
from clapometer.ratings.reading import read_ratings
from clapometer.tables import read_table


def test_every_named_sound_exists_and_every_pair_is_rated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["clapometer", "example", str(tmp_path / "new")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    pairs = read_table(tmp_path / "new" / "pairs.csv")
    rated = read_ratings(tmp_path / "new" / "ratings.csv")
    assert set(zip(rated.pairs.audio, rated.pairs.text, strict=True)) == {
        (row["audio"], row["text"]) for row in pairs.rows
    }
    assert len(pairs.rows) == len(rated.pairs) >= 100
    assert not rated.problems
    for name in ("pairs", "captions", "val", "labelled"):
        table = read_table(tmp_path / "new" / f"{name}.csv", ("audio",))
        assert all((tmp_path / "new" / row["audio"]).is_file() for row in table.rows)


def test_it_is_the_same_again_and_rates_clean_above_broken(tmp_path: Path) -> None:
    write_example(tmp_path / "a")
    write_example(tmp_path / "b")
    for path in sorted((tmp_path / "a").rglob("*")):
        assert path.is_dir() or path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
    pairs = read_ratings(tmp_path / "a" / "ratings.csv").pairs
    means = [pairs.mean[pairs.system == name].mean() for name in SYSTEMS]
    assert means == sorted(means, reverse=True)


def test_files_of_the_user_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("mine")
    with pytest.raises(BadOption, match=r"pairs\.csv exists already"):
        write_example(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.csv"]
