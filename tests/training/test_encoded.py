"""`sample --from`: pictures through the encoder of a run."""

import re
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from steadygan import cli
from steadygan.data import open_data
from steadygan.errors import UserError
from steadygan.methods import methods
from steadygan.training import checkpoint, encoded, pictures, train
from steadygan.training.encoded import load_encoder, read_images, sample_from
from steadygan.training.picture_files import Looks
from steadygan.training.sampling import path_between
from tests.reliability import games


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of methods with and without an encoder."""
    torch.set_num_threads(1)
    home = tmp_path_factory.mktemp("encoded")
    changes = {"uniform": games.small("decoding").changed(prior={"name": "uniform", "dim": 8}),
               "random": games.small("decoding").changed(features="normal")}  # fmt: skip
    names = ("bigan", "decoding", "gan", *changes)
    return {
        name: train(changes.get(name) or games.small(name), games.images(), out=home / name,
                    steps=3, device="cpu", precision="fp32")
        for name in names
    }  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three pictures: one as large as the run's, one of another shape in colour, one grey."""
    home, random = tmp_path_factory.mktemp("pictures"), np.random.RandomState(0)
    sizes = {"a.png": (16, 16), "b.jpg": (40, 30, 3), "字.webp": (20, 20)}
    for name, size in sizes.items():
        Image.fromarray(random.randint(0, 256, size).astype(np.uint8)).save(home / name)
    return [home / name for name in sizes]


@pytest.mark.parametrize("name", ["bigan", "decoding", "uniform"])
def test_samples_are_the_average_of_g_at_the_encoders_latents(name, runs, files, tmp_path):
    run = runs[name]
    recipe = games.small("decoding" if name == "uniform" else name)
    recipe = recipe.changed(prior={"name": "uniform", "dim": 8}) if name == "uniform" else recipe
    state, found = recipe.start((1, 16, 16)), checkpoint.load(games.whole_state(run)[0]).tensors
    x = torch.from_numpy(read_images(files, (1, 16, 16))).float() / 127.5 - 1

    def weights(prefix):
        return {k.removeprefix(prefix): v for k, v in found.items() if k.startswith(prefix)}

    if name == "bigan":
        encoder = state.players["g"]["encoder"]
        encoder.load_state_dict(weights("players/g/encoder."))
        z = encoder.eval()(x)
    else:
        unet = state.players["autoencoder"]["autoencoder"]
        unet.load_state_dict(weights("players/autoencoder/autoencoder."))
        statistics = weights("states/features.")
        spread = (statistics["squares"] / statistics["count"]).sqrt().clamp_min(1e-6)
        z = ((unet.encode(x)[0] - statistics["mean"]) / spread).float()
        z = z.tanh() if name == "uniform" else z
    state.g_ema.load_state_dict(weights("average/"))
    wanted = pictures.to_uint8(state.g_ema.eval()(z).detach())
    made = np.load(sample_from(run, files, tmp_path / "a.npy", say=games.quiet))
    assert np.array_equal(made, wanted)


def test_a_grid_has_the_files_above_what_is_made_of_them(runs, files, tmp_path):
    made = np.load(sample_from(runs["bigan"], files, tmp_path / "a.npy", say=games.quiet))
    with Image.open(sample_from(runs["bigan"], files, tmp_path / "a.png", say=games.quiet)) as grid:
        cells = np.asarray(grid.convert("L"))
    x = read_images(files, (1, 16, 16))
    for column in range(3):
        left = 18 * column + 2 if cells.shape[1] == 3 * 18 + 2 else 18 * column
        top = left - 18 * column
        assert np.array_equal(cells[top : top + 16, left : left + 16], x[column, 0])
        below = cells[top + 18 : top + 34, left : left + 16]
        assert np.array_equal(below, made[column, ..., 0])


