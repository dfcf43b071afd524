"""`steadygan evaluate` and `steadygan weights`: what they print, what they refuse."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from steadygan import cli
from steadygan.data import DataSettings, open_data
from steadygan.errors import UserError
from steadygan.features import feature_classifier
from steadygan.metrics import judging
from steadygan.metrics.samples import find_source, read_samples
from steadygan.training import pictures, train
from steadygan.training.sampling import draw_latents, load_parts
from tests.metrics.sets import as_folder, dataset, lines
from tests.reliability import games


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Real images in class folders, samples as a folder and as arrays, a run on those images."""
    home = tmp_path_factory.mktemp("evaluate")
    as_folder(home / "real", *lines(400, 0))
    as_folder(home / "loose", lines(60, 5)[0])
    images = lines(160, 1)[0]
    as_folder(home / "samples", images)
    np.save(home / "nchw.npy", images)
    np.save(home / "nhwc.npy", images.transpose(0, 2, 3, 1))
    np.save(home / "nhw.npy", images[:, 0])
    np.save(home / "float.npy", (images / 127.5 - 1).astype(np.float32))
    torch.set_num_threads(1)
    settings = DataSettings(size=12, channels=1)
    data = open_data(f"folder:{home / 'real'}", settings)
    train(games.small("gan", (1, 12, 12)), data, out=home / "run", steps=2, device="cpu",
          precision="fp32")  # fmt: skip
    train(games.small("gan", (2,)), "ring", out=home / "points", steps=2, device="cpu",
          precision="fp32")  # fmt: skip
    return home


def ran(capsys, monkeypatch, *words):
    """Exit code, stdout and stderr of `steadygan WORDS`, with a classifier of few steps."""
    monkeypatch.setattr(feature_classifier, "IMAGES", 128 * 30)
    monkeypatch.setattr(sys, "argv", ["steadygan", *map(str, words)])
    capsys.readouterr()
    code = 0
    try:
        cli.main()
    except SystemExit as ended:
        code = ended.code
    out, err = capsys.readouterr()
    return code, out, err


def evaluated(capsys, monkeypatch, place, source, *words):
    real = f"folder:{place / 'real'}"
    code, out, err = ran(
        capsys, monkeypatch, "evaluate", place / source, "--against", real, "--json",
        "size=12", "channels=1", *words,
    )  # fmt: skip
    assert code == 0, err
    return json.loads(out), err


# ---- what it prints ------------------------------------------------------------------------


def test_every_form_of_the_same_samples_gives_the_same_numbers(capsys, monkeypatch, place):
    """One object on stdout; how samples are stored changes nothing."""
    found = {}
    for name in ("nchw.npy", "nhwc.npy", "nhw.npy", "float.npy", "samples"):
        result, err = evaluated(capsys, monkeypatch, place, name)
        assert result["count"] == 160
        assert "holds 160 samples; 10,000 are usual" in err
        found[name] = {key: result[key] for key in ("fid", "kid", "recall", "sharpness")}
    assert all(each == found["nchw.npy"] for each in found.values())
    assert result["features"] == "classifier"
    assert 0.5 < result["feature_accuracy"] <= 1
    assert result.keys() >= {
        "fid", "kid", "inception_score", "precision", "recall", "density", "coverage", "sharpness",
        "features", "count", "feature_hash", "reference",
    }  # fmt: skip


def test_a_run_is_judged_against_its_own_data_by_its_averaged_generator(capsys, monkeypatch, place):
    code, out, _ = ran(
        capsys, monkeypatch, "evaluate", place / "run", "--json", "--count", 200, "--seed", 3
    )
    found = json.loads(out)
    assert (code, found["count"], found["kind"], found["at"]) == (0, 200, "run", "last")
    generator, prior, _ = load_parts(place / "run")
    made = torch.cat(list(pictures.generate(generator, draw_latents(prior, 200, 3))))
    np.save(place / "drawn.npy", pictures.to_uint8(made))
    same, _ = evaluated(capsys, monkeypatch, place, "drawn.npy")
    assert (same["fid"], same["kid"]) == (found["fid"], found["kid"])


@pytest.mark.parametrize(("seen", "said"), [("classifier", True), ("effnet", False)])
def test_features_that_the_runs_d_looks_through_are_said_to_flatter(
    capsys, monkeypatch, place, seen, said
):
    facts = {"recipe": {"networks": {"features": seen}}}
    monkeypatch.setattr(judging, "read_facts", lambda run: facts)
    code, out, _ = ran(capsys, monkeypatch, "evaluate", place / "run", "--count", 200)
    assert code == 0
    assert ("note: D looks through the network of these features" in out) == said


