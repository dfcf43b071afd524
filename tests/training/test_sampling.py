"""Samples of a run: grids, arrays, walks, categories."""

import re
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from steadygan.data import DataSettings, open_data
from steadygan.data.dataset import from_rows
from steadygan.errors import CheckpointError, UserError
from steadygan.networks.labels import split_class
from steadygan.priors import ClassConditionalPrior, Coded, Normal, Sphere, Uniform
from steadygan.training import checkpoint, pictures, train
from steadygan.training.generator import load_generator
from steadygan.training.runfolder import read_history
from steadygan.training.sample_files import Looks, sample
from steadygan.training.sampling import (
    class_index,
    class_names_in,
    draw_latents,
    load_parts,
    path_between,
    truncated,
)
from tests.reliability import games


def run_of(method, folder, **more):
    torch.set_num_threads(1)
    return train(games.small(method), games.images(), out=folder / method, steps=3, device="cpu",
                 precision="fp32", **more)  # fmt: skip


@pytest.fixture(scope="module")
def gan(tmp_path_factory):
    return run_of("gan", tmp_path_factory.mktemp("sampling"))


def test_a_generator_is_read_without_its_game(gan, monkeypatch):
    monkeypatch.setattr("steadygan.game.recipe.Player", None)
    assert load_parts(gan)[2]["method"] == "gan"


@pytest.fixture(scope="module")
def infogan(tmp_path_factory):
    return run_of("infogan", tmp_path_factory.mktemp("sampling"))


#: Class 2 is called as class 1 is numbered; the last is written with a mark of its own.
NAMES = ["cat", "永", "1", "Cafe\u0301"]


def classed_images():
    """Pictures of the classes in `NAMES`, a brightness each."""
    labels = np.arange(120, dtype=np.int64) % 4
    items = np.repeat(labels * 80, 256).reshape(120, 1, 16, 16).astype(np.uint8)
    facts = {"train": 80, "class_names": NAMES, "quarantine": [], "fingerprint": "classed"}
    return from_rows("classed", "classed", items, labels, facts, DataSettings())


@pytest.fixture(scope="module")
def classed(tmp_path_factory):
    """A run whose generator takes classes, 30 turns in."""
    torch.set_num_threads(1)
    recipe = games.small("multiclass-lsgan", lr=2e-3)
    folder = tmp_path_factory.mktemp("sampling") / "classed"
    return train(recipe, classed_images(), out=folder, steps=30, device="cpu", precision="fp32")


def test_a_generator_in_ones_own_program(classed, infogan, gan):
    generator = load_generator(classed, games.quiet)
    assert generator.class_names == tuple(NAMES)
    images = generator(6, classes="永", seed=3)
    assert images.shape == (6, 1, 16, 16)
    assert images.min() >= -1
    assert images.max() <= 1
    latents = generator.latents(6, "永", 3)
    assert torch.equal(generator(latents), images)
    as_bytes = generator(latents, as_uint8=True)
    assert as_bytes.dtype == torch.uint8
    assert np.array_equal(as_bytes.numpy(), pictures.to_uint8(images))
    each = generator.latents(4, ["cat", "永", "cat", 3])
    assert split_class(each)[1].tolist() == [0, 1, 0, 3]
    assert torch.equal(split_class(each)[0], split_class(generator.latents(4, "cat"))[0])
    coded = load_generator(infogan, games.quiet)
    assert coded.prior.category(coded.latents(5, 7)).tolist() == [7] * 5
    assert coded.class_names == ()
    assert load_generator(gan, games.quiet)(3).shape == (3, 1, 16, 16)


def test_what_a_generator_in_ones_own_program_cannot_do(classed, gan):
    generator = load_generator(classed, games.quiet)
    with pytest.raises(UserError, match="classes: 2 for 3 samples"):
        generator(3, classes=["cat", "永"])
    with pytest.raises(UserError, match="latents have theirs already"):
        generator(generator.latents(3), classes="cat")
    with pytest.raises(UserError, match="takes no class"):
        load_generator(gan, games.quiet)(3, classes=1)


def frames_of(path):
    with Image.open(path) as image:
        return image.size, getattr(image, "n_frames", 1)


