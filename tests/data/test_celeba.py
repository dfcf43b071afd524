"""CelebA's layout, with pictures that the test paints."""

import numpy as np
import pytest
from PIL import Image

from steadygan.data import DataSettings, open_data
from steadygan.errors import UserError

NAMES = "5_o_Clock_Shadow Smiling Young"


@pytest.fixture
def folder(tmp_path):
    """Eight aligned pictures: red, with a centre of 108 x 108 in grey of 10 x number."""
    images = tmp_path / "img_align_celeba"
    images.mkdir()
    rows = []
    for number in range(1, 9):
        pixels = np.zeros((218, 178, 3), dtype=np.uint8)
        pixels[..., 0] = 255
        pixels[55:163, 35:143] = 10 * number
        Image.fromarray(pixels).save(images / f"{number:06}.jpg", "PNG")  # exact
        rows.append(f"{number:06}.jpg  1 {'-1' if number % 2 else ' 1'} -1")
    (tmp_path / "list_attr_celeba.txt").write_text("\n".join(["8", NAMES, *rows]) + "\n")
    return tmp_path


def parts(folder, digits):
    lines = [f"{number:06}.jpg {digit}" for number, digit in enumerate(digits, 1)]
    (folder / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")


def greys(split):
    assert (split.items == split.items[:, :1, :1, :1]).all()  # none of the red frame
    return sorted((split.items[:, 0, 0, 0] // 10).tolist())


def test_the_centre_of_108_pixels_and_nothing_else(folder):
    data = open_data(f"celeba:{folder}")
    assert data.shape == (3, 64, 64)
    assert data.class_names is data.train.labels is None
    assert sorted(greys(data.train) + greys(data.test)) == list(range(1, 9))


def test_the_papers_crop_pixel_by_pixel(folder):
    noise = np.random.default_rng(0).integers(0, 256, (218, 178, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "img_align_celeba" / "000001.png")
    data = open_data(f"celeba:{folder}", DataSettings(size=108))
    rows = np.concatenate([data.train.items, data.test.items])
    want = noise[55 : 55 + 108, 35 : 35 + 108].transpose(2, 0, 1)
    assert (rows == want).all(axis=(1, 2, 3)).sum() == 1


def test_an_attribute_makes_two_classes(folder):
    data = open_data(f"celeba:{folder}", DataSettings(attribute="Smiling"))
    assert data.class_names == ("not Smiling", "Smiling")
    for split in (data.train, data.test):
        grey = np.round(split.items.mean(axis=(1, 2, 3)) / 10).astype(int)
        assert (split.labels == (grey % 2 == 0)).all()
    young = open_data(f"celeba:{folder}", DataSettings(attribute="Young"))
    assert not young.train.labels.any()
    assert young.fingerprint != data.fingerprint


def test_the_official_split_holds(folder):
    parts(folder, "00001122")
    data = open_data(f"celeba:{folder}")
    assert (greys(data.train), greys(data.test)) == ([1, 2, 3, 4], [5, 6, 7, 8])
    parts(folder, "11112200")
    assert greys(open_data(f"celeba:{folder}").train) == [7, 8]
    with pytest.raises(UserError, match=r"holdout= means nothing .* its split is given"):
        open_data(f"celeba:{folder}", DataSettings(holdout=0.2))
    parts(folder, "0000112")
    with pytest.raises(UserError, match=r"no line for 1 images \(first: 000008.jpg\)"):
        open_data(f"celeba:{folder}")
    parts(folder, "00001129")
    with pytest.raises(UserError, match="line 8 wants a file name and 0, 1 or 2"):
        open_data(f"celeba:{folder}")


def test_other_sizes_and_images_without_a_line_are_left_out(folder):
    Image.new("RGB", (218, 178)).save(folder / "img_align_celeba" / "000009.jpg")
    listed = folder / "list_attr_celeba.txt"
    listed.write_text(listed.read_text().replace("000003.jpg", "x.jpg"))
    settings = DataSettings(attribute="Smiling", allow_bad=True)
    data = open_data(f"celeba:{folder}", settings)
    assert {each["path"]: each["reason"] for each in data.quarantine} == {
        "000003.jpg": "has no line in list_attr_celeba.txt",
        "000009.jpg": "has no line in list_attr_celeba.txt",
    }
    (bad,) = open_data(f"celeba:{folder}", DataSettings(allow_bad=True)).quarantine
    assert bad["reason"] == "218 x 178; aligned ones are 178 x 218"


def test_wrong_folders_and_attributes(folder):
    spec = f"celeba:{folder}"
    with pytest.raises(UserError, match=r"attribute=smiling: none of .*did you mean 'Smiling'"):
        open_data(spec, DataSettings(attribute="smiling"))
    with pytest.raises(UserError, match="attribute= means nothing for --data mnist"):
        open_data("mnist", DataSettings(attribute="Smiling"))
    listed = folder / "list_attr_celeba.txt"
    listed.write_text(listed.read_text().replace("000004.jpg  1  1", "000004.jpg  1  2"))
    with pytest.raises(UserError, match="is damaged: line 6 wants"):
        open_data(spec, DataSettings(attribute="Smiling"))
    listed.write_text("8\n")
    with pytest.raises(UserError, match="its second line names no attributes"):
        open_data(spec, DataSettings(attribute="Smiling"))
    listed.unlink()
    with pytest.raises(UserError, match=r"no list_attr_celeba.txt in .*mmlab.ie.cuhk.edu.hk"):
        open_data(spec, DataSettings(attribute="Smiling"))
    (folder / "img_align_celeba").rename(folder / "faces")
    with pytest.raises(UserError, match=r"no folder img_align_celeba in .*mmlab"):
        open_data(spec)
    with pytest.raises(UserError, match="celeba:DIR"):
        open_data("celeba")