def test_a_walk_goes_from_each_file_to_the_next(runs, files, tmp_path):
    out = sample_from(runs["decoding"], files, tmp_path / "walk.npy", interpolate=True,
                      say=games.quiet)  # fmt: skip
    walk, ends = (
        np.load(out),
        np.load(sample_from(runs["decoding"], files, tmp_path / "ends.npy", say=games.quiet)),
    )
    assert len(walk) == 20
    for index, end in ((0, 0), (9, 1), (10, 1), (19, 2)):
        assert np.abs(walk[index].astype(int) - ends[end]).max() <= 1
    encode, generator, prior, _ = load_encoder(runs["decoding"], games.quiet)
    latents = encode(torch.from_numpy(read_images(files, (1, 16, 16))).float() / 127.5 - 1)
    third = path_between(prior, latents[:2], 9)[3:4]
    assert np.abs(pictures.to_uint8(generator(third).detach())[0].astype(int) - walk[3]).max() <= 1


def test_an_animation_comes_back_to_the_first_file(runs, files, tmp_path, monkeypatch):
    ends = np.load(sample_from(runs["bigan"], files, tmp_path / "a.npy", say=games.quiet))
    taken = []
    monkeypatch.setattr(encoded, "write_animation", lambda frames, *_: taken.extend(frames))
    looks = Looks(seconds=2, fps=15)
    sample_from(runs["bigan"], files, tmp_path / "walk.gif", looks=looks, say=games.quiet)
    assert len(taken) == 30
    for frame, end in ((0, 0), (10, 1), (20, 2)):
        assert np.abs(np.asarray(taken[frame]).astype(int) - ends[end, ..., 0]).max() <= 1
    monkeypatch.undo()
    with Image.open(sample_from(runs["bigan"], files, tmp_path / "b.gif", say=games.quiet)) as film:
        assert film.size == (16, 16)


def test_a_folder_holds_what_was_made(runs, files, tmp_path):
    out = sample_from(runs["bigan"], files, tmp_path / "each", say=games.quiet)
    assert sorted(path.name for path in out.iterdir()) == [f"from-{i}.png" for i in range(3)]


def test_every_recipe_says_whether_it_has_an_encoder():
    assert [name for name, method in methods().items() if method.recipe.has_encoder] == [
        "bigan", "decoding"]  # fmt: skip


@pytest.mark.parametrize("name", ["gan", "random"])
def test_a_run_without_an_encoder_is_refused(name, runs, files, tmp_path):
    with pytest.raises(UserError, match="wants a method with an encoder, such as bigan"):
        sample_from(runs[name], files, tmp_path / "a.png", say=games.quiet)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_done_is_one_line(runs, files, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not a picture")
    cases = {
        "bad.png: no PNG": ([bad], {}),
        "none.png: No such file": ([tmp_path / "none.png"], {}),
        "two images or more": (files[:1], {"interpolate": True}),
        "1 to 64 images": (files[:1] * 65, {}),
        "takes no class": (files, {"category": "a"}),
    }
    for says, (images, more) in cases.items():
        with pytest.raises(UserError, match=re.escape(says)):
            sample_from(runs["bigan"], images, tmp_path / "a.png", say=games.quiet, **more)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.png"]


def test_a_run_of_points_is_refused(files, tmp_path):
    recipe = games.small("bigan", (2,), stages=0)
    run = train(recipe, open_data("ring"), out=tmp_path / "ring", steps=1, device="cpu")
    with pytest.raises(UserError, match="points, not images"):
        sample_from(run, files, tmp_path / "a.png", say=games.quiet)


def test_the_command(runs, files, tmp_path, monkeypatch, capsys):
    words = ["steadygan", "sample", str(runs["bigan"]), "--from", str(files[0]), "--out"]
    monkeypatch.setattr(sys, "argv", [*words, str(tmp_path / "a.png"), "--scale", "2"])
    cli.main()
    with Image.open(tmp_path / "a.png") as image:
        assert image.height > 64
    monkeypatch.setattr(sys, "argv", [*words, str(tmp_path / "b.png"), "--count", "4", "--best"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert "--from: does not go with --count or --best" in capsys.readouterr().err