def test_an_array_is_uint8_n_h_w_c_and_repeats_with_its_seed(gan, tmp_path):
    arrays = []
    for n, (count, seed) in enumerate(((70, 1), (70, 1), (70, 2), (9, 1))):
        out = sample(gan, tmp_path / f"{n}.npy", count=count, seed=seed, say=games.quiet)
        arrays.append(np.load(out))
        assert arrays[-1].dtype == np.uint8
        assert arrays[-1].shape == (count, 16, 16, 1)
    assert np.array_equal(arrays[0], arrays[1])
    assert not np.array_equal(arrays[0], arrays[2])


def test_samples_are_the_averages_of_the_newest_checkpoint(gan, tmp_path):
    g_ema, prior, facts = load_parts(gan)
    saved = checkpoint.load(checkpoint.listed(gan / "checkpoints")[0]).tensors
    for key, value in g_ema.state_dict().items():
        assert torch.equal(value, saved[f"average/{key}"])
    assert not g_ema.training
    out = sample(gan, tmp_path / "a.npy", count=5, say=games.quiet)
    with torch.no_grad():
        expected = pictures.to_uint8(g_ema(draw_latents(prior, 5, 0)))
    assert np.array_equal(np.load(out), expected)
    assert facts["method"] == "gan"


@pytest.mark.parametrize(("count", "side"), [(1, (1, 1)), (10, (4, 3)), (64, (8, 8))])
def test_a_grid_is_as_square_as_its_count_allows(count, side, gan, tmp_path):
    out = sample(gan, tmp_path / "grid.png", count=count, say=games.quiet)
    assert frames_of(out)[0] == (side[0] * 18 + 2, side[1] * 18 + 2)


def test_a_walk_is_an_animation_that_ends_where_it_began(gan, tmp_path):
    out = sample(gan, tmp_path / "walk.gif", count=4, say=games.quiet)
    size, frames = frames_of(out)
    assert size == (2 * 18 + 2, 2 * 18 + 2)
    assert 2 <= frames <= 48  # equal neighbours are one frame in a GIF


def test_interpolate_makes_rows_that_walk(gan, tmp_path):
    out = sample(gan, tmp_path / "rows.npy", count=20, interpolate=True, say=games.quiet)
    rows = np.load(out).astype(int).reshape(2, 10, -1)
    near = np.abs(rows[:, 1:] - rows[:, :-1]).mean()
    far = np.abs(rows[0] - rows[1]).mean()
    assert rows.shape[0] == 2
    assert near < far or far == 0


def test_a_category_is_held_in_every_latent(infogan, tmp_path):
    _, prior, _ = load_parts(infogan)
    latents = draw_latents(prior, 50, 0, "7")
    assert set(prior.category(latents).tolist()) == {7}
    free = draw_latents(prior, 50, 0)
    assert torch.equal(latents[:, : prior.dim], free[:, : prior.dim])
    assert torch.equal(prior.codes(latents), prior.codes(free))
    assert sample(infogan, tmp_path / "seven.png", category="7", say=games.quiet).exists()


@pytest.mark.parametrize(
    ("asked", "index"),
    [("cat", 0), ("永", 1), ("1", 2), ("0", 0), ("3", 3), ("2", 2), ("Caf\u00e9", 3),
     ("Cafe\u0301", 3)],
)  # fmt: skip
def test_a_class_is_asked_for_by_its_name_or_else_by_its_number(asked, index):
    assert class_index(asked, NAMES, 4) == index
    assert class_index(asked, [*NAMES, "more"], 5) == index


@pytest.mark.parametrize(
    ("asked", "near"),
    [("cta", "did you mean 'cat'?"), ("CAT", "did you mean 'cat'?"), ("4", "known: 1, "),
     ("-1", "did you mean '1'?"), ("", "known: 1, "), ("²", "known: 1, "), ("dog", "known: 1, ")],
)  # fmt: skip
def test_a_class_that_is_not_there_is_said_with_the_nearest(asked, near):
    with pytest.raises(UserError) as raised:
        class_index(asked, NAMES, 4)
    assert str(raised.value).startswith(f"--class {asked}: no such class, by name or from 0 to 3; ")
    assert near in str(raised.value)


def test_a_class_is_held_in_every_latent_and_the_rest_is_as_without_it(classed):
    _, prior, facts = load_parts(classed)
    assert isinstance(prior, ClassConditionalPrior)
    assert prior.classes == 4
    names = facts["data"]["class_names"]
    free = draw_latents(prior, 50, 0)
    assert set(split_class(free)[1].tolist()) == {0, 1, 2, 3}
    for name, index in (("永", 1), ("1", 2), ("Caf\u00e9", 3), ("0", 0)):
        held = draw_latents(prior, 50, 0, name, names)
        assert set(split_class(held)[1].tolist()) == {index}
        assert torch.equal(split_class(held)[0], split_class(free)[0])


