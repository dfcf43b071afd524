import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

from steadygan.data import SOURCES, DataSettings, open_data
from steadygan.errors import UserError


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("mnits", "unknown data 'mnits'; did you mean 'mnist'?"),
        ("zzz", "unknown data 'zzz'; known: " + ", ".join(sorted(SOURCES))),
        ("mnits:/x", "unknown data 'mnits'; did you mean 'mnist'?"),
        ("ring:/x", "--data ring:/x: write it as ring"),
        ("mnist:", "--data mnist:: write it as mnist[:DIR]"),
        ("folder", "--data folder needs a path: folder:DIR"),
        ("folder:", "--data folder:: write it as folder:DIR"),
        ("zip", "--data zip needs a path: zip:FILE"),
        ("zip:", "--data zip:: write it as zip:FILE"),
        ("hub", "--data hub:: write it as hub:OWNER/NAME or OWNER/NAME@CONFIG"),
        ("hub:", "--data hub:: write it as hub:OWNER/NAME"),
    ],
)
def test_wrong_specs(spec, words):
    with pytest.raises(UserError) as caught:
        open_data(spec)
    assert str(caught.value) == words


def test_a_bare_path_says_how_to_write_it(tmp_path):
    with pytest.raises(UserError, match=f"for your own images: --data folder:{tmp_path}"):
        open_data(str(tmp_path))


def test_a_bare_zip_says_how_to_write_it(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"")
    with pytest.raises(UserError, match=f"for a zip of images: --data zip:{tmp_path}/x.zip"):
        open_data(str(tmp_path / "x.zip"))


@pytest.mark.parametrize(
    ("spec", "settings", "key"),
    [
        ("ring", {"size": 28}, "size"),
        ("grid", {"channels": 1}, "channels"),
        ("ring", {"flip": True}, "flip"),
        ("mnist", {"holdout": 0.2}, "holdout"),
    ],
)
def test_a_setting_that_means_nothing_is_an_error(spec, settings, key):
    with pytest.raises(UserError, match=f"{key}= means nothing for --data {spec}"):
        open_data(spec, DataSettings(**settings))


@pytest.mark.parametrize(
    "wrong",
    [{"size": 7}, {"size": 513}, {"channels": 2}, {"holdout": 0}, {"holdout": 1}, {"sise": 28}],
)
def test_values_out_of_range(wrong):
    with pytest.raises(ValidationError):
        DataSettings(**wrong)


def test_what_a_run_records_opens_the_same_data_again(tmp_path):
    data = open_data("mnist", DataSettings(size=32, flip=True))
    record = json.loads(json.dumps(data.describe()))
    assert record["settings"] == {
        "size": 32,
        "channels": 1,
        "flip": True,
        "holdout": 0.1,
        "allow_bad": False,
        "attribute": None,
    }
    again = open_data(record["spec"], DataSettings(**record["settings"]))
    assert again.describe() == data.describe()


def test_every_source_says_what_it_is_in_a_line():
    for name, source in SOURCES.items():
        assert source.name == name
        assert source.usage.startswith(name)
        assert 10 < len(source.about) < 90
        assert "\n" not in source.about
        assert source.missing
        assert "\n" not in source.missing


def test_data_come_in_without_torch():
    code = "import sys, steadygan.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
