"""PSNR, SSIM, and whether a feature says anything of its image; then all of it in a run."""

import ast
import copy
import json
import sys
import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.signal import convolve2d
from tiny import GREY, dataset, differing, run_facts, shrunk, trainer

import steadygan
from steadygan.data import Split
from steadygan.methods import find
from steadygan.metrics import reconstruction
from steadygan.metrics.reconstruction import (
    CAP,
    Rebuilder,
    by_chance,
    in_bytes,
    is_informative,
    judge_stage,
    measure,
    nearest,
    part_of,
    psnr,
    retrieved,
    same_class,
    spread,
    ssim,
)
from steadygan.training import Hooks, train
from steadygan.training.runfolder import RunFolder, read_facts


def pictures(count=4, channels=3, side=20, seed=0):
    """Smooth random pictures of whole grey levels, float32."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, channels, 5, 5, generator=random) * 255
    fine = torch.nn.functional.interpolate(coarse, side, mode="bilinear", align_corners=False)
    return (fine + 20 * torch.rand(fine.shape, generator=random)).clamp(0, 255).round()


# ---- PSNR ----------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [1.0, 5.0, 255.0])
def test_psnr_of_an_offset_is_exact(offset):
    black = torch.zeros(2, 3, 8, 8)
    expected = 20 * np.log10(255 / offset)
    assert psnr(black, black + offset).tolist() == pytest.approx([expected] * 2, abs=1e-4)
    assert psnr(black, black + offset / 255, scale=1.0).tolist() == pytest.approx(
        [expected] * 2, abs=1e-4
    )


def test_psnr_is_that_of_each_image_alone():
    images, random = pictures(5), np.random.RandomState(0)
    rebuilt = images + torch.from_numpy(random.randn(*images.shape)).float() * 7
    expected = []
    for one, other in zip(images.double().numpy(), rebuilt.double().numpy(), strict=True):
        expected.append(10 * np.log10(255**2 / ((one - other) ** 2).mean()))
    np.testing.assert_allclose(psnr(images, rebuilt).numpy(), expected, rtol=1e-5)


def test_equal_images_have_the_cap_and_those_beside_them_keep_their_own():
    images = pictures(2)
    rebuilt = images.clone()
    rebuilt[1] += 10
    found = psnr(images, rebuilt)
    assert found[0] == CAP == 100.0
    assert found[1].item() == pytest.approx(20 * np.log10(25.5), abs=1e-4)


# ---- SSIM ----------------------------------------------------------------------------------


def ssim_by_hand(one, other):
    """Wang et al. 2004, eq. 13, at every place of an 11 x 11 Gaussian window inside the image."""
    at = np.arange(11) - 5
    line = np.exp(-(at**2) / (2 * 1.5**2))
    window = np.outer(line, line) / np.outer(line, line).sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

    def mean(image):
        return convolve2d(image, window, mode="valid")

    means = []
    for x, y in zip(one, other, strict=True):
        mx, my = mean(x), mean(y)
        vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
        top = (2 * mx * my + c1) * (2 * cov + c2)
        means.append((top / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean())
    return np.mean(means)


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_is_that_of_the_paper(channels):
    images = pictures(3, channels)
    rebuilt = (images + 30 * pictures(3, channels, seed=1) / 255).clamp(0, 255).round()
    expected = [
        ssim_by_hand(one, other)
        for one, other in zip(images.double().numpy(), rebuilt.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(ssim(images, rebuilt).numpy(), expected, atol=2e-4)


def test_ssim_of_an_image_with_itself_is_1():
    assert ssim(pictures(), pictures()).tolist() == pytest.approx([1.0] * 4, abs=1e-6)


def test_ssim_is_symmetric_and_between_minus_1_and_1():
    one, other = pictures(8), pictures(8, seed=3)
    forth, back = ssim(one, other), ssim(other, one)
    torch.testing.assert_close(forth, back, rtol=0, atol=1e-6)
    assert forth.abs().max() < 1
    assert ssim(one, 255 - one).max() < 0  # a negative has the contrary structure


def test_ssim_of_flat_images_compares_their_brightness_alone():
    one, other = torch.full((1, 1, 16, 16), 100.0), torch.full((1, 1, 16, 16), 150.0)
    c1 = 2.55**2
    expected = (2 * 100 * 150 + c1) / (100**2 + 150**2 + c1)
    assert ssim(one, other).item() == pytest.approx(expected, abs=1e-3)


def test_torchmetrics_comes_late():
    """Its import takes a second: nothing of the package has it at the top of a file."""
    for path in Path(steadygan.__file__).parent.rglob("*.py"):
        top = ast.parse(path.read_text(encoding="utf-8")).body
        found = [
            ast.unparse(node) for node in top if isinstance(node, (ast.Import, ast.ImportFrom))
        ]
        assert not [line for line in found if "torchmetrics" in line], path


def test_what_its_import_warns_of_stays_inside(monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monkeypatch.delitem(sys.modules, "torchmetrics.functional.image", raising=False)
        monkeypatch.setattr(sys, "meta_path", [Warns(), *sys.meta_path])
        assert reconstruction._torchmetrics().__name__ == "torchmetrics.functional.image"


class Warns:
    """An importer that warns of what it is asked for, and leaves it to the others."""

    def find_spec(self, name, path, target=None):
        warnings.warn(f"{name} is old", DeprecationWarning, stacklevel=2)


# ---- numbers -------------------------------------------------------------------------------


def test_spread_is_mean_deviation_least_and_greatest():
    found = spread(torch.tensor([1.0, 2.0, 3.0, 6.0]))
    assert found == {"mean": 3.0, "std": round(np.std([1, 2, 3, 6]), 4), "min": 1.0, "max": 6.0}


def test_images_are_judged_in_whole_grey_levels():
    found = in_bytes(torch.tensor([-1.2, -1.0, 0.0, 0.501, 1.0, 7.0]))
    assert found.tolist() == [0, 0, 128, 191, 255, 255]


# ---- is the feature informative? -----------------------------------------------------------


def test_an_image_is_found_again_by_a_copys_feature_or_not():
    features = torch.eye(6)
    assert nearest(features, features).tolist() == list(range(6))
    assert retrieved(features, features + 0.1) == 1.0
    assert retrieved(features, features.roll(1, 0)) == 0.0
    # One feature for all says nothing: only the first is its own nearest.
    assert retrieved(torch.zeros(6, 3), torch.zeros(6, 3)) == pytest.approx(1 / 6)


def test_neighbours_are_asked_for_their_class():
    known, labels = torch.tensor([[0.0], [10.0], [20.0]]), torch.tensor([0, 1, 2])
    seen = torch.tensor([[1.0], [9.0], [14.0], [16.0]])
    assert same_class(seen, torch.tensor([0, 1, 2, 2]), known, labels) == 0.75


def test_chance_is_what_a_random_known_image_would_have():
    assert by_chance(torch.tensor([0, 1]), torch.tensor([0, 1])) == 0.5
    shares = [0.75 * 0.5 + 0.25 * 0.5, 0.75 * 1.0]
    assert by_chance(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1])) == shares[0]
    assert by_chance(torch.tensor([0, 0, 0, 1]), torch.tensor([0])) == shares[1]
    assert by_chance(torch.tensor([0, 1]), torch.tensor([2, 3])) == 0.0


@pytest.mark.parametrize(
    ("retrieved", "same_class", "informative"),
    [(0.9, 0.7, True), (0.4, 0.7, False), (0.9, 0.3, False), (0.9, None, True), (0.1, None, False)],
)
def test_a_feature_is_informative_where_copies_and_neighbours_say_so(
    retrieved, same_class, informative
):
    found = {"retrieved": retrieved}
    if same_class is not None:
        found |= {"same_class": same_class, "same_class_by_pixels": 0.8, "chance": 0.1}
    assert is_informative(found) == informative


# ---- a run ---------------------------------------------------------------------------------


def varied(train=64, test=32):
    """28 px pictures of 4 classes: a coarse pattern of the class, and one of each image's own."""
    random, count = np.random.RandomState(0), train + test
    labels = np.arange(count) % 4
    patterns = 0.7 * random.rand(4, 1, 7, 7)[labels] + 0.3 * random.rand(count, 1, 7, 7)
    items = (255 * patterns).repeat(4, 2).repeat(4, 3).astype(np.uint8)
    parts = (Split(items[each], labels[each]) for each in (slice(train), slice(train, None)))
    return replace(dataset(GREY), **dict(zip(("train", "test"), parts, strict=True)))