def test_samples_of_a_class_are_those_that_g_makes_of_it(classed, tmp_path):
    g_ema, prior, _ = load_parts(classed)
    made = {}
    for n, name in enumerate(["永", "Caf\u00e9", "cat", "0"]):
        out = sample(classed, tmp_path / f"{n}.npy", count=6, category=name, say=games.quiet)
        made[name] = np.load(out)
    assert np.array_equal(made["cat"], made["0"])
    assert not np.array_equal(made["永"], made["cat"])
    with torch.no_grad():
        latents = draw_latents(prior, 6, 0, "永", NAMES)
        assert np.array_equal(made["永"], pictures.to_uint8(g_ema(latents)))
    assert sample(classed, tmp_path / "a.gif", count=2, category="永", say=games.quiet).exists()
    rows = sample(classed, tmp_path / "r.npy", count=20, category="永", interpolate=True,
                  say=games.quiet)  # fmt: skip
    assert np.load(rows).shape == (20, 16, 16, 1)
    refused("no such class, by name or from 0 to 3; did you mean 'cat'?", classed,
            tmp_path / "a.png", category="cart")  # fmt: skip


def test_several_classes_are_rows_of_the_same_latents(classed, tmp_path):
    asked = ["永", "cat", "1"]
    rows = np.load(sample(classed, tmp_path / "t.npy", count=5, category=asked, say=games.quiet))
    alone = [
        np.load(sample(classed, tmp_path / "o.npy", count=5, category=one, say=games.quiet))
        for one in asked
    ]
    assert np.array_equal(rows, np.concatenate(alone))
    png = sample(classed, tmp_path / "t.png", category=asked, say=games.quiet)
    assert frames_of(png)[0] == (8 * 18 + 2, 3 * 18 + 2)
    assert sample(classed, tmp_path / "t.gif", count=2, category=asked, say=games.quiet).exists()


def test_categories_of_codes_are_rows_too(infogan, tmp_path):
    out = sample(infogan, tmp_path / "t.png", count=3, category=["7", "0"], say=games.quiet)
    assert frames_of(out)[0] == (3 * 18 + 2, 2 * 18 + 2)


def test_a_text_is_a_line_in_one_handwriting(classed, tmp_path):
    g_ema, prior, _ = load_parts(classed)
    png = sample(classed, tmp_path / "a.png", text="永1 永\n", say=games.quiet)
    assert frames_of(png)[0] == (3 * 18 + 2, 1 * 18 + 2)
    lines = np.load(sample(classed, tmp_path / "a.npy", count=2, text="永11", say=games.quiet))
    hands = draw_latents(prior, 2, 0)
    for line, inputs in zip(np.split(lines, 2), hands, strict=True):
        latents = inputs.repeat(3, 1)
        latents[:, -1] = torch.tensor([1.0, 2.0, 2.0])
        with torch.no_grad():
            assert np.array_equal(line, pictures.to_uint8(g_ema(latents)))
    assert not np.array_equal(lines[0], lines[3])
    assert frames_of(sample(classed, tmp_path / "a.gif", text="永1", say=games.quiet))[0] == (
        38,
        20,
    )


def test_a_text_is_spelt_with_classes_alone(classed, gan, infogan, tmp_path):
    png = tmp_path / "a.png"
    refused("^--text: this run has no class for 和 九 3; its 4 classes are in run.json$", classed,
            png, text="永和九和3")  # fmt: skip
    refused("there is no character", classed, png, text=" \n")
    refused("there is no character", classed, png, text="")
    refused("--text and --class: give one", classed, png, text="永", category="永")
    refused("--interpolate: walks in one class", classed, png, text="永", interpolate=True)
    refused("--interpolate: walks in one class", classed, png, category=["永", "cat"],
            interpolate=True)  # fmt: skip
    refused("no such class", classed, png, category=["永", "dog"])
    refused("wants 1 to", classed, png, text="永1", count=600_000)
    refused("takes no class", gan, png, text="永")
    refused("takes no class", infogan, png, text="7")
    assert not png.exists()


