import gc
import json
import os

import numpy as np
import pytest
from PIL import Image

from steadygan.data import DataSettings, decoding, open_data
from steadygan.data.scan import scan
from steadygan.data.sources import folder
from steadygan.data.split import split_by_content
from steadygan.errors import UserError


def values(split):
    return sorted(split.items[:, 0, 0, 0].tolist())


def fill(paint, count=20, classes=("cat", "dog")):
    for index, name in enumerate(classes):
        for number in range(count):
            paint(f"{name}/{number}.png", 1 + index * count + number)
    return f"folder:{paint.root}"


def test_classes_splits_and_pixels(paint):
    data = open_data(fill(paint))
    assert data.class_names == ("cat", "dog")
    assert data.shape == (3, 64, 64)
    assert (data.settings.size, data.settings.channels) == (64, 3)
    assert (len(data.train), len(data.test)) == (36, 4)
    for split in (data.train, data.test):
        assert (split.items == split.items[:, :1, :1, :1]).all()
        assert (split.labels == (split.items[:, 0, 0, 0] > 20)).all()
    assert np.bincount(data.test.labels).tolist() == [2, 2]
    assert sorted(values(data.train) + values(data.test)) == list(range(1, 41))
    assert json.loads(json.dumps(data.describe()))["train"] == 36


def test_no_subfolders_means_no_labels(paint):
    for number in range(5):
        paint(f"{number}.png", number)
    data = open_data(f"folder:{paint.root}")
    assert data.class_names is data.train.labels is data.test.labels is None
    assert (len(data.train), len(data.test)) == (4, 1)


def test_deeper_folders_belong_to_their_first_level(paint):
    for number in range(4):
        paint(f"cat/a/b{number}/x.png", number)
    paint("dog/x.png", 9)
    paint("dog/y.png", 10)
    data = open_data(f"folder:{paint.root}")
    assert data.class_names == ("cat", "dog")
    assert np.bincount(np.concatenate([data.train.labels, data.test.labels])).tolist() == [4, 2]


def test_loose_images_beside_classes_are_refused(paint):
    spec = fill(paint)
    paint("preview.png", 3)
    with pytest.raises(UserError, match=r"1 images \(first: preview.png\) lie beside 2 class"):
        open_data(spec)


def test_hidden_files_and_other_files_are_left_out(paint):
    spec = fill(paint)
    paint("cat/.hidden.png", 200)
    paint(".git/x.png", 201)
    (paint.root / "cat" / "notes.txt").write_text("x")
    (paint.root / "empty").mkdir()
    data = open_data(spec)
    assert len(data.train) + len(data.test) == 40
    assert data.class_names == ("cat", "dog")
    assert data.quarantine == ()


def test_every_suffix_in_any_case(paint):
    for number, suffix in enumerate(["PNG", "Jpg", "jpeg", "webp", "bmp", "gif", "tif", "TIFF"]):
        paint(f"x.{suffix}", number * 20)
    data = open_data(f"folder:{paint.root}")
    assert len(data.train) + len(data.test) == 8