def test_a_seed_draws_other_samples(place):
    data = dataset(channels=1)
    source = find_source(place / "run")
    first, same, other = (
        read_samples(source, data, 60, seed=seed, say=games.quiet) for seed in (1, 1, 2)
    )
    assert (first == same).all()
    assert not (first == other).all()
    assert first.dtype == np.uint8


def test_words_are_printed_without_json(capsys, monkeypatch, place):
    real = f"folder:{place / 'real'}"
    code, out, _ = ran(
        capsys, monkeypatch, "evaluate", place / "nchw.npy", "--against", real, "size=12",
        "channels=1", "--pairs", place / "pairs.png",
    )  # fmt: skip
    assert code == 0
    for word in ("FID-classifier", "real against real at this count", "density", "hash"):
        assert word in out
    with Image.open(place / "pairs.png") as picture:
        assert picture.size == (10 * 14 + 2, 4 * 14 + 2)


def test_points_are_judged_by_their_modes(capsys, monkeypatch, place):
    code, out, _ = ran(capsys, monkeypatch, "evaluate", place / "points", "--json")
    found = json.loads(out)
    assert (code, found["count"], found["modes_in_data"]) == (0, 2500, 8)
    ring = open_data("ring")
    np.save(place / "ring.npy", ring.test.items[:500])
    args = (place / "ring.npy", "--against", "ring", "--json")
    found = json.loads(ran(capsys, monkeypatch, "evaluate", *args)[1])
    assert found["modes"] == 8
    assert found["high_quality"] > 0.97


def test_the_held_out_part_can_be_the_reference(capsys, monkeypatch, place):
    found, _ = evaluated(capsys, monkeypatch, place, "nchw.npy", "--split", "test")
    assert found["reference"] == {"split": "test", "count": 40}
    assert found["fid"] is None  # 40 real images do not fill 128 dimensions
    assert "real images do not fill" in found["notes"][0]


def test_it_runs_as_a_command_with_nothing_but_json_on_stdout(place, tmp_path):
    """In a process of its own."""
    words = [sys.executable, "-m", "steadygan", "evaluate", str(place / "points"), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert json.loads(done.stdout)["modes_in_data"] == 8


# ---- what it refuses -----------------------------------------------------------------------


def odd_arrays(place):
    """Arrays that are no samples of these images, by name."""
    images = lines(60, 0)[0]
    return {
        "wide": images[..., :10],
        "zero-to-one": images / 255.0,
        "beyond": images / 64.0 - 1,
        "nan": np.where(images > 200, np.nan, -0.5),
        "words": np.array(["a"] * 60),
        "ints": images.astype(np.int64),
        "empty": images[:0],
        "points": np.zeros((60, 3)),
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "there is nothing; give a run folder, a folder of images or an .npy"),
        (["real/row/0000.png"], "is no .npy file"),
        (["wide.npy"], r"holds [60, 1, 12, 10]; wanted (N, 1, 12, 12) or (N, 12, 12, 1)"),
        (["zero-to-one.npy"], "float values from 0 to 0.9804; images are float in [-1, 1]"),
        (["beyond.npy"], "images are float in [-1, 1]"),
        (["nan.npy"], "holds NaN or Inf"),
        (["words.npy"], "images are uint8, or float"),
        (["ints.npy"], "is int64; images are uint8"),
        (["empty.npy"], "holds no samples"),
        (["torn.npy"], "cannot be read as .npy"),
        (["nchw.npy", "--count", "161"], "holds 160 samples, --count is 161"),
        (["nchw.npy", "--count", "49"], "--count 49: wants 50 to"),
        (["nchw.npy", "--features", "efnet"], "did you mean 'effnet'"),
        (["nchw.npy", "--features", "inception"], "github.com/mseitzer/pytorch-fid"),
        (["nchw.npy", "--weights", "x.safetensors"], "belongs to --features inception"),
        (["nchw.npy", "--sharpness", "sobl"], "did you mean 'sobel'"),
        (["nchw.npy", "--split", "tst"], "did you mean 'test'"),
        (["nchw.npy", "--best"], "is no run folder"),
        (["nchw.npy", "--pairs", "a.jpg"], "wants NAME.png"),
        (["nchw.npy", "batch=3"], "batch= means nothing here"),
        (["run", "--best"], "was not evaluated"),
        (["run", "size=16"], "makes [1, 12, 12]"),
    ],
)
def test_a_mistake_is_one_line(words, said, capsys, monkeypatch, place):
    for name, values in odd_arrays(place).items():
        np.save(place / f"{name}.npy", values)
    (place / "torn.npy").write_bytes(b"\x93NUMPY nothing")
    own = ["size=12", "channels=1"] if "size=16" not in words else ["channels=1"]
    code, out, err = ran(
        capsys, monkeypatch, "evaluate", place / words[0], "--against",
        f"folder:{place / 'real'}", *own, *words[1:],
    )  # fmt: skip
    assert (code, out) == (2, ""), err
    lines_said = [line for line in err.splitlines() if line.startswith("steadygan: ")]
    assert len(lines_said) == 1
    assert said in lines_said[0]
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nchw.npy"], "give what to judge it against by --against DATA"),
        (["nchw.npy", "--against", "ring"], "wanted float points (N, 2)"),
        (["points.npy", "--against", "ring"], "wanted float points (N, 2)"),
        (["points", "--features", "effnet"], "are of images, not of ring"),
        (["samples", "--against", "ring"], "a folder of images cannot be judged against ring"),
        (["nchw.npy", "--against", "mnit"], "did you mean 'mnist'"),
        (["points", "--against", "grid", "--count", "9"], "--count 9: wants 50 to"),
    ],
)
def test_data_that_does_not_fit_is_one_line(words, said, capsys, monkeypatch, place):
    np.save(place / "points.npy", odd_arrays(place)["points"])
    code, out, err = ran(capsys, monkeypatch, "evaluate", place / words[0], *words[1:])
    assert (code, out) == (2, ""), err
    assert said in err.splitlines()[-1]