def test_a_text_finds_a_class_however_its_letters_are_written():
    assert class_names_in("\u00e9e\u0301", ["e\u0301"]) == ["\u00e9", "\u00e9"]


def test_a_walk_stays_in_the_class_it_begins_in():
    prior = ClassConditionalPrior(dim=3, base=Normal(dim=3), classes=5)
    ends = prior.sample(2, torch.Generator().manual_seed(0))
    ends[:, -1] = torch.tensor([4.0, 2.0])
    path = path_between(prior, ends, 6)
    assert split_class(path)[1].tolist() == [4] * 6
    assert torch.equal(split_class(path)[0], path_between(prior.base, ends[:, :-1], 6))


def test_a_run_draws_a_table_of_its_classes(classed):
    line = [line for line in read_history(classed) if "classes" in line][-1]
    size, _ = frames_of(classed / line["classes"])
    assert size == (10 * 18 + 2, 4 * 18 + 2)  # a row a class, ten latents along it
    assert line["classes"] == line["samples"].replace("samples/", "samples/classes-")


def test_the_table_of_classes_changes_one_thing_a_direction():
    prior = ClassConditionalPrior(dim=5, base=Normal(dim=5), classes=4)
    state = pictures.swept_classes(prior, 3)
    assert split_class(state)[1].tolist() == [k for k in range(4) for _ in range(10)]
    noise = split_class(state)[0].unflatten(0, (4, 10))
    assert all(torch.equal(row, noise[0]) for row in noise)
    assert torch.equal(noise[0], pictures.fixed_latents(Normal(dim=5), 3, 10))
    many = pictures.swept_classes(prior.model_copy(update={"classes": 3740}), 3)
    assert split_class(many)[1][::10].tolist() == [k * 374 for k in range(10)]


def test_points_are_an_array_of_floats_or_a_scatter(tmp_path):
    run = train(games.small("gan", (2,)), open_data("ring"), out=tmp_path / "run", steps=2,
                device="cpu")  # fmt: skip
    points = np.load(sample(run, tmp_path / "p.npy", count=30, say=games.quiet))
    assert points.shape == (30, 2)
    assert points.dtype == np.float32
    assert frames_of(sample(run, tmp_path / "p.png", count=30, say=games.quiet))[0] == (512, 512)


def refused(say, *words, **more):
    with pytest.raises(UserError, match=say) as caught:
        sample(*words, say=games.quiet, **more)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_sampled_is_said_in_a_line(gan, infogan, tmp_path):
    png = tmp_path / "a.png"
    refused(r"\.png, \.jpg, .*or one without an end", gan, tmp_path / "a.tiff")
    refused("wants 1 to", gan, png, count=0)
    refused("wants 1 to", gan, png, count=10**9)
    refused("there is no folder", gan, tmp_path / "none" / "a.png")
    refused("takes no class", gan, png, category="3")
    for odd in ("10", "-1", "seven", "1.5", "²", ""):
        refused("categories are 0 to 9", infogan, png, category=odd)
    refused("is no run folder", tmp_path, png)
    refused("no such folder", tmp_path / "none", png)
    for name in ("x.png", "x.npy", "x.gif"):
        (tmp_path / name).mkdir()
        refused(name, gan, tmp_path / name)
    assert not png.exists()


def test_a_run_without_a_whole_checkpoint_is_exit_code_4(gan, tmp_path):
    import shutil

    run = shutil.copytree(gan, tmp_path / "run")
    for path in checkpoint.listed(run / "checkpoints"):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError) as caught:
        sample(run, tmp_path / "a.png", say=games.quiet)
    assert caught.value.exit_code == 4


def test_a_damaged_run_json_is_said_in_a_line(gan, tmp_path):
    import shutil

    run = shutil.copytree(gan, tmp_path / "run")
    for text in ("", "{", "[]", "{}", '"x"', "\x00"):
        (run / "run.json").write_text(text)
        refused(r"run\.json", run, tmp_path / "a.png")


def test_a_path_between_latents_goes_through_both():
    ends = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    for prior in (Normal(dim=6), Uniform(dim=6)):
        path = path_between(prior, ends, 8)
        assert path.shape == (8, 6)
        assert torch.allclose(path[0], ends[0], atol=1e-6)
    middle = path_between(Uniform(dim=6), ends, 8)[4]
    assert torch.allclose(middle, ends.mean(0), atol=1e-6)
    sphere = path_between(Normal(dim=6), torch.nn.functional.normalize(ends), 8)
    assert torch.allclose(sphere.norm(dim=1), torch.ones(8), atol=1e-5)
    same = path_between(Normal(dim=6), ends[:1].expand(2, -1), 4)
    assert torch.isfinite(same).all()


