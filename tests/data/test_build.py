"""Data sets of one's own, and what `data show` says of them."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from steadygan.data import DataSettings, open_data
from steadygan.data.build import folder
from steadygan.data.build.card import card_text
from steadygan.data.build.duplicates import near_duplicates, thumb
from steadygan.data.build.folder import Options, build_folder
from steadygan.data.build.show import facts_of, in_words, write_sheet
from steadygan.data.framing import squared
from steadygan.data.images import BadImage
from steadygan.errors import UserError


def drawing(number, size=(60, 40)):
    """Black lines on white, unlike those of any other number."""
    image = Image.new("RGB", size, "white")
    pen, rng = ImageDraw.Draw(image), np.random.default_rng(number)
    for _ in range(4):
        points = [int(v) for v in rng.integers(6, 34, 4)]
        pen.line(points, fill="black", width=3)
    return image


@pytest.fixture
def source(tmp_path):
    """Twelve drawings in two classes, with names of all kinds."""
    root = tmp_path / "drawings"
    for number in range(12):
        folder = root / ("chairs" if number % 2 else "永 <b>|")
        folder.mkdir(parents=True, exist_ok=True)
        drawing(number).save(folder / f"{number}.png")
    return root


def files_below(root):
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


def test_a_built_set_is_a_folder_source_with_its_split(source, tmp_path):
    out = tmp_path / "out"
    made = build_folder(source, out, Options(size=32, grey=True, split=0.75, licence="CC0"))
    data = open_data(f"folder:{out}", DataSettings(size=32, channels=1))
    assert data.class_names == ("chairs", "永 <b>|")
    assert (len(data.train), len(data.test)) == (9, 3)
    for part, split in (("train", data.train), ("test", data.test)):
        there = [f for f in files_below(out) if f.startswith(f"{part}/")]
        assert len(there) == len(split)
        pixels = {np.asarray(Image.open(out / f)).tobytes() for f in there}
        assert {item.tobytes() for item in split.items} == pixels
    assert len(made.kept) == 12
    card = json.loads((out / "card.json").read_text())
    assert (card["images"], card["train"], card["test"], card["licence"]) == (12, 9, 3, "CC0")
    assert card["balance"] == {"smallest": 6, "largest": 6}
    assert (card["size"], card["channels"], card["source"]) == (32, 1, "drawings")
    assert sorted(c["test"] for c in card["classes"].values()) == [1, 2]
    text = (out / "card.md").read_text()
    assert r"| 永 \<b\>\| | " in text
    assert "Licence: CC0" in text
    with Image.open(out / "contact-sheet.png") as sheet:
        assert sheet.width > 4 * 32
    assert (out.stat().st_mode & 0o777) == (source.stat().st_mode & 0o777)


def test_a_built_set_opens_at_the_size_and_in_the_colours_it_was_built_in(source, tmp_path):
    out = tmp_path / "out"
    build_folder(source, out, Options(size=32, grey=True))
    assert open_data(f"folder:{out}", DataSettings()).shape == (1, 32, 32)
    assert open_data(f"folder:{out}", DataSettings(size=16)).shape == (1, 16, 16)
    assert open_data(f"folder:{out}", DataSettings(channels=3)).shape == (3, 32, 32)
    for card in ('{"kind": "steadygan data set", "size": -1}', "[1", '{"size": 32}'):
        (out / "card.json").write_text(card)
        assert open_data(f"folder:{out}", DataSettings()).shape == (3, 64, 64)


def test_bad_files_are_listed_and_left_out(source, tmp_path):
    (source / "chairs" / "empty.png").write_bytes(b"")
    Image.new("RGB", (30, 30), "white").save(source / "chairs" / "blank.png")
    out = tmp_path / "out"
    made = build_folder(source, out, Options(trim=True))
    assert made.bad == [
        {"path": "chairs/blank.png", "reason": "nothing but its background"},
        {"path": "chairs/empty.png", "reason": "empty file"},
    ]
    assert json.loads((out / "card.json").read_text())["quarantine"] == made.bad
    assert "chairs/blank.png: nothing but its background" in (out / "card.md").read_text()
    assert "not stated" in (out / "card.md").read_text()
    assert len(made.kept) == 12


def test_margins_are_cut_and_squares_filled_with_the_background():
    image = Image.new("RGB", (100, 60), (200, 220, 240))
    image.paste((10, 0, 0), (20, 10, 84, 42))  # 64 x 32
    got = squared(image, 68, 3, trim=True).transpose(1, 2, 0)
    # 64 wide and 2 of margin on each side; 32 high, filled up to the same.
    dark = (got == (10, 0, 0)).all(axis=2)
    assert np.flatnonzero(dark.any(axis=0)).tolist() == list(range(2, 66))
    assert np.flatnonzero(dark.any(axis=1)).tolist() == list(range(18, 50))
    assert (got[~dark] == (200, 220, 240)).all()
    crop = squared(image, 60, 3, pad=False).transpose(1, 2, 0)
    assert (crop == np.asarray(image)[:, 20:80]).all()
    padded = squared(image, 100, 3).transpose(1, 2, 0)
    assert (padded[20:80] == np.asarray(image)).all()
    assert (padded[:20] == (200, 220, 240)).all()
    with pytest.raises(BadImage, match="nothing but its background"):
        squared(Image.new("L", (9, 9), 255), 16, 1, trim=True)


def pixels_of(image, size=64):
    return squared(image.convert("RGB"), size, 3)


def test_near_duplicates_are_found_and_others_are_not(tmp_path):
    one = drawing(1)
    one.save(tmp_path / "x.jpg", quality=40)
    again, other_scale = Image.open(tmp_path / "x.jpg"), one.resize((150, 100))
    dotted = one.copy()
    dotted.paste((0, 0, 0), (52, 30, 58, 36))  # something more is drawn
    red = Image.new("RGB", (40, 40), (200, 0, 0))
    green = Image.new("RGB", (40, 40), (0, 200, 0))
    mirrored = one.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pictures = [one, again, other_scale, dotted, mirrored, red, green, red]
    pictures += [drawing(number) for number in range(2, 60)]
    pairs = near_duplicates(np.stack([thumb(pixels_of(image)) for image in pictures]))
    assert [(pair.kept, pair.other) for pair in pairs] == [(0, 1), (0, 2), (5, 7)]
    assert all(pair.rms <= 8 for pair in pairs)
    assert near_duplicates(np.zeros((0, 3, 32, 32), dtype=np.uint8)) == []


def test_no_pair_is_missed_and_chains_do_not_grow():
    rng = np.random.default_rng(0)
    base = rng.integers(60, 200, (40, 1, 32, 32))
    steps = rng.choice([-1, 1], (40, 1, 32, 32))
    # Each third is a picture, one that is 5 away from it, and one that is 5 further.
    thumbs = np.concatenate([base, base + 5 * steps, base + 10 * steps]).astype(np.uint8)
    pairs = near_duplicates(thumbs)
    assert [(pair.kept, pair.other, round(pair.rms)) for pair in pairs] == [
        (row, row + 40, 5) for row in range(40)
    ]


def test_pairs_are_listed_and_the_larger_file_is_kept(source, tmp_path):
    # An uncompressed copy in another class: the larger file, so the drawing gives way to it.
    drawing(1).save(source / "永 <b>|" / "copy.bmp")
    out = tmp_path / "out"
    made = build_folder(source, out, Options(dedupe=True))
    with open(out / "duplicates.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[:2] for row in rows[1:]] == [["永 <b>|/copy.bmp", "chairs/1.png"]]
    assert len(made.kept) == 12
    assert len([f for f in files_below(out) if f.endswith("copy.png")]) == 1
    assert json.loads((out / "card.json").read_text())["near_duplicates_removed"] == 1
    assert len(build_folder(source, tmp_path / "all").kept) == 13


def test_names_that_become_one_and_a_split_that_is_given(tmp_path):
    root = tmp_path / "given"
    for part in ("train", "test"):
        (root / part / "a").mkdir(parents=True)
    for number, name in enumerate(
        ["train/a/x.png", "train/a/x.bmp", "train/a/X.gif", "test/a/x.png"]
    ):
        drawing(number).save(root / name)
    build_folder(root, tmp_path / "out")
    assert [f for f in files_below(tmp_path / "out") if f.startswith(("train", "test"))] == [
        "test/a/x.png", "train/a/X.png", "train/a/x-2.png", "train/a/x-3.png",
    ]  # fmt: skip
    with pytest.raises(UserError, match="has train/ and test/ of its own"):
        build_folder(root, tmp_path / "other", Options(split=0.5))


def test_wrong_asks_leave_nothing(source, tmp_path):
    (tmp_path / "there").mkdir()
    before = files_below(tmp_path)
    for out, options, words in (
        (tmp_path / "there", Options(), "is there already"),
        (source / "out", Options(), "lies inside"),
        (tmp_path / "x", Options(size=7), "--size 7: wants 8 to 512"),
        (tmp_path / "x", Options(split=1.0), "--split 1.0: wants"),
    ):
        with pytest.raises(UserError, match=words):
            build_folder(source, out, options)
    one = tmp_path / "one"
    one.mkdir()
    drawing(1).save(one / "1.png")
    drawing(1).save(one / "2.png")
    with pytest.raises(UserError, match="fewer than two different pictures are left"):
        build_folder(one, tmp_path / "x")
    assert [f for f in files_below(tmp_path) if not f.startswith("one/")] == before
    assert not list(tmp_path.glob(".x*"))


CUT = """
import sys, time
from pathlib import Path
from steadygan.data.build.folder import build_folder
def slow(phase, done, total):
    print("here", flush=True)
    time.sleep(60)
