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


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("class_labels_indices.csv", 'index,mid,display_name\n0,/m/0,"Siren"\n1,/m/1,"Dog, barking"\n'),
        ("labels.tsv", "id\tLabel\n3\tSiren\n1\tDog, barking\n"),
        ("plain.csv", "Siren\n"),
        ("labels.json", '["Siren", "Dog, barking"]'),
        ("numbers.json", '{\n"Dog, barking": 1,\n"Siren": 0\n}\n'),
        ("names.json", '{"0": "Siren", "1": "Dog, barking"}'),
        ("numbered.txt", "0\tSiren\n1\tDog, barking\n"),
        ("numbered.txt", "1 Siren\n2 Dog, barking\n"),
    ],
)
def test_labels_as_data_sets_publish_them(name, content, tmp_path):
    (tmp_path / name).write_text(content)
    if name == "plain.csv":
        (tmp_path / name).write_text("Siren\nRain\n")
        assert read_labels(str(tmp_path / name)) == ("Siren", "Rain")
    else:
        assert read_labels(str(tmp_path / name)) == ("Siren", "Dog, barking")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "index,mid\n0,/m/0\n", "no column display_name"),
        ("a.json", '{"siren": ', "not JSON"),
        ("a.json", '{"siren": "rain"}', "map labels to numbers"),
        ("a.json", "[1, 2]", "give a list of labels"),
        ("a.txt", "{\nsiren\n}\n", "'{' is not a label"),
        ("a.txt", "# classes\nsiren\nrain\n", "'# classes' is not a label"),
    ],
)
def test_label_files_are_read_or_refused(name, content, message, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(BadOption, match=message):
        read_labels(str(tmp_path / name))


def test_lists_of_labels_may_be_long_and_quoted():
    labels = [f"label number {number}" for number in range(50)]
    assert read_labels(",".join(labels)) == tuple(labels)
    assert read_labels('"dog, barking",rain') == ("dog, barking", "rain")
    assert read_labels("1 dog,2 cats") == ("1 dog", "2 cats")