def test_the_grid_of_every_method_shows_the_same_draws():
    normal = pictures.fixed_latents(Normal(dim=20), 4)
    uniform = pictures.fixed_latents(Uniform(dim=12), 4)
    coded = pictures.fixed_latents(Coded(dim=8), 4)
    assert torch.allclose(uniform, torch.erf(normal[:, :12] / 2**0.5))
    assert torch.equal(coded[:, :8], uniform[:, :8])
    assert not torch.equal(normal, pictures.fixed_latents(Normal(dim=20), 5))


def test_the_code_table_changes_one_thing_a_direction():
    prior = Coded(dim=5, categories=4, continuous=2)
    state = pictures.swept_codes(prior, 0)
    assert state.shape == (40, prior.total_dim)
    assert (state[:, :5] == state[0, :5]).all()
    assert prior.category(state).tolist() == [k for k in range(4) for _ in range(10)]
    codes = prior.codes(state).reshape(4, 10, 2)
    assert torch.allclose(codes[2, :, 0], torch.linspace(-1, 1, 10))
    assert (codes[..., 1] == 0).all()


def test_tables_are_those_of_the_sample_grids(infogan, classed, tmp_path):
    generator, prior, _ = load_parts(infogan, games.quiet)
    first = np.load(sample(infogan, tmp_path / "a.npy", table="codes", seed=4, say=games.quiet))
    made = [*pictures.generate(generator, pictures.swept_codes(prior, 4))]
    assert np.array_equal(first, pictures.to_uint8(torch.cat(made)))
    assert len(first) == 10 * prior.categories
    second = np.load(sample(infogan, tmp_path / "b.npy", table="codes:2", seed=4, say=games.quiet))
    swept = pictures.swept_codes(prior, 4, 1)
    assert torch.allclose(prior.codes(swept)[:10, 1], torch.linspace(-1, 1, 10))
    made = [*pictures.generate(generator, swept)]
    assert np.array_equal(second, pictures.to_uint8(torch.cat(made)))
    rows = np.load(sample(classed, tmp_path / "c.npy", table="classes", say=games.quiet))
    assert len(rows) == 10 * len(NAMES)


@pytest.mark.parametrize(
    ("run", "asked", "says"),
    [
        ("gan", {"table": "codes"}, "takes no codes"),
        ("gan", {"table": "classes"}, "takes no class"),
        ("infogan", {"table": "codes:3"}, "has codes 1 to 2"),
        ("infogan", {"table": "codes:0"}, "has codes 1 to 2"),
        ("infogan", {"table": "rows"}, "wants classes, codes or codes:N"),
        ("infogan", {"table": "codes", "count": 4}, "leave out --count"),
        ("infogan", {"table": "codes", "truncation": 0.5}, "a still picture"),
    ],
)
def test_a_table_that_is_not_there_is_refused(run, asked, says, request, tmp_path):
    with pytest.raises(UserError, match=re.escape(says)):
        sample(request.getfixturevalue(run), tmp_path / "a.png", say=games.quiet, **asked)


# ---- formats -------------------------------------------------------------------------------------


def test_a_folder_holds_a_picture_a_sample(gan, classed, tmp_path):
    out = sample(gan, tmp_path / "each", count=12, seed=5, say=games.quiet)
    names = [f"seed5-{i:02}.png" for i in range(12)]
    assert sorted(path.name for path in out.iterdir()) == names
    array = np.load(sample(gan, tmp_path / "a.npy", count=12, seed=5, say=games.quiet))
    for row, name in enumerate(names):
        with Image.open(out / name) as image:
            assert np.array_equal(image, array[row, ..., 0])
    large = sample(classed, tmp_path / "3", count=2, category="3", looks=Looks(scale=4),
                   say=games.quiet)  # fmt: skip
    with Image.open(large / "seed0-0.png") as image:
        assert image.size == (64, 64)
        assert np.array_equal(np.asarray(image)[::4, ::4].repeat(4, 0).repeat(4, 1), image)
    with pytest.raises(UserError, match="is there already"):
        sample(gan, out, count=2, say=games.quiet)