build_folder(Path(sys.argv[1]), Path(sys.argv[2]), progress=slow)
"""


def test_a_build_that_is_killed_leaves_no_set(source, tmp_path):
    out = tmp_path / "out"
    running = subprocess.Popen(
        [sys.executable, "-c", CUT, str(source), str(out)], stdout=subprocess.PIPE
    )
    assert running.stdout.readline() == b"here\n"
    running.kill()
    running.communicate()
    assert not out.exists()
    assert build_folder(source, out).kept  # what was left of it is in nobody's way


def test_a_set_appears_by_one_rename_when_all_of_it_is_there(source, tmp_path, monkeypatch):
    out = tmp_path / "out"
    rename, whole = os.rename, []

    def cut_off(one, other):
        if other != out:
            return rename(one, other)
        whole.append(files_below(one))
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "rename", cut_off)
    with pytest.raises(UserError, match="Input/output error"):
        build_folder(source, out)
    assert not out.exists()
    monkeypatch.undo()
    build_folder(source, out)
    assert whole == [files_below(out)]


def test_a_full_disk_is_one_line(source, tmp_path, monkeypatch):
    def full(*_words, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(UserError, match=r"out: the disk is full; make room"):
        build_folder(source, tmp_path / "out")
    assert not [p for p in os.listdir(tmp_path) if "out" in p]


def test_show_counts_duplicates_and_draws(source, tmp_path):
    (source / "chairs" / "copy.png").write_bytes((source / "chairs" / "1.png").read_bytes())
    data = open_data(f"folder:{source}", DataSettings(size=32, holdout=0.3))
    facts = json.loads(json.dumps(facts_of(data)))
    assert {name: sum(c.values()) for name, c in facts["counts"].items()} == {
        "chairs": 7,
        "永 <b>|": 6,
    }
    assert facts["duplicates"] == {"equal": 1, "test_in_train": 0, "near": 1, "looked_at": 13}
    assert facts["fingerprint"] == data.fingerprint
    said = in_words(facts)
    for words in (data.fingerprint, "3 x 32 x 32", "classes      2, of 6 to 7 images"):
        assert words in said
    names = write_sheet(data, tmp_path / "sheet.png")
    assert list(dict.fromkeys(names)) == ["chairs", "永 <b>|"]
    with Image.open(tmp_path / "sheet.png") as sheet:
        first = np.asarray(sheet)[4 : 4 + 64 : 2, 4 : 4 + 64 : 2]  # pixels are doubled
    row = data.train.items[np.flatnonzero(data.train.labels == 0)[0]]
    assert (first == row.transpose(1, 2, 0)).all()
    with pytest.raises(UserError, match="cannot be written"):
        write_sheet(data, tmp_path / "none" / "sheet.png")
    with pytest.raises(UserError, match="points"):
        write_sheet(open_data("ring"), tmp_path / "ring.png")


def test_svg_line_drawings_at_64_pixels(tmp_path):
    """Icons as they come: rasterised, trimmed, a redrawn one recognised."""
    resvg = pytest.importorskip("resvg_py")
    shapes = {
        "circle": '<circle cx="12" cy="12" r="9"/>',
        "circle-again": '<circle cx="12" cy="12" r="9.01"/>',
        "circle-dot": '<circle cx="12" cy="12" r="9"/><circle cx="12" cy="12" r="2"/>',
        "cross": '<path d="M4 4L20 20M20 4L4 20"/>',
        "house": '<path d="M5 12L12 4L19 12M7 12V20H17V12"/>',
        "box": '<rect x="3" y="8" width="18" height="8"/>',
    }
    root = tmp_path / "icons"
    root.mkdir()
    for name, shape in shapes.items():
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" '
            f'stroke="#000" stroke-width="2">{shape}</svg>'
        )
        data = bytes(resvg.svg_to_bytes(svg_string=svg, width=128, height=128))
        (root / f"{name}.png").write_bytes(data)
    made = build_folder(root, tmp_path / "out", Options(grey=True, trim=True, dedupe=True))
    assert {frozenset(pair[:2]) for pair in made.pairs} == {
        frozenset(("circle.png", "circle-again.png"))
    }
    for name, _, _ in made.kept:
        pixels = np.asarray(Image.open(tmp_path / "out" / name))
        ink = pixels < 128
        assert pixels[0, 0] == 255  # clear became white
        assert max(np.ptp(np.flatnonzero(ink.any(0))), np.ptp(np.flatnonzero(ink.any(1)))) >= 57


def test_the_card_lists_so_much_and_no_more():
    facts = {
        "name": "x", "licence": "a\nb", "source": "s", "files_found": 200, "made": "2026-01-01",
        "images": 100, "train": 90, "test": 10, "size": 64, "left_out": 100,
        "near_duplicates_removed": 0, "sha256": "0", "balance": {"smallest": 1, "largest": 1},
        "options": {"pad": False, "trim": False, "grey": False},
        "classes": {f"class {n}": {"train": 1, "test": 0} for n in range(100)},
        "quarantine": [{"path": f"{n}.png", "reason": "empty file"} for n in range(100)],
        "notes": ["2 *odd* images"],
    }  # fmt: skip
    text = card_text(facts)
    assert "| and 50 more | | |" in text
    assert "- and 50 more, in card.json" in text
    assert "Licence: a b\n" in text
    assert "- Note: 2 \\*odd\\* images\n" in text


# ---- what is suggested ---------------------------------------------------------------------


def test_suggestions_leave_out_what_is_typed(source, tmp_path):
    plain = build_folder(source, tmp_path / "plain", Options(size=32))
    assert [each.flag for each in plain.advised] == ["--trim", "--grey"]
    typed = build_folder(source, tmp_path / "typed", Options(size=32, grey=True, trim=True))
    assert typed.advised == []


def test_photographs_that_are_not_square_are_better_cropped_and_drawings_padded(tmp_path):
    random = np.random.default_rng(0)
    root = tmp_path / "photos"
    root.mkdir()
    for number in range(8):
        pixels = random.integers(0, 256, (40, 60, 3), np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
    flags = [each.flag for each in build_folder(root, tmp_path / "a", Options(size=32)).advised]
    assert "--crop" in flags
    cropped = build_folder(root, tmp_path / "b", Options(size=32, pad=False))
    assert "--crop" not in [each.flag for each in cropped.advised]


def test_pictures_smaller_than_the_size_are_told(source, tmp_path):
    made = build_folder(source, tmp_path / "out", Options(size=128))
    assert any("12 of 12 images are smaller than 128 px" in note and "48 px suits" in note
               for note in made.notes)  # fmt: skip
    small = build_folder(source, tmp_path / "small", Options(size=32))
    assert not any("smaller" in note for note in small.notes)


def test_what_is_cropped_is_enlarged_where_its_square_is_small(tmp_path):
    root = tmp_path / "wide"
    root.mkdir()
    for number in range(6):
        Image.new("RGB", (300, 40), (40 * number, 90, 90)).save(root / f"{number}.png")
    padded = build_folder(root, tmp_path / "a", Options(size=64))
    cropped = build_folder(root, tmp_path / "b", Options(size=64, pad=False))
    opened = open_data(f"folder:{root}", DataSettings(size=64))
    assert not any("smaller than 64 px" in note for note in padded.notes)
    for notes in (cropped.notes, opened.notes):
        assert any("6 of 6 images are smaller than 64 px" in note for note in notes)


def test_pictures_of_which_none_can_be_decoded_are_one_line(tmp_path):
    root = tmp_path / "broken"
    root.mkdir()
    (root / "a.png").write_bytes(b"no picture")
    with pytest.raises(UserError):
        build_folder(root, tmp_path / "out", Options(size=32, dedupe=True))


def test_transparent_parts_take_the_background(tmp_path):
    root = tmp_path / "icons"
    root.mkdir()
    for number in range(6):
        icon = Image.new("RGBA", (40, 40), (255, 255, 255, 0))
        ImageDraw.Draw(icon).ellipse((4, 4, 20 + number, 30), fill=(255, 255, 255, 255))
        icon.save(root / f"{number}.png")
    with pytest.raises(UserError, match="over white nothing is seen of it"):
        build_folder(root, tmp_path / "white", Options(size=32))
    made = build_folder(root, tmp_path / "black", Options(size=32, background="black"))
    assert any("6 of 6 images have transparent parts, drawn over black" in n for n in made.notes)
    data = open_data(f"folder:{tmp_path / 'black'}", DataSettings(size=32, channels=1))
    assert data.train.items[:, 0, 0, 0].max() == 0
    assert data.train.items.max() == 255
    with pytest.raises(UserError, match="--background whit: wants a colour"):
        build_folder(root, tmp_path / "no", Options(background="whit"))


def test_what_is_unusual_is_named_and_is_the_last_row_of_the_sheet(tmp_path):
    root = tmp_path / "drawings"
    root.mkdir()
    for number in range(30):
        drawing(number, (40, 40)).save(root / f"{number:02}.png")
    Image.new("RGB", (40, 40), (200, 0, 0)).save(root / "odd.png")

    def features(images):
        return images.reshape(len(images), -1).astype(float)

    made = build_folder(root, tmp_path / "out", Options(size=64, split=0.97), features=features)
    assert [name.split("/")[1] for name in made.unusual] == ["odd.png"]
    sheet = np.asarray(Image.open(tmp_path / "out" / "contact-sheet.png").convert("RGB"))
    assert sheet[-34, 34].tolist() == [200, 0, 0]
    plain = build_folder(root, tmp_path / "plain", Options(size=64))
    assert plain.unusual == []


def test_opaque_pictures_with_an_alpha_channel_are_not_called_transparent(tmp_path):
    root = tmp_path / "opaque"
    root.mkdir()
    for number in range(4):
        drawing(number, (40, 40)).convert("RGBA").save(root / f"{number}.png")
    made = build_folder(root, tmp_path / "out", Options(size=32))
    assert not any("transparent" in note for note in made.notes)


def test_of_many_pictures_some_are_looked_at(tmp_path, monkeypatch):
    root = tmp_path / "many"
    root.mkdir()
    for number in range(30):
        drawing(number, (40, 40)).save(root / f"{number:02}.png")
    seen = []

    def features(images):
        seen.append(len(images))
        return images.reshape(len(images), -1).astype(float)

    monkeypatch.setattr(folder, "MOST_LOOKED_AT", 10)
    for dedupe in (False, True):
        build_folder(root, tmp_path / f"{dedupe}", Options(dedupe=dedupe), features=features)
    assert seen == [10, 10]
