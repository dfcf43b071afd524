import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steadygan.cli import app
from steadygan.data import DataSettings, open_data
from steadygan.data.build.brush import draw, outline
from steadygan.data.build.hanzi import build_hanzi, chosen_characters
from steadygan.data.sources.hanzi_strokes import Character, gb2312_level_1, read_characters
from steadygan.errors import UserError

PACKAGE = Path(__file__).parent / "strokes"
NAMES = "永我九和年一口鹰"


@pytest.fixture(scope="module")
def shapes():
    return {each.name: outline(each) for each in read_characters(PACKAGE, NAMES)[0]}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("hanzi") / "永"
    return build_hanzi(PACKAGE, out, characters=NAMES, writers=20, size=24, seed=3)


def test_level_1_of_gb2312():
    level = gb2312_level_1()
    assert len(level) == len(set(level)) == 3755
    assert (level[0], level[3739], level[-1]) == ("啊", "钻", "座")
    assert chosen_characters() == level[:3740]
    assert chosen_characters(characters="永和 九年\n永") == ("永", "和", "九", "年")


def test_strokes_as_they_lie_in_the_package():
    (yong,), _ = read_characters(PACKAGE, "永")
    assert len(yong.strokes) == 5
    # The dot's first point: x 428, y 824 below a top of 900, of 1,024.
    assert yong.strokes[0][0].tolist() == [428 / 1024, 76 / 1024]


def test_an_image_depends_on_seed_character_writer_and_size_only(shapes):
    together = draw(shapes["鹰"], range(40), 32, 7)
    assert (draw(shapes["鹰"], [23], 32, 7)[0] == together[23]).all()
    assert (draw(shapes["鹰"], [5, 23, 2], 32, 7) == together[[5, 23, 2]]).all()
    assert len(np.unique(together.reshape(40, -1), axis=0)) == 40
    assert (draw(shapes["鹰"], [23], 32, 8)[0] != together[23]).any()


