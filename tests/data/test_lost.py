"""What images lose on their way in is said: grey levels, margins, copies, other kinds of files."""

import numpy as np
import pytest
from PIL import Image

from steadygan.data import DataSettings, open_data
from steadygan.data.build.folder import Options, build_folder
from steadygan.data.tally import Tally, white_of
from steadygan.errors import UserError


@pytest.fixture(autouse=True)
def images_of_any_size(monkeypatch):
    """The pictures of these tests are tiny: what is said of their size is tested elsewhere."""
    monkeypatch.setattr(Tally, "enlarged", lambda self, size: "")


SMALL = DataSettings(size=16, channels=1)


def deep(path, least, greatest):
    """A 16-bit grey PNG whose columns go from `least` to `greatest`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ramp = np.linspace(least, greatest, 16).round().astype(np.uint16)
    Image.fromarray(np.tile(ramp, (16, 1))).save(path)


def rows(data):
    return np.concatenate([data.train.items, data.test.items])


@pytest.mark.parametrize(
    ("greatest", "white"),
    [(0, 255), (255, 255), (256, 511), (4095, 4095), (4096, 8191), (32768, 65535), (65535, 65535)],
)
def test_the_white_level_is_that_of_the_fewest_bits(greatest, white):
    assert white_of(greatest) == white


def test_12_bit_scans_in_16_bit_files_have_one_scale_for_all(tmp_path):
    deep(tmp_path / "x" / "dark.png", 0, 1000)
    deep(tmp_path / "x" / "light.png", 95, 4095)
    Image.fromarray(np.full((16, 16), 200, np.uint8)).save(tmp_path / "x" / "eight.png")
    calls = []
    data = open_data(f"folder:{tmp_path / 'x'}", SMALL, progress=lambda *call: calls.append(call))
    found = {row.max(): row for row in rows(data)}
    assert sorted(found) == [62, 200, 255]  # 1000, 8 bits, 4095
    assert found[255][0, 0, 0] == 6
    assert ("scaling 16-bit images", 2, 2) in calls
    said = "2 images of 16-bit grey hold 0 to 4,095: scaled by 255/4095, one scale for all"
    assert data.notes == (said,)
    assert data.describe()["notes"] == [said]
    assert open_data(f"folder:{tmp_path / 'x'}", SMALL).notes == (said,)  # from the cache too


def test_16_bit_images_that_use_all_of_it_are_what_they_were(tmp_path):
    deep(tmp_path / "x" / "1.png", 0, 65535)
    deep(tmp_path / "x" / "2.png", 0, 4095)
    data = open_data(f"folder:{tmp_path / 'x'}", SMALL)
    assert sorted(row.max() for row in rows(data)) == [16, 255]


def test_few_grey_levels_are_said(tmp_path):
    for number in range(3):
        deep(tmp_path / "x" / f"{number}.png", 33000 + 700 * number, 36000)
    (note,) = open_data(f"folder:{tmp_path / 'x'}", SMALL).notes
    assert note.endswith("; 12 of 256 grey levels are used")


def test_a_built_set_has_one_scale_too(tmp_path):
    deep(tmp_path / "x" / "1.png", 0, 4095)
    deep(tmp_path / "x" / "2.png", 0, 1000)
    made = build_folder(tmp_path / "x", tmp_path / "out", Options(size=16, grey=True))
    assert "scaled by 255/4095" in made.notes[0]
    pictures = [np.asarray(Image.open(tmp_path / "out" / name)) for name, _, _ in made.kept]
    assert sorted(picture.max() for picture in pictures) == [62, 255]
    assert "Note: 2 images of 16-bit grey" in (tmp_path / "out" / "card.md").read_text()


def test_cropping_is_said_once(paint):
    for number in range(4):
        paint(f"{number}.png", number)
    for number in range(2):
        Image.new("RGB", (10, 12), (9, number, 0)).save(paint.root / f"tall{number}.png")
    (note,) = open_data(f"folder:{paint.root}").notes
    assert note.startswith("2 of 6 images are not square: their centre is taken")


def test_equal_pixels_are_on_one_side_of_the_split_though_their_files_differ(paint):
    for number in range(20):
        for suffix, options in (("png", {}), ("bmp", {}), ("webp", {"lossless": True})):
            paint(f"{number}.{suffix}", number, **options)
    data = open_data(f"folder:{paint.root}", DataSettings(holdout=0.3))
    train, test = ({*part.items[:, 0, 0, 0].tolist()} for part in (data.train, data.test))
    assert not train & test
    assert (len(train), len(test)) == (14, 6)
    assert (len(data.train), len(data.test)) == (42, 18)
    assert data.notes == (
        "40 images have the same pixels as another; equal ones lie on one side of the split",
    )


def test_equal_pixels_are_one_image_where_two_are_needed(paint):
    paint("1.png", 7)
    paint("1.bmp", 7)
    with pytest.raises(UserError, match="1 different images can be decoded out of 2 files"):
        open_data(f"folder:{paint.root}")


def test_of_a_given_split_what_is_trained_on_is_not_held_out(paint, tmp_path):
    for number in range(4):
        paint(f"train/cat/{number}.png", number)
    paint("test/cat/same.bmp", 2)
    paint("test/cat/own.png", 99)
    data = open_data(f"folder:{paint.root}")  # although more than 1 % are left out
    assert data.test.items[:, 0, 0, 0].tolist() == [99]
    left_out = {
        "path": "test/cat/same.bmp",
        "reason": "held out, with the pixels of train/cat/2.png, trained on",
    }
    assert data.quarantine == (left_out,)
    made = build_folder(paint.root, tmp_path / "out")
    assert made.bad == [left_out]
    assert [name for name, _, part in made.kept if part == "test"] == ["test/cat/own.png"]
    (paint.root / "test" / "cat" / "own.png").unlink()
    with pytest.raises(UserError, match=r"no image of its held-out part .* \(1 are\)"):
        open_data(f"folder:{paint.root}")


def test_a_set_that_is_white_on_transparent_is_refused(tmp_path):
    root = tmp_path / "icons"
    root.mkdir()
    for number in range(3):
        image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
        image.paste((255, 255, 255, 255), (number, 4, 12, 12))
        image.save(root / f"{number}.png")
    with pytest.raises(UserError, match=r"first bad one: 0.png: blank: over white nothing"):
        open_data(f"folder:{root}")


def test_other_files_are_said_by_kind_and_count(paint):
    for number in range(3):
        paint(f"cat/{number}.png", number)
    for name in ("a.HEIC", "b.heic", "c.svg", "cat/d.psd", "notes.txt", "x.json", "README"):
        (paint.root / name).write_bytes(b"?")
    assert open_data(f"folder:{paint.root}").notes == (
        "left out: 2 .heic, 1 .psd, 1 .svg (convert them to PNG), 3 files of other kinds "
        "(.json, .txt, no ending)",
    )
    for path in paint.root.rglob("*.png"):
        path.unlink()
    with pytest.raises(UserError, match=r"no images in it .*left out: 2 .heic, 1 .psd"):
        open_data(f"folder:{paint.root}")


def test_a_set_that_was_built_leaves_nothing_out(paint, tmp_path):
    for number in range(4):
        paint(f"{number}.png", number)
    build_folder(paint.root, tmp_path / "out")
    assert open_data(f"folder:{tmp_path / 'out'}").notes == ()