@pytest.mark.parametrize(("end", "form"), [("jpg", "JPEG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_other_formats_of_a_grid(end, form, gan, tmp_path):
    with Image.open(sample(gan, tmp_path / "a.png", count=4, say=games.quiet)) as image:
        wanted = np.asarray(image.convert("L")).astype(int)
    with Image.open(sample(gan, tmp_path / f"a.{end}", count=4, say=games.quiet)) as image:
        assert image.format == form
        far = np.abs(np.asarray(image.convert("L")).astype(int) - wanted)
        assert far.mean() < 3
        assert form == "JPEG" or far.max() <= 1


def facts_of(film):
    reader = pytest.importorskip("imageio_ffmpeg").read_frames(film)
    facts = next(reader)
    reader.close()
    return facts


# The package leaves pipes of its process to be closed by garbage collection.
@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_a_film_has_the_frames_and_the_size_that_were_asked(gan, tmp_path):
    looks = Looks(scale=3, seconds=2, fps=12)
    out = sample(gan, tmp_path / "a.mp4", count=4, looks=looks, say=games.quiet)
    facts = facts_of(out)
    assert facts["codec"] == "h264"
    assert facts["pix_fmt"].startswith("yuv420p")
    assert facts["size"] == (3 * 38, 3 * 38)
    assert facts["fps"] == 12
    assert facts["duration"] == pytest.approx(22 / 12, abs=0.1)  # 12 there, and 10 back
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    odd = sample(gan, tmp_path / "odd.mp4", count=1, looks=Looks(seconds=1), say=games.quiet)
    assert facts_of(odd)["size"] == (20, 20)


def test_a_film_without_its_encoder_is_refused(gan, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UserError, match=r"pip install -c constraints.txt 'steadygan\[video\]'"):
        sample(gan, tmp_path / "a.mp4", say=games.quiet)
    assert list(tmp_path.iterdir()) == []


LOOKS = {
    "--scale 0": Looks(scale=0), "--scale 65": Looks(scale=65), "--fps 0": Looks(fps=0),
    "--seconds 0": Looks(seconds=0), "--seconds 1e+06": Looks(seconds=1e6),
}  # fmt: skip


@pytest.mark.parametrize("says", LOOKS)
def test_looks_out_of_range_are_refused(says, gan, tmp_path):
    with pytest.raises(UserError, match=re.escape(says)):
        sample(gan, tmp_path / "a.gif", looks=LOOKS[says], say=games.quiet)


def test_truncated_normal_noise_has_the_quantiles_of_its_distribution():
    from scipy.stats import truncnorm

    prior = Normal(dim=2000)
    drawn = draw_latents(prior, 20, 0)
    inside = truncated(prior, drawn, 0.7)
    assert inside.abs().max() < 0.7
    shares = torch.special.ndtr(drawn.double()).numpy()
    assert np.allclose(inside, truncnorm(-0.7, 0.7).ppf(shares), atol=1e-5)
    assert torch.allclose(truncated(prior, drawn, 10.0), drawn, atol=1e-3)


def test_truncation_leaves_codes_and_classes(classed, infogan):
    coded = Coded(dim=4, categories=3, continuous=2)
    drawn = draw_latents(coded, 9, 0)
    inside = truncated(coded, drawn, 0.5)
    assert torch.equal(inside[:, :4], drawn[:, :4] * 0.5)
    assert torch.equal(inside[:, 4:], drawn[:, 4:])
    prior = ClassConditionalPrior(dim=4, base=Normal(dim=4), classes=3)
    labelled = draw_latents(prior, 9, 0, truncation=0.3)
    assert torch.equal(split_class(labelled)[1], split_class(draw_latents(prior, 9, 0))[1])
    assert split_class(labelled)[0].abs().max() < 0.3


@pytest.mark.parametrize(
    ("prior", "limit", "says"),
    [(Sphere(dim=3), 0.5, "'sphere' have none"), (Normal(dim=3), 0.0, "--truncation 0: wants"),
     (Uniform(dim=3), 1.5, "up to 1"), (Normal(dim=3), float("nan"), "--truncation nan")],
)  # fmt: skip
def test_truncation_out_of_range_is_refused(prior, limit, says):
    with pytest.raises(UserError, match=says):
        truncated(prior, torch.zeros(2, 3), limit)