def test_odd_names(paint):
    names = ["naïve 😀", "漢字", 'a"<b>', "e\u0301", "x" * 200, "new\nline"]
    for index, name in enumerate(names):
        for number in range(3):
            paint(f"{name}/{name} {number}.png", index * 10 + number)
    data = open_data(f"folder:{paint.root}", DataSettings(holdout=0.3))
    assert data.class_names == tuple(sorted(names))
    for item, label in zip(data.train.items, data.train.labels, strict=True):
        assert data.class_names[label] == names[item[0, 0, 0] // 10]


def test_names_that_are_no_utf8(paint):
    fill(paint)
    try:
        os.rename(paint.root / "cat", os.fsencode(paint.root) + b"/\xffcat")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (paint.root / "dog" / os.fsdecode(b"\xfe.png")).write_bytes(b"")
    data = open_data(f"folder:{paint.root}", DataSettings(allow_bad=True))
    assert data.class_names == ("dog", "\\xffcat")
    assert data.quarantine == ({"path": "dog/\\xfe.png", "reason": "empty file"},)
    json.dumps([data.describe(), data.quarantine], ensure_ascii=False).encode()


def test_links(paint):
    spec = fill(paint)
    plain = open_data(spec)
    (paint.root / "cat" / "loop").symlink_to(paint.root)
    (paint.root / "aaa").symlink_to(paint.root / "dog")  # by name it comes before dog
    linked = open_data(spec)
    assert linked.fingerprint == plain.fingerprint
    outside = paint.root.parent / "birds"
    outside.mkdir()
    Image.new("RGB", (9, 9), (100, 0, 0)).save(outside / "1.png")
    (paint.root / "bird").symlink_to(outside)
    assert open_data(spec).class_names == ("bird", "cat", "dog")


def test_bad_files_are_quarantined_with_their_reason(paint):
    spec = fill(paint)
    good = open_data(spec)
    (paint.root / "cat" / "empty.png").write_bytes(b"")
    whole = (paint.root / "cat" / "1.png").read_bytes()
    (paint.root / "cat" / "cut.png").write_bytes(whole[:50])
    (paint.root / "dog" / "dead.jpg").symlink_to("nowhere")
    os.mkfifo(paint.root / "dog" / "pipe.png")
    with open(paint.root / "dog" / "vast.png", "wb") as file:
        file.truncate(folder.MAX_BYTES + 1)
    data = open_data(spec, DataSettings(allow_bad=True))
    reasons = {each["path"]: each["reason"] for each in data.quarantine}
    assert list(reasons) == sorted(reasons)
    assert reasons.pop("cat/cut.png").startswith("OSError: ")
    assert reasons == {
        "cat/empty.png": "empty file",
        "dog/dead.jpg": "a dead link",
        "dog/pipe.png": "not a regular file",
        "dog/vast.png": "268,435,457 bytes are more than any image within the pixel limit",
    }
    # The good ones are what they were, in the same split.
    assert data.fingerprint == good.fingerprint


def test_more_than_one_percent_bad_stops_and_one_percent_does_not(paint):
    fill(paint, 49)
    for number in (1, 2):
        (paint.root / "dog" / f"bad{number}.png").write_bytes(b"?")
    spec = f"folder:{paint.root}"
    with pytest.raises(UserError, match=r"2 of 100 .*first: dog/bad1.png: no PNG.*allow-bad"):
        open_data(spec)
    with pytest.raises(UserError, match="2 of 100 images"):  # from the cache too
        open_data(spec)
    assert len(open_data(spec, DataSettings(allow_bad=True)).quarantine) == 2
    paint("dog/bad1.png", 254)
    assert [bad["path"] for bad in open_data(spec).quarantine] == ["dog/bad2.png"]


def test_wrong_folders(paint, monkeypatch):
    root = paint.root
    (root / "file").write_text("x")
    for path, words in (
        (root / "nowhere", "no such folder"),
        (root / "file", "not a folder"),
        (root, "no images in it"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            open_data(f"folder:{path}")
        assert str(path) in str(caught.value)
    paint("one.png", 1)
    paint("same.png", 1)
    with pytest.raises(UserError, match="1 different images can be decoded out of 2 files"):
        open_data(f"folder:{root}")
    (root / "one.png").write_bytes(b"")
    (root / "same.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"0 different images .* one.png: empty file"):
        open_data(f"folder:{root}")

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)  # chmod does not stop root, who may run this
    with pytest.raises(UserError, match=r"cannot read .*: Permission denied"):
        open_data(f"folder:{root}")


def test_an_unreadable_file_is_quarantined(paint, monkeypatch):
    spec = fill(paint)
    opened = folder._without_waiting

    def refuse(path, flags):
        if path.endswith("/3.png"):
            raise PermissionError(13, "Permission denied")
        return opened(path, flags)

    monkeypatch.setattr(folder, "_without_waiting", refuse)
    data = open_data(spec, DataSettings(allow_bad=True))
    assert data.quarantine[0] == {
        "path": "cat/3.png",
        "reason": "cannot be read: Permission denied",
    }


def test_the_fingerprint_moves_with_content_and_settings_only(paint, tmp_path):
    spec = fill(paint)
    one = open_data(spec).fingerprint
    os.utime(paint.root / "cat" / "0.png", (1, 1))
    (paint.root / "cat" / "0.png").rename(paint.root / "cat" / "zero.png")
    assert open_data(spec).fingerprint == one
    paint.root.rename(tmp_path / "moved")
    moved = f"folder:{tmp_path / 'moved'}"
    assert open_data(moved).fingerprint == one
    seen = {one}
    for settings in ({"size": 32}, {"channels": 1}, {"holdout": 0.3}):
        seen.add(open_data(moved, DataSettings(**settings)).fingerprint)
    assert len(seen) == 4
    assert open_data(moved, DataSettings(flip=True)).fingerprint == one
    (tmp_path / "moved" / "cat").rename(tmp_path / "moved" / "cow")
    assert open_data(moved).fingerprint not in seen


def test_equal_files_stay_on_one_side():
    digests = [bytes([number // 2]) for number in range(40)]
    train, test = split_by_content(digests, [0] * 40, 0.25)
    assert sorted([*train, *test]) == list(range(40))
    assert not {digests[row] for row in train} & {digests[row] for row in test}
    assert len(test) == 10
    # Also where the same picture lies in two classes.
    train, test = split_by_content([b"a", b"a", b"b", b"c"], [0, 1, 0, 1], 0.4)
    assert ({0, 1} <= set(train)) != ({0, 1} <= set(test))


@pytest.mark.parametrize("holdout", [0.001, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("sizes", [(2,), (1, 1), (3, 50, 7), (100,)])
def test_shares_by_class_and_at_least_one_on_each_side(holdout, sizes):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    digests = [bytes([number * 37 % 251]) for number in range(len(labels))]
    train, test = split_by_content(digests, labels.tolist(), holdout)
    assert sorted([*train, *test]) == list(range(len(labels)))
    assert min(len(train), len(test)) >= 1
    held = np.bincount(labels[test], minlength=len(sizes))
    assert np.abs(held - holdout * np.array(sizes)).max() <= 1


@pytest.mark.parametrize("before", range(400, 412))
def test_the_only_image_of_a_class_is_trained_on(before):
    """It would be drawn by a method with classes, and never be learned."""
    labels = [0] * before + [1] + [2] * 405
    digests = [number.to_bytes(2, "big") for number in range(len(labels))]
    train, test = split_by_content(digests, labels, 0.1)
    assert before in train
    assert len(test) == pytest.approx(len(labels) / 10, abs=1.5)


def test_the_split_does_not_depend_on_the_order_of_the_files():
    digests = [bytes([number * 91 % 256]) for number in range(30)]
    train, test = split_by_content(digests, [0] * 30, 0.2)
    back = split_by_content(digests[::-1], [0] * 30, 0.2)
    assert [digests[row] for row in test] == [digests[::-1][row] for row in back[1]]
    assert [digests[row] for row in train] == [digests[::-1][row] for row in back[0]]


def test_scan_sorts_whatever_the_file_system_says(paint, monkeypatch):
    fill(paint, 3)
    want = scan(paint.root).found
    assert [each.name for each in want] == sorted(each.name for each in want)
    assert want[0].label == "cat"


def test_train_and_test_folders_are_the_split(paint):
    for number in range(6):
        paint(f"train/cat/{number}.png", number)
        paint(f"train/dog/{number}.png", 20 + number)
    paint("test/cat/x.png", 50)
    paint("test/dog/x.png", 60)
    data = open_data(f"folder:{paint.root}")
    assert data.class_names == ("cat", "dog")
    assert values(data.test) == [50, 60]
    assert len(data.train) == 12
    with pytest.raises(UserError, match=r"holdout= means nothing .* its split is given"):
        open_data(f"folder:{paint.root}", DataSettings(holdout=0.2))
    (paint.root / "test" / "cat" / "x.png").write_bytes(b"")
    (paint.root / "test" / "dog" / "x.png").write_bytes(b"")
    with pytest.raises(UserError, match="no image of its held-out part can be decoded"):
        open_data(f"folder:{paint.root}", DataSettings(allow_bad=True))


def test_train_and_test_without_classes_and_with_loose_images(paint):
    for number in range(4):
        paint(f"train/{number}.png", number)
    paint("test/x.png", 50)
    data = open_data(f"folder:{paint.root}")
    assert data.class_names is None
    assert values(data.test) == [50]
    paint("train/cat/x.png", 9)
    with pytest.raises(UserError, match="lie beside 1 class folders"):
        open_data(f"folder:{paint.root}")


def test_train_beside_another_class_is_a_class(paint):
    for name in ("train", "bus", "test"):
        for number in range(3):
            paint(f"{name}/{number}.png", number + len(name) * 10)
    assert open_data(f"folder:{paint.root}").class_names == ("bus", "test", "train")


@pytest.fixture
def at_decoding(monkeypatch):
    """at_decoding(act): `act()` runs once, before the first image is decoded."""
    decode, acts = decoding.decode, []

    def one(*args):
        if acts:
            acts.pop()()
        return decode(*args)

    monkeypatch.setattr(decoding, "decode", one)
    monkeypatch.setattr(decoding, "_WORKERS", 1)
    return acts.append


def test_files_that_go_or_change_while_they_are_read_are_left_out(paint, at_decoding):
    spec = fill(paint)
    cat = paint.root / "cat"

    def meddle():
        (cat / "9.png").unlink()
        paint("cat/8.png", 250)  # of the same size
        (cat / "7.png").unlink()
        os.mkfifo(cat / "7.png")  # whose reading would wait for ever

    at_decoding(meddle)
    data = open_data(spec, DataSettings(allow_bad=True))
    changed = "has changed since the folder was read; run again"
    assert data.quarantine == (
        {"path": "cat/7.png", "reason": changed},
        {"path": "cat/8.png", "reason": changed},
        {"path": "cat/9.png", "reason": "cannot be read: No such file or directory"},
    )
    again = open_data(spec, DataSettings(allow_bad=True))
    assert 250 in values(again.train) + values(again.test)


def test_a_folder_that_goes_while_it_is_scanned(paint, monkeypatch):
    fill(paint)
    scandir = os.scandir

    def gone(path):
        if str(path).endswith("dog"):
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", gone)
    with pytest.raises(UserError, match="dog went away while it was read; run again"):
        open_data(f"folder:{paint.root}")


def test_links_to_themselves_and_pipes(paint):
    spec = fill(paint)
    plain = open_data(spec)
    (paint.root / "cat" / "round").symlink_to("round")
    (paint.root / "cat" / "round.png").symlink_to("round.png")
    (paint.root / "one").symlink_to("two")
    (paint.root / "two").symlink_to("one")
    os.mkfifo(paint.root / "cat" / "pipe")
    data = open_data(spec, DataSettings(allow_bad=True))
    assert data.fingerprint == plain.fingerprint
    assert data.quarantine == ({"path": "cat/round.png", "reason": "a dead link"},)
    os.mkfifo(paint.root / "pipe")
    with pytest.raises(UserError, match="not a folder"):
        open_data(f"folder:{paint.root / 'pipe'}")


def test_one_image_is_too_few(paint):
    paint("one.png", 1)
    with pytest.raises(UserError, match="1 different images can be decoded out of 1 files"):
        open_data(f"folder:{paint.root}")


def test_phases_name_themselves(paint, monkeypatch):
    monkeypatch.setattr("steadygan.data.scan._OFTEN", 15)
    calls = []
    spec = fill(paint)
    open_data(spec, progress=lambda *call: calls.append(call))
    scanning = [("scanning", 15, None), ("scanning", 30, None)]
    assert calls == [*scanning, *scanning, ("decoding", 40, 40), ("writing", 40, 40)]
    calls.clear()
    open_data(spec, progress=lambda *call: calls.append(call))
    assert calls == [*scanning, ("checking", 1, 2), ("checking", 2, 2)]


def test_scanning_never_waits_for_the_collector(paint):
    for number in range(300):
        (paint.root / f"{number}.png").write_bytes(b"")
    (paint.root.parent / "empty").mkdir()
    collected, old = [], gc.get_threshold()

    def note(phase, info):
        collected.append(phase)

    gc.callbacks.append(note)
    gc.set_threshold(50)
    try:
        assert len(scan(paint.root).found) == 300
    finally:
        gc.set_threshold(*old)
        gc.callbacks.remove(note)
    assert len(collected) <= 4  # before and after it, not once for each 50 files
    assert gc.isenabled()
    with pytest.raises(UserError, match="no images"):
        scan(paint.root.parent / "empty")
    assert gc.isenabled()


@pytest.mark.parametrize("name", ["a.b.PNG", "x.", "none", "..png", "a.png.txt"])
def test_endings_are_those_of_splitext(paint, name):
    paint("z.png", 1)
    (paint.root / name).write_bytes(b"")
    listing = scan(paint.root)
    ending = os.path.splitext(name)[1].lower()
    hidden = name.startswith(".")
    assert listing.others == ({} if hidden or ending == ".png" else {ending: 1})
    assert len(listing.found) == 1 + (ending == ".png" and not hidden)
