from __future__ import annotations

import json

import pytest

from clapometer.calibration import FILE, Calibration, read_calibration, write_calibration
from clapometer.errors import CheckpointError
from clapometer.stats.isotonic import MonotoneMap

ONE = Calibration(
    MonotoneMap((-0.1, 0.2, 0.5), (0.0, 4.0, 9.5)),
    (0.0, 10.0),
    "abc",
    "seconds=5",
    "REL.csv",
    "def",
    ("train",),
    99,
    0.2,
    0.1,
)


def test_what_is_written_is_read(tmp_path):
    assert write_calibration(ONE, tmp_path) == tmp_path / FILE
    assert read_calibration(tmp_path) == ONE


def test_a_folder_without_one(tmp_path):
    assert read_calibration(tmp_path) is None
    assert read_calibration(tmp_path / "none") is None


def test_ratings_lie_between_the_knots():
    assert [ONE.rating(cosine) for cosine in (-1, -0.1, 0.05, 0.2, 2)] == pytest.approx([0, 0, 2, 4, 9.5])


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2}, {"mapping": {"x": [1, 0], "y": [0, 1]}}, {"mapping": {}}, {"scale": [10, 0]}, {"scale": None},
        {"more": 1}, {"splits": 3},
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused(change, tmp_path):
    write_calibration(ONE, tmp_path)
    values = json.loads((tmp_path / FILE).read_text(encoding="utf-8"))
    (tmp_path / FILE).write_text(json.dumps({**values, **change}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="is not a calibration that can be read"):
        read_calibration(tmp_path)


def test_a_file_that_is_no_json(tmp_path):
    (tmp_path / FILE).write_text("[", encoding="utf-8")
    with pytest.raises(CheckpointError, match="remove it, or write it again"):
        read_calibration(tmp_path)
