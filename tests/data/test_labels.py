"""StyleGAN's dataset.json, in folders and zips."""

import json
import zipfile

import pytest

from steadygan.data import DataSettings, open_data
from steadygan.data.build.folder import build_folder
from steadygan.data.labels import parse_labels
from steadygan.data.tally import Tally
from steadygan.errors import UserError


@pytest.fixture(autouse=True)
def images_of_any_size(monkeypatch):
    """The pictures of these tests are tiny: what is said of their size is tested elsewhere."""
    monkeypatch.setattr(Tally, "enlarged", lambda self, size: "")


LABELS = [[f"0000{shard}/img{number}.png", 10 if number < 4 else 2]
          for shard in range(2) for number in range(8)]  # fmt: skip


@pytest.fixture
def shards(paint):
    """16 images of value 10 * shard + number in two shards; with_labels(labels) writes the file."""
    for shard in range(2):
        for number in range(8):
            paint(f"0000{shard}/img{number}.png", 100 * shard + number)

    def with_labels(labels):
        (paint.root / "dataset.json").write_text(json.dumps({"labels": labels}))
        return f"folder:{paint.root}"

    with_labels.root = paint.root
    return with_labels


def packed(root, path, wrap=""):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*.*")):
            archive.write(file, wrap + str(file.relative_to(root)))
    return f"zip:{path}"


def of(data):
    """The class of each value."""
    return {
        int(item[0, 0, 0]): data.class_names[label]
        for part in (data.train, data.test)
        for item, label in zip(part.items, part.labels, strict=True)
    }


def test_labels_are_those_of_the_file_and_shards_are_no_classes(shards, tmp_path):
    spec = shards(LABELS)
    data = open_data(spec)
    assert data.class_names == ("2", "10")  # in the order of numbers
    want = {100 * s + n: "10" if n < 4 else "2" for s in range(2) for n in range(8)}
    assert of(data) == want
    assert data.notes == ("labels are those of dataset.json, not the folders",)
    for wrap in ("", "my set/"):
        zipped = open_data(packed(shards.root, tmp_path / "x.zip", wrap))
        assert zipped.fingerprint == data.fingerprint
        assert zipped.notes == data.notes


def test_a_zip_of_one_shard_has_its_labels_above_it(shards, tmp_path):
    for path in (shards.root / "00001").iterdir():
        path.unlink()
    shards(LABELS[:8])
    data = open_data(packed(shards.root, tmp_path / "x.zip"))
    assert of(data) == {n: "10" if n < 4 else "2" for n in range(8)}


def test_null_means_no_labels(shards, tmp_path):
    data = open_data(shards(None))
    assert data.class_names is None
    assert data.notes == ("dataset.json says that there are no labels",)
    assert open_data(packed(shards.root, tmp_path / "x.zip")).fingerprint == data.fingerprint


def test_another_dataset_json_is_another_file(shards):
    spec = shards(None)
    (shards.root / "dataset.json").write_text('{"name": "birds"}')
    data = open_data(spec)
    assert data.class_names == ("00000", "00001")
    assert data.notes == ("left out: 1 files of other kinds (.json)",)


def test_changed_labels_are_read_again(shards):
    open_data(shards(LABELS))
    changed = [[path, 10 - label] for path, label in LABELS]
    assert open_data(shards(changed)).class_names == ("0", "8")


def test_images_without_a_label_are_left_out_and_labels_without_an_image_said(shards):
    spec = shards([*LABELS[1:], ["00009/gone.png", 3]])
    with pytest.raises(UserError, match=r"1 of 16 .*first: 00000/img0.png: has no label in"):
        open_data(spec)
    data = open_data(spec, DataSettings(allow_bad=True))
    assert len(of(data)) == 15
    assert "dataset.json has labels for 1 images that are not there" in data.notes


def test_a_build_takes_the_labels(shards, tmp_path):
    shards(LABELS)
    made = build_folder(shards.root, tmp_path / "out")
    assert made.class_names == ["10", "2"]
    data = open_data(f"folder:{tmp_path / 'out'}")
    assert of(data) == of(open_data(f"folder:{shards.root}")), "shards are no classes there either"


def test_a_set_without_labels_is_built_without_classes(shards, tmp_path):
    shards(None)
    build_folder(shards.root, tmp_path / "out")
    data = open_data(f"folder:{tmp_path / 'out'}")
    assert data.class_names is None
    assert len(data.train.items) + len(data.test.items) == 16


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"labels": [["a.png", -1]]}', "entry 0 of labels"),
        (b'{"labels": [["a.png", 1], ["b.png", [0.5, 2]]]}', "entry 1 of labels"),
        (b'{"labels": [["a.png", true]]}', "entry 0 of labels"),
        (b'{"labels": [["a.png"]]}', "entry 0 of labels"),
        (b'{"labels": [1]}', "entry 0 of labels"),
        (b'{"labels": 7}', "labels is no list"),
        (b'{"labels": [["a.png", 1]]}', "names none of its images"),
    ],
)
def test_what_is_no_such_file_is_one_line(shards, tmp_path, text, words):
    (shards.root / "dataset.json").write_bytes(text)
    for spec in (f"folder:{shards.root}", packed(shards.root, tmp_path / "x.zip")):
        with pytest.raises(UserError, match=words) as caught:
            open_data(spec)
        assert "\n" not in str(caught.value)
        assert "dataset.json" in str(caught.value)


def test_a_file_without_end_is_not_read(monkeypatch):
    monkeypatch.setattr("steadygan.data.labels.MAX_BYTES", 10)
    with pytest.raises(UserError, match="has over 10 bytes"):
        parse_labels(b" " * 11, "here")