def staged(**keys):
    """A game after its stages, which are played once for all tests."""
    return copy.deepcopy(played_stages(tuple(keys.items())))


@cache
def played_stages(keys):
    recipe = shrunk(find("decoding").recipe, autoencoder_steps=60, **dict(keys))
    game = trainer(recipe, GREY)
    game.data = varied()
    for stage in recipe.stages:
        while game.stage_steps[stage] < recipe.stage_length(stage):
            game.take_stage_step(stage)
    return game


def test_the_measure_finds_what_the_auto_encoder_does():
    game = staged()
    found, rows = measure(game)
    network = game.state.players["autoencoder"]["autoencoder"]
    images = torch.from_numpy(game.data.test.items.copy()).float() / 127.5 - 1
    with torch.no_grad():
        rebuilt = network(images)
    off = (in_bytes(images) - in_bytes(rebuilt)).double().square().flatten(1).mean(1)
    expected = (10 * torch.log10(255**2 / off)).tolist()
    held_out = found["held_out"]
    assert held_out["count"] == 32
    assert held_out["psnr"]["mean"] == pytest.approx(np.mean(expected), abs=1e-3)
    assert held_out["psnr"]["min"] == pytest.approx(min(expected), abs=1e-3)
    assert found["train"]["count"] == 64
    assert rows.shape == (3, 12, 28, 28, 1)
    shown = np.linspace(0, 31, 12).astype(int)
    np.testing.assert_array_equal(rows[0, :, :, :, 0], game.data.test.items[shown, 0])
    assert found["same_class"] > found["chance"] == 0.25
    assert found["informative"]


