import json

import pytest
from typer.testing import CliRunner

from clapometer.checkpoints import list_models, save
from clapometer.cli import app
from clapometer.errors import CheckpointError, UnknownModel
from clapometer.families import mini

run = CliRunner().invoke


@pytest.fixture
def tiny(tmp_path):
    save(mini.tiny(), tmp_path / "tiny")
    return tmp_path / "tiny"


def test_the_list_names_every_model_with_its_licence():
    done = run(app, ["models"])
    assert done.exit_code == 0
    for card in list_models():
        line = next(line for line in done.stdout.splitlines() if line.startswith(card.name))
        assert card.licence in line
        assert f"{card.sample_rate} Hz" in line
        assert "yes" in line or "no" in line
    assert "commands use mini" in done.stdout


def test_the_list_as_json():
    figures = json.loads(run(app, ["models", "--json"]).stdout)
    assert figures["default"] == "mini"
    assert [model["name"] for model in figures["models"]] == [card.name for card in list_models()]
    assert figures["models"][0]["window"]["seconds"] == 10.0
    assert isinstance(figures["models"][0]["here"], bool)


def test_a_card_of_a_known_model():
    done = run(app, ["models", "mini"])
    assert done.exit_code == 0
    assert "CC BY-NC 4.0 (weights)" in done.stdout
    assert "seconds=10" in done.stdout


def test_a_card_of_a_folder_with_its_text(tiny):
    (tiny / "CARD.md").write_text("# Tiny\n\nHears nothing well.\n", encoding="utf-8")
    done = run(app, ["models", str(tiny)])
    assert done.exit_code == 0
    assert done.stdout.startswith("name            tiny\n")
    assert done.stdout.endswith("# Tiny\n\nHears nothing well.\n")
    figures = json.loads(run(app, ["models", str(tiny), "--json"]).stdout)
    assert figures["here"] is True
    assert figures["card"].startswith("# Tiny")


def test_names_that_are_not_known():
    error = run(app, ["models", "minni"]).exception
    assert isinstance(error, UnknownModel)
    assert "did you mean mini?" in str(error)


def test_a_folder_or_file_that_is_no_model(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for path in (tmp_path, tmp_path / "file"):
        error = run(app, ["models", str(path)]).exception
        assert isinstance(error, CheckpointError)
        assert ("config.json is missing" if path == tmp_path else "not a checkpoint") in str(error)