@pytest.mark.parametrize("size", [20, 28, 64])
def test_dark_ink_on_white_inside_the_frame(shapes, size):
    for name, shape in shapes.items():
        images = draw(shape, range(100), size, 0)
        assert images.dtype == np.uint8
        assert images.shape == (100, size, size)
        rim = np.concatenate(
            [images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1
        )
        # A stroke's edge, where half the paper shows, keeps off the rim.
        assert rim.min() > 128, name
        assert 0.02 < (images < 128).mean() < 0.4, name
        assert (images.min(axis=(1, 2)) < 150).all(), name


def test_strokes_are_whole_and_as_many_as_written():
    # Strokes far apart: each must come out as one piece of ink, however a writer strays.
    bars = tuple(np.array([[0.1, y], [0.5, y - 0.02], [0.9, y]]) for y in (0.1, 0.5, 0.9))
    images = draw(outline(Character("三", bars)), range(200), 64, 0)
    for image in images:
        assert _pieces(image < 160) == 3


def _pieces(ink):
    from scipy.ndimage import label

    return label(ink, structure=np.ones((3, 3)))[1]


def test_writers_differ_in_width_ink_slant_and_rise(shapes):
    images = draw(shapes["口"], range(200), 64, 0).astype(float)
    ink = 255 - images
    width = (ink > 128).sum(axis=(1, 2))
    assert np.percentile(width, 95) / np.percentile(width, 5) > 1.6
    assert np.ptp(images.min(axis=(1, 2))) > 40
    # The level stroke's rise: where the ink of 一 is, left against right.
    one = 255.0 - draw(shapes["一"], range(200), 64, 0)
    rows = np.arange(64)[:, None]
    left, right = ((one[:, :, s] * rows).sum((1, 2)) / one[:, :, s].sum((1, 2))
                   for s in (slice(0, 26), slice(38, 64)))  # fmt: skip
    assert (left - right).mean() > 0.5
    assert (left - right).std() > 1


def test_a_writer_is_alike_in_all_characters(shapes):
    ink = np.stack(
        [
            (255.0 - draw(shape, range(120), 48, 0)).clip(0, 255).max(axis=(1, 2))
            for shape in (shapes["永"], shapes["我"])
        ]
    )
    assert np.corrcoef(ink)[0, 1] > 0.95  # how black
    wide = np.stack(
        [(draw(shapes[name], range(120), 48, 0) < 128).sum(axis=(1, 2)) for name in "永我"]
    )
    assert np.corrcoef(wide)[0, 1] > 0.8  # how broad


def test_the_same_hand_at_every_size(shapes):
    small, large = (draw(shapes["我"], range(10), size, 0) for size in (32, 64))
    halved = large.reshape(10, 32, 2, 32, 2).mean(axis=(2, 4))
    assert np.abs(halved - small).mean() < 2
    assert abs(halved.mean() - small.mean()) < 0.5


def test_a_built_set(built):
    assert {p.name for p in built.iterdir()} == {
        "ARPHICPL.TXT", "hanzi.json", "images.npy", "labels.npy", "sheet.png", "writers.npy",
    }  # fmt: skip
    assert (built / "ARPHICPL.TXT").read_bytes() == (PACKAGE / "ARPHICPL.TXT").read_bytes()
    record = json.loads((built / "hanzi.json").read_text(encoding="utf-8"))
    assert record["source"].startswith("npm hanzi-writer-data 2.0.1 ")
    assert "Arphic Public License" in record["licence"]
    with Image.open(built / "sheet.png") as sheet:
        assert sheet.size == (8 * 24, 20 * 24)
    data = open_data(f"hanzi:{built}")
    assert data.class_names == tuple(NAMES)
    assert (data.shape, len(data.train), len(data.test)) == ((1, 24, 24), 8 * 18, 8 * 2)
    # Whole writers are held out, and each image is the one of its label and writer.
    assert set(data.writers[: 8 * 18]) == set(range(18))
    assert set(data.writers[8 * 18 :]) == {18, 19}
    assert (np.load(built / "writers.npy") == data.writers).all()
    (he,), _ = read_characters(PACKAGE, "和")
    for split, first in ((data.train, 0), (data.test, 8 * 18)):
        for row in np.flatnonzero(split.labels == 3):
            again = draw(outline(he), [data.writers[first + row]], 24, 3)
            assert (split.items[row] == again).all()


def test_a_set_at_another_size_and_in_colour(built):
    data = open_data(f"hanzi:{built}", DataSettings(size=16, channels=3))
    assert data.train.items.shape == (144, 3, 16, 16)
    assert data.fingerprint != open_data(f"hanzi:{built}").fingerprint


def test_building_again_gives_the_same_data(built, tmp_path):
    again = build_hanzi(PACKAGE, tmp_path / "b", characters=NAMES, writers=20, size=24, seed=3)
    other = build_hanzi(PACKAGE, tmp_path / "c", characters=NAMES, writers=20, size=24, seed=4)
    prints = [open_data(f"hanzi:{path}").fingerprint for path in (built, again, other)]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda p: _flip(p / "images.npy", 5000), "its images or labels are not those"),
        (lambda p: _flip(p / "labels.npy", 136), "its images or labels are not those"),
        (lambda p: os.truncate(p / "images.npy", 5000), "images.npy: "),
        (lambda p: os.truncate(p / "labels.npy", 60), "labels.npy: "),
        (lambda p: (p / "labels.npy").unlink(), "FileNotFoundError"),
        (lambda p: (p / "hanzi.json").write_text("{"), "JSONDecodeError"),
        (lambda p: (p / "hanzi.json").write_text("[]"), "TypeError"),
        (lambda p: (p / "hanzi.json").write_text("{}"), "KeyError"),
        (lambda p: _edit(p, train=3), "contradicts itself"),
        (lambda p: _edit(p, size="24"), "contradicts itself"),
        (lambda p: _edit(p, classes=list(NAMES[::-1])), "its images or labels are not those"),
    ],
)
def test_a_damaged_set_is_refused(built, tmp_path, harm, words):
    copy = Path(shutil.copytree(built, tmp_path / "copy"))
    harm(copy)
    with pytest.raises(UserError, match=words) as caught:
        open_data(f"hanzi:{copy}")
    assert str(caught.value).startswith(f"hanzi:{copy} is damaged: ")
    assert "\n" not in str(caught.value)


