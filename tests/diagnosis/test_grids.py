"""Folders of sample grids of other programs: how they are cut, and what pictures can show."""

import json

import numpy as np
import pytest
from PIL import Image

from steadygan import cli
from steadygan.data import open_data
from steadygan.diagnosis.grids import between, blanks, cut, diagnose_grids, read_grids, repeated
from steadygan.errors import UserError

RANDOM = np.random.RandomState(0)
DIGITS = open_data("mnist").train.items[:2000]


def grid_of(samples, line=2, colour=0, columns=8):
    """Samples (n, C, H, W) uint8 as one picture with lines, as torchvision's `save_image`."""
    count, channels, height, width = samples.shape
    rows = count // columns
    shape = (rows * (height + line) + line, columns * (width + line) + line, channels)
    picture = np.full(shape, colour, np.uint8)
    for i, sample in enumerate(samples):
        top, left = (line + (i // columns) * (height + line), line + i % columns * (width + line))
        picture[top : top + height, left : left + width] = sample.transpose(1, 2, 0)
    return picture


def noise(count=64, channels=1, height=28, width=28, seed=0):
    shape = (count, channels, height, width)
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def saved(folder, grids, name="fake_{:05d}.png"):
    folder.mkdir(exist_ok=True)
    for n, picture in enumerate(grids):
        image = picture[..., 0] if picture.shape[2] == 1 else picture
        Image.fromarray(image).save(folder / name.format(100 * n))
    return folder


# ---- cutting -------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [1, 2, 5])
@pytest.mark.parametrize("colour", [0, 255, 128])
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 28, 28), (3, 32, 32), (3, 24, 40)])
def test_a_grid_is_cut_into_the_samples_it_was_made_of(line, colour, channels, height, width):
    samples = noise(48, channels, height, width)
    assert np.array_equal(cut(grid_of(samples, line, colour), None, "x"), samples)


def test_digits_with_black_margins_between_black_lines_are_not_cut_in_pieces():
    samples = DIGITS[:64]
    assert np.array_equal(cut(grid_of(samples), None, "x"), samples)


def test_without_lines_the_side_of_a_sample_is_asked_for():
    samples = noise(16, 3, 32, 32)
    picture = grid_of(samples, line=0, columns=4)
    with pytest.raises(UserError, match=r"no lines between samples .* give the side .* --tile 64"):
        cut(picture, None, "a.png")
    assert np.array_equal(cut(picture, 32, "a.png"), samples)
    with pytest.raises(UserError, match="for cells of 30 px"):
        cut(picture, 30, "a.png")


def test_grids_come_in_the_order_of_the_last_number_in_their_names(tmp_path):
    folder = saved(tmp_path / "g", [grid_of(noise(seed=n)) for n in range(3)], "run7_{}.png")
    (folder / "notes.txt").write_text("no picture")
    assert [grid.step for grid in read_grids(folder)] == [0, 100, 200]
    many = saved(tmp_path / "many", [grid_of(noise(seed=0)) for _ in range(50)])
    steps = [grid.step for grid in read_grids(many)]
    assert (len(steps), steps[0], steps[-1]) == (20, 0, 4900)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: None, "no TensorBoard event file and no picture"),
        (lambda folder: (folder / "a.png").write_bytes(b"\x89PNG nothing"), "cannot be read"),
        (lambda folder: saved(folder, [grid_of(noise()), grid_of(noise(64, 3))]),
         r"3 channels, those of fake_00000.png 28 x 28 px with 1 channel"),
    ],
)  # fmt: skip
def test_bad_folders_are_one_line(make, said, tmp_path):
    make(tmp_path)
    with pytest.raises(UserError, match=said):
        read_grids(tmp_path)


# ---- what pictures show --------------------------------------------------------------------


def healthy(n):
    rows = np.random.RandomState(n).permutation(len(DIGITS))[:64]
    return grid_of(DIGITS[rows])


def of_one(n):
    return grid_of(np.repeat(DIGITS[n : n + 1], 64, 0))


def of_few(n):
    return grid_of(np.tile(DIGITS[:4], (16, 1, 1, 1)))


GREY = np.full((64, 1, 28, 28), 127, np.uint8)


@pytest.mark.parametrize(
    ("make", "name"),
    [(of_one, "total-collapse"), (of_few, "partial-collapse"), (lambda n: healthy(3),
     "g-not-updated"), (lambda n: grid_of(GREY), "bad-samples")],
)  # fmt: skip
def test_faults_that_pictures_show_are_named(make, name, tmp_path):
    grids = [make(n) for n in range(4)]
    if name != "g-not-updated":  # the first ones differ
        grids[0] = healthy(9)
    found = diagnose_grids(read_grids(saved(tmp_path / "g", grids)))
    assert (found.verdict, found.headline.name) == ("fault", name)


def test_good_pictures_alone_prove_nothing(tmp_path):
    grids = read_grids(saved(tmp_path / "g", [healthy(n) for n in range(4)]))
    found = diagnose_grids(grids)
    assert found.verdict == "undecided"
    assert "--real DATA" in found.needs


def test_beside_real_images_the_samples_are_judged(tmp_path):
    good = saved(tmp_path / "good", [grid_of(noise()), *(healthy(n) for n in range(4))])
    assert diagnose_grids(read_grids(good), "mnist").verdict == "healthy"
    bad = saved(tmp_path / "bad", [grid_of(noise(seed=n)) for n in range(5)])
    found = diagnose_grids(read_grids(bad), "mnist")
    assert found.is_fault


def test_measures_know_one_sample_many_and_blank_ones(tmp_path):
    (one, many, few), grey = (
        read_grids(saved(tmp_path / str(i), [f(0)]))[0].samples
        for i, f in enumerate((of_one, healthy, of_few))
    ), read_grids(saved(tmp_path / "grey", [grid_of(GREY, colour=0)]))[0].samples  # fmt: skip
    assert between(one) < 1e-6 < 0.3 < between(many)
    assert repeated(few) == 1.0 > 0.1 > repeated(many)
    assert (blanks(grey), blanks(many)) == (1.0, 0.0)


def test_the_command_reads_a_folder_and_says_what_it_read(tmp_path, monkeypatch, capsys):
    def typed(*words):
        monkeypatch.setattr("sys.argv", ["steadygan", "diagnose", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, capsys.readouterr()

    folder = saved(tmp_path / "g", [healthy(0), of_one(1), of_one(2), of_one(3)])
    code, said = typed(folder, "--json")
    assert code == 1
    assert json.loads(said.out)["headline"]["name"] == "total-collapse"
    code, said = typed(folder)
    assert code == 1
    assert "grids: 4 read; 64 samples of 28 x 28 px with 1 channel(s) in fake_00300.png" in said.out
    code, said = typed(folder, "--map", "d_loss=x")
    assert (code, "has no log" in said.err) == (2, True)
    log = tmp_path / "log.csv"
    log.write_text("lossD\n1\n")
    code, said = typed(log, "--tile", "28")
    assert (code, "are for a folder of sample grids" in said.err) == (2, True)