def test_where_skips_carry_the_image_the_feature_alone_rebuilds_less():
    unet, rows = measure(staged())
    assert unet["feature_alone"]["psnr"]["mean"] < unet["held_out"]["psnr"]["mean"] - 3
    assert len(rows) == 3
    plain, rows = measure(staged(ae="plain"))
    assert "feature_alone" not in plain
    assert len(rows) == 2


def test_alone_means_with_the_mean_of_what_skips_carry():
    game = staged()
    images, _ = part_of(game.data.test, 5)
    others, _ = part_of(game.data.train, 7)
    network = game.state.players["autoencoder"]["autoencoder"]
    with torch.no_grad():
        skips = [torch.stack(list(skip)).mean(0) for skip in network.encode(others)[1]]
        expected = network.decode(network.encode(images)[0], [s.expand(5, *s.shape) for s in skips])
    found = Rebuilder(game).from_feature_alone(images, others)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_of_large_images_fewer_are_judged(monkeypatch):
    monkeypatch.setattr(reconstruction, "VALUES", 30_000)

    def split(shape, count=3000):
        return Split(np.broadcast_to(np.uint8(7), (count, *shape)), None)

    assert len(part_of(split((1, 2, 2)))[0]) == 2000
    assert len(part_of(split((3, 16, 16)))[0]) == 30_000 // (3 * 16 * 16)
    assert len(part_of(split((3, 128, 128)))[0]) == 12  # what is shown
    assert len(part_of(split((1, 28, 28), count=5))[0]) == 5


def test_a_feature_that_says_nothing_is_found_out_though_pictures_are_good():
    game = staged()
    network = game.state.players["autoencoder"]["autoencoder"]
    good, _ = measure(game)
    with torch.no_grad():
        network.to_feature.weight.zero_()
    blind, _ = measure(game)
    assert good["informative"]
    assert not blind["informative"]
    assert blind["retrieved"] == pytest.approx(1 / 32, abs=0.01)
    assert blind["held_out"]["psnr"]["mean"] > 15


def test_a_run_gets_its_numbers_and_picture_once_the_stages_are_over(tmp_path):
    told = []

    def on_stage(game, stage):
        judge_stage(game, stage)
        told.append((stage, "measures" in read_facts(tmp_path / "run")))

    recipe = shrunk(find("decoding").recipe)
    out = train(recipe, dataset(GREY), out=tmp_path / "run", steps=2, device="cpu",
                hooks=Hooks(on_stage=on_stage))  # fmt: skip
    assert told == [("autoencoder", False), ("features", True)]
    found = json.loads((out / "run.json").read_text())["measures"]["autoencoder"]
    assert found["steps"] == 4
    assert len(found["losses"]) == 100
    assert set(found["held_out"]["psnr"]) == {"mean", "std", "min", "max"}
    with Image.open(out / found["picture"]) as picture:
        assert picture.size == (12 * 30 + 2, 3 * 30 + 2)
    assert read_facts(out)["status"]["state"] == "finished"
    # G stands once among the parameters, though it has two optimizers.
    assert set(read_facts(out)["parameters"]) == {"d", "g", "autoencoder"}


def test_other_measures_of_the_run_stay(tmp_path):
    game = staged()
    with RunFolder.create(tmp_path / "run") as folder:
        game.folder = folder
        folder.write_facts(run_facts(measures={"recognisable": {"share": 0.5}}))
        judge_stage(game, "features")
    measures = read_facts(tmp_path / "run")["measures"]
    assert set(measures) == {"recognisable", "autoencoder"}
    assert measures["recognisable"] == {"share": 0.5}


def test_measuring_changes_nothing_of_the_run():
    ends = []
    for judged in (False, True):
        game = staged()
        if judged:
            measure(game)
        game.iterate()
        ends.append(game.gathered())
    assert differing(*ends) == []


def test_games_without_an_auto_encoder_are_left_alone():
    for recipe in (shrunk(find("decoding").recipe, features="normal"),
                   shrunk(find("decoding").recipe, decode_weight=0)):  # fmt: skip
        judge_stage(trainer(recipe, GREY), "features")  # writes nothing: there is no folder