def _flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def _edit(path, **changes):
    record = json.loads((path / "hanzi.json").read_text(encoding="utf-8"))
    (path / "hanzi.json").write_text(json.dumps({**record, **changes}), encoding="utf-8")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"classes": 0}, "--classes 0: wants 1 to 3,755"),
        ({"classes": 3756}, "--classes 3756: wants 1 to 3,755"),
        ({"characters": " "}, "--characters: no character in it"),
        ({"characters": "永X𠮷"}, "has no strokes of 2 characters: X𠮷"),
        ({"characters": NAMES, "writers": 1}, "--writers 1: wants 2"),
        ({"characters": NAMES, "size": 7}, "--size 7: wants 8 to 512"),
        ({"characters": NAMES, "seed": -1}, "--seed -1: wants 0"),
    ],
)
def test_what_cannot_be_built(tmp_path, settings, words):
    with pytest.raises(UserError, match=words):
        build_hanzi(PACKAGE, tmp_path / "out", **settings)
    assert list(tmp_path.iterdir()) == []


def test_folders_that_are_wrong(built, tmp_path):
    with pytest.raises(UserError, match="npm pack hanzi-writer-data"):
        build_hanzi(tmp_path / "none", tmp_path / "out")
    with pytest.raises(UserError, match="not the folder of hanzi-writer-data"):
        build_hanzi(tmp_path, tmp_path / "out")
    with pytest.raises(UserError, match="is there already"):
        build_hanzi(PACKAGE, built, characters="永")
    with pytest.raises(UserError, match="data build hanzi"):
        open_data("hanzi")
    with pytest.raises(UserError, match=r"no hanzi\.json in it"):
        open_data(f"hanzi:{tmp_path}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"medians": []}',
        '{"medians": [[[1, 2]]]}',
        '{"medians": [[[1, 2], ["x", 3]]]}',
        '{"medians": [[[1, 2], [1e300, 3]]]}',
        '{"medians": [[[NaN, 2], [1, 3]]]}',
        "[" * 100_000,
    ],
)
def test_damaged_strokes_are_refused(tmp_path, text):
    package = Path(shutil.copytree(PACKAGE, tmp_path / "package"))
    (package / "九.json").write_text(text)
    with pytest.raises(UserError, match=r"九\.json is damaged: .*unpack the package again"):
        build_hanzi(package, tmp_path / "out", characters=NAMES)
    assert not (tmp_path / "out").exists()


def test_the_command(tmp_path, runner):
    out = tmp_path / "set"
    args = ["data", "build", "hanzi", str(PACKAGE), str(out), "--characters", "永和九年"]
    done = runner(app, [*args, "--writers", "6", "--size", "20"])
    assert done.exit_code == 0, done.output
    assert done.output.strip().endswith(str(out))
    assert open_data(f"hanzi:{out}").shape == (1, 20, 20)


@pytest.fixture
def runner():
    from typer.testing import CliRunner

    return CliRunner().invoke


@pytest.mark.skipif("STEADYGAN_HANZI" not in os.environ, reason="STEADYGAN_HANZI names no package")
def test_200_classes_of_the_real_package(tmp_path):
    package = Path(os.environ["STEADYGAN_HANZI"])
    out = build_hanzi(package, tmp_path / "set", classes=200, writers=10, size=28)
    data = open_data(f"hanzi:{out}")
    assert data.class_names == gb2312_level_1()[:200]
    assert (len(data.train), len(data.test)) == (1800, 200)
    blackest = np.concatenate([data.train.items, data.test.items]).min(axis=(1, 2, 3))
    assert blackest.max() < 150
    missing = [name for name in gb2312_level_1() if not (package / f"{name}.json").is_file()]
    assert missing == []
