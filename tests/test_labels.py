import pytest

from clapometer.errors import BadOption, BadTable, BadText
from clapometer.labels import checked_labels, checked_templates, class_texts, read_labels, true_labels


def test_underscores_are_read_as_spaces():
    assert class_texts("door_wood_knock", ["the sound of {}"]) == ["the sound of door wood knock"]


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (["dog", " "], BadText, "label 2 of 2 is empty"),
        (["car_horn", "dog", "Car  horn"], BadOption, "labels 1 .* and 3 .* read the same"),
        (["dog"], BadOption, "1 label given; .*two or more"),
        ([], BadOption, "0 labels given"),
        ("dog,cat", BadOption, "must be a list"),
    ],
)
def test_labels_that_cannot_be_used(labels, error, message):
    with pytest.raises(error, match=message):
        checked_labels(labels)


@pytest.mark.parametrize(("templates", "message"), [([], "no template"), (["a dog"], "no {} where the label goes")])
def test_templates_that_cannot_be_used(templates, message):
    with pytest.raises(BadOption, match=message):
        checked_templates(templates)


def test_labels_of_a_file_and_of_a_list(tmp_path):
    file = tmp_path / "labels.txt"
    file.write_bytes("\ufeffdog\r\n\n  a cat, purring \nBär\n".encode())
    assert read_labels(str(file)) == ("dog", "a cat, purring", "Bär")
    assert read_labels("dog, a cat") == ("dog", "a cat")


def test_label_files_that_cannot_be_read(tmp_path):
    with pytest.raises(BadOption, match=r"labels none\.txt: no such file, and not a list"):
        read_labels("none.txt")
    with pytest.raises(BadOption, match="is a folder"):
        read_labels(str(tmp_path))
    (tmp_path / "bad.txt").write_bytes(b"dog\nB\xe4r\n")
    with pytest.raises(BadText, match="line 2 is not UTF-8"):
        read_labels(str(tmp_path / "bad.txt"))
    (tmp_path / "twice.txt").write_text("dog\nDog\n", encoding="utf-8")
    with pytest.raises(BadOption, match=r"twice.txt: labels 1 \('dog'\) and 2 \('Dog'\) read the same"):
        read_labels(str(tmp_path / "twice.txt"))


def where(number):
    return f"t.csv line {number + 2}"


def test_true_labels_are_matched_whatever_their_spelling():
    column = ["Car_Horn", "dog ", "", "dog"]
    assert true_labels(column, ["car horn", "dog"], where=where) == ["car horn", "dog", None, "dog"]


def test_a_label_column_about_something_else_is_left_alone():
    assert true_labels(["speaker 1", "speaker 2"], ["dog", "cat"], where=where) is None
    assert true_labels(["", ""], ["dog", "cat"], where=where) is None


def test_true_labels_that_cannot_be_predicted_are_all_listed():
    with pytest.raises(
        BadTable, match=r"2 labels not .*'cow' \(2 rows, first t.csv line 3\); 'hen' \(1 row, first t.csv line 6\)"
    ):
        true_labels(["dog", "cow", "cow", "", "hen"], ["dog", "cat"], where=where)