def test_images_without_classes_have_no_classifier(capsys, monkeypatch, place):
    loose = f"folder:{place / 'loose'}"
    code, _, err = ran(
        capsys, monkeypatch, "evaluate", place / "nchw.npy", "--against", loose, "size=12",
        "channels=1", "--features", "classifier",
    )  # fmt: skip
    assert code == 2
    assert "have no classes to learn; put them into a folder for each class" in err


def test_a_generator_that_makes_nan_is_refused(place):
    from unittest import mock

    def broken(*args):
        yield torch.full((60, 1, 12, 12), torch.nan)

    with (
        mock.patch.object(pictures, "generate", broken),
        pytest.raises(UserError, match="NaN or Inf"),
    ):
        read_samples(find_source(place / "run"), dataset(), 60, say=games.quiet)


# ---- weights -------------------------------------------------------------------------------


def test_weights_are_imported_and_used(capsys, monkeypatch, place):
    """At 75 px, the least that the network takes, to be quick."""
    from steadygan.features import inception
    from steadygan.features.inception import Inception

    monkeypatch.setattr(inception, "SIDE", 75)
    torch.manual_seed(0)
    torch.save(Inception().state_dict(), place / "w.pth")
    out = place / "w.safetensors"
    code, said, err = ran(capsys, monkeypatch, "weights", "import", place / "w.pth", out)
    assert (code, said.strip()) == (0, str(out))
    assert "not the published weights" in err
    found, _ = evaluated(
        capsys, monkeypatch, place, "nchw.npy", "--features", "inception", "--weights", out,
        "--count", "50", "--split", "test",
    )  # fmt: skip
    assert (found["features"], found["feature_dimension"]) == ("inception", 2048)
    assert found["resize"] == "bilinear to 299 px, align_corners=False"
    assert found["fid"] is None
    assert "50 samples do not fill 2,048" in found["notes"][0]
    assert np.isfinite(found["kid"])
    assert found["feature_accuracy"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nchw.npy", "w2.safetensors"], "plain torch tensors"),
        (["none.pth", "w2.safetensors"], "cannot be read"),
        (["nchw.npy", "w2.pth"], "ends in .safetensors"),
    ],
)
def test_what_is_no_weights_file_is_refused(words, said, capsys, monkeypatch, place):
    paths = [place / word for word in words]
    code, out, err = ran(capsys, monkeypatch, "weights", "import", *paths)
    assert (code, out) == (2, "")
    assert said in err
