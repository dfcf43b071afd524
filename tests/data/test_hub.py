"""The hub without a network: a module in place of `datasets`, and the real one where it is."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from steadygan.data import DataSettings, open_data
from steadygan.data.images import KNOWN, MAX_BYTES
from steadygan.errors import UserError


class Picture:
    def __init__(self, decode=True):
        self.decode = decode


class ClassLabel:
    def __init__(self, names):
        self.names = names


class Table:
    """As much of datasets.Dataset as is used; decoding an image is an error."""

    def __init__(self, columns, features, fingerprint):
        self.columns, self.features, self._fingerprint = columns, features, fingerprint

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, key):
        if isinstance(key, str):
            return self.columns[key]
        assert not getattr(self.features.get("img"), "decode", False)
        return {name: values[key] for name, values in self.columns.items()}

    def select_columns(self, names):
        features = {name: self.features[name] for name in names}
        return Table({name: self.columns[name] for name in names}, features, self._fingerprint)

    def cast_column(self, name, feature):
        return Table(self.columns, {**self.features, name: feature}, self._fingerprint)


def png(value):
    file = io.BytesIO()
    Image.new("RGB", (9, 9), (value, 0, 0)).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def table(values, labels, fingerprint="f"):
    columns = {"id": list(values), "img": [png(v) for v in values], "class": list(labels)}
    features = {"id": object(), "img": Picture(), "class": ClassLabel(["zebra", "永", "ant"])}
    return Table(columns, features, fingerprint)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """hub.parts: what load_dataset returns; hub.asked: its arguments."""
    fake = SimpleNamespace(__version__="4.4.1", Image=Picture, ClassLabel=ClassLabel, asked=[])

    def load_dataset(*words):
        fake.asked.append(words)
        if isinstance(fake.parts, Exception):
            raise fake.parts
        return fake.parts

    fake.load_dataset = load_dataset
    fake.parts = {
        "train": table(range(6), [0, 2, 0, 2, 0, 2]),
        "test": table([100, 110], [2, 0], "g"),
    }
    monkeypatch.setitem(sys.modules, "datasets", fake)
    monkeypatch.chdir(tmp_path)
    return fake


def values(split):
    return split.items[:, 0, 0, 0].tolist()


def test_images_labels_and_the_hubs_own_split(hub):
    data = open_data("hub:me/beasts")
    assert hub.asked == [("me/beasts", None)]
    assert data.class_names == ("zebra", "永", "ant")  # in the hub's order, one without images
    assert data.shape == (3, 64, 64)
    assert sorted(values(data.train)) == [0, 1, 2, 3, 4, 5]
    assert sorted(values(data.test)) == [100, 110]
    for value, label in zip(values(data.train), data.train.labels, strict=True):
        assert label == (2 if value % 2 else 0)
    assert data.spec == "hub:me/beasts"


def test_a_configuration_and_a_single_part(hub):
    hub.parts = {"train": table(range(10), [0, 2] * 5)}
    data = open_data("hub:me/beasts@small", DataSettings(holdout=0.2))
    assert hub.asked == [("me/beasts", "small")]
    assert (len(data.train), len(data.test)) == (8, 2)
    assert np.bincount(data.test.labels, minlength=3).tolist() == [1, 0, 1]


def test_validation_is_held_out_where_there_is_no_test(hub):
    hub.parts["validation"] = hub.parts.pop("test")
    assert sorted(values(open_data("hub:me/beasts").test)) == [100, 110]


def test_what_changed_on_the_hub_is_decoded_again(hub):
    one = open_data("hub:me/beasts").fingerprint
    hub.parts["train"] = table(range(50, 56), [0] * 6, "another")
    assert open_data("hub:me/beasts").fingerprint != one


def test_bad_rows_are_quarantined_and_named(hub, tmp_path):
    rows = hub.parts["train"].columns
    rows["img"][1] = {"bytes": b"?", "path": None}
    rows["img"][2] = None
    rows["img"][3] = {"bytes": None, "path": str(tmp_path / "gone.png")}
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # no block of it is on the disk
    rows["img"].append({"bytes": None, "path": str(tmp_path / "huge.png")})
    rows["class"].append(0)
    rows["id"].append(6)
    (tmp_path / "there.png").write_bytes(rows["img"][4]["bytes"])
    rows["img"][4] = {"bytes": None, "path": str(tmp_path / "there.png")}
    rows["class"][5] = -1
    data = open_data("hub:me/beasts", DataSettings(allow_bad=True))
    assert sorted(values(data.train)) == [0, 4]
    assert {each["path"]: each["reason"] for each in data.quarantine} == {
        "train/1": f"no {KNOWN}, or a damaged header",
        "train/2": "no image in this row",
        "train/3": "cannot be read: No such file or directory",
        "train/5": "has no class label",
        "train/6": f"{MAX_BYTES + 1:,} bytes are more than any image within the pixel limit",
    }


def test_what_cannot_be_had_is_one_line(hub, monkeypatch, tmp_path):
    for spec in ("hub", "hub:mnist", "hub:../x/y", "hub:/etc/x", "hub:a/b/c", "hub:a/b@"):
        with pytest.raises(UserError, match="write it as hub:OWNER/NAME"):
            open_data(spec)
    hub.parts = ConnectionError("Couldn't reach\nthe Hub")
    with pytest.raises(UserError, match=r"cannot be had: ConnectionError: Couldn't reach the Hub.*"
                                        "HF_DATASETS_OFFLINE=1"):  # fmt: skip
        open_data("hub:me/beasts")
    hub.parts = {"train": Table({"text": ["x"]}, {"text": object()}, "f")}
    with pytest.raises(UserError, match="no column of images; it has text"):
        open_data("hub:me/beasts")
    hub.parts = {}
    with pytest.raises(UserError, match="it has no rows"):
        open_data("hub:me/beasts")
    (tmp_path / "me" / "beasts").mkdir(parents=True)
    with pytest.raises(UserError, match="a local folder me/beasts stands in its way"):
        open_data("hub:me/beasts")
    hub.__version__ = "3.6.0"
    with pytest.raises(UserError, match=r"datasets 3.6.0 runs programs .*'datasets>=4'"):
        open_data("hub:you/beasts")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match=r"wants the extra: pip install 'steadygan\[hub\]'"):
        open_data("hub:me/beasts")


REAL = """
import sys, datasets, numpy as np
from steadygan.data import open_data
from steadygan.data.sources.hub import open_hub
def saved(name):
    features = datasets.Features({
        "img": datasets.Image(), "class": datasets.ClassLabel(names=["a", "永"])})
    def part(values):
        pictures = [np.full((9, 9, 3), v, dtype=np.uint8) for v in values]
        rows = {"img": pictures, "class": [v % 2 for v in values]}
        return datasets.Dataset.from_dict(rows, features=features)
    return datasets.DatasetDict(train=part(range(6)), test=part([100, 110]))
loaded = saved("x")
datasets.load_dataset = lambda *words: loaded
data = open_data("hub:me/beasts")
print(sorted(data.train.items[:, 0, 0, 0].tolist()), sorted(data.test.items[:, 0, 0, 0].tolist()),
      data.class_names)
"""


def test_the_real_library(tmp_path):
    pytest.importorskip("datasets", reason="the extra hub is not installed")
    import subprocess

    run = subprocess.run([sys.executable, "-c", REAL], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "[0, 1, 2, 3, 4, 5] [100, 110] ('a', '永')\n"
