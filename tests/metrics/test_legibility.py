"""Reading generated characters: the decoding, the network on real ones, what asks for it."""

import dataclasses
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from steadygan import cli
from steadygan.data import open_data
from steadygan.data.build.brush import draw, outline
from steadygan.data.build.hanzi import build_hanzi
from steadygan.data.sources.hanzi_strokes import read_characters
from steadygan.errors import UserError
from steadygan.features import feature_classifier
from steadygan.metrics import legibility
from steadygan.metrics.legibility import chance_of_one, greedy, is_chinese, reader
from steadygan.study.judge import Judge
from steadygan.study.plan import Evaluation
from steadygan.training import train
from tests.reliability import games

PACKAGE = Path(__file__).parents[1] / "data" / "strokes"
NAMES = "永我九和年鹰"


@pytest.fixture(scope="module")
def characters():
    """Eight hands' drawing of six characters at 64 px, (48, 1, 64, 64), and what they are."""
    found, _ = read_characters(PACKAGE, NAMES)
    images = np.concatenate([draw(outline(each), range(8), 64, 0) for each in found])
    return images[:, None], [name for name in NAMES for _ in range(8)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    out = build_hanzi(PACKAGE, tmp_path_factory.mktemp("read") / "set", characters=NAMES,
                      writers=100, size=16)  # fmt: skip
    return open_data(f"hanzi:{out}")


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    torch.set_num_threads(1)
    return train(games.small("multiclass-lsgan"), data, out=tmp_path_factory.mktemp("read") / "run",
                 steps=2, device="cpu", precision="fp32")  # fmt: skip


def collapsed(path):
    return [place for place, _ in itertools.groupby(path) if place]


def test_decoding_is_that_of_ctc():
    rng = np.random.default_rng(0)
    made = rng.dirichlet(np.ones(3), (5, 4))  # images, places, (blank, a, b)
    for image in made:
        assert greedy(image) == collapsed(image.argmax(1))
    assert greedy(np.eye(3)[[0, 1, 1, 0, 1, 2]]) == [1, 1, 2]
    for target in (1, 2):
        summed = [
            sum(
                np.prod(image[range(4), path])
                for path in itertools.product(range(3), repeat=4)
                if collapsed(path) == [target]
            )
            for image in made
        ]
        assert np.allclose(chance_of_one(made[:, :, 0], made[:, :, target]), summed)


def test_real_characters_are_read(characters):
    images, names = characters
    right, chance = reader().read(images, names)
    assert right.mean() >= 0.95
    assert chance.mean() >= 0.9
    assert (chance <= 1 + 1e-6).all()
    wrong, chance = reader().read(images, names[8:] + names[:8])
    assert wrong.mean() == 0
    assert chance.mean() < 0.02


def test_colour_is_read_as_grey_and_batches_do_not_matter(characters):
    images, names = characters
    some = images[:: len(images) // 5]
    wanted = names[:: len(names) // 5]
    right, chance = reader().read(some, wanted)
    again, chance_again = reader().read(some.repeat(3, 1), wanted)
    assert (right == again).all()
    assert np.allclose(chance, chance_again, atol=1e-4)
    alone = [reader().read(some[i : i + 1], wanted[i : i + 1])[1][0] for i in range(len(some))]
    assert np.allclose(chance, alone, atol=1e-3)


def test_noise_and_white_paper_are_not_read(characters):
    noise = np.random.default_rng(0).integers(0, 256, (12, 1, 32, 32), np.uint8)
    white = np.full((2, 1, 32, 32), 255, np.uint8)
    right, chance = reader().read(np.concatenate([noise, white]), [*NAMES, *NAMES, "永", "我"])
    assert not right.any()
    assert chance.max() < 0.2


@pytest.mark.parametrize(
    ("names", "answer"),
    [(NAMES, True), (("永", "𠮷"), True), ("0123", False), (("永", "A"), False),
     (("永和", "九"), False), (("永",), False), ((), False), (None, False), ("あい", False)],
)  # fmt: skip
def test_what_counts_as_chinese(names, answer):
    assert is_chinese(names) is answer


def test_samples_beside_real_images(data, monkeypatch):
    images, labels = data.train.items[:60], data.train.labels[:60]
    found = legibility.legibility(images, labels, data)
    assert found["count"] == 60
    assert found["count_real"] == len(data.test) == 60
    assert found["accuracy_over_real"] == found["accuracy"] / found["accuracy_real"]
    assert found["unknown"] == []
    # The real ones are read once; and classes decide, not the images alone.
    counts = []
    read = legibility.Reader.read
    monkeypatch.setattr(
        legibility.Reader, "read", lambda s, i, *a: counts.append(len(i)) or read(s, i, *a)
    )
    off = legibility.legibility(images, (labels + 1) % 6, data)
    assert counts == [60]
    assert off["accuracy"] <= 0.05 < found["accuracy"]
    assert off["accuracy_real"] == found["accuracy_real"]


def test_a_character_that_the_network_lacks_is_left_out_and_named(data):
    assert "硷" not in reader().places
    other = dataclasses.replace(data, class_names=("硷", *NAMES[1:]), fingerprint="other")
    found = legibility.legibility(data.train.items[::9], data.train.labels[::9], other)
    assert found["unknown"] == ["硷"]
    assert found["count"] == 50  # of 60, ten each
    assert found["count_real"] == 50


def ran(capsys, monkeypatch, *words):
    monkeypatch.setattr(feature_classifier, "IMAGES", 128 * 10)
    monkeypatch.setattr(sys, "argv", ["steadygan", *map(str, words)])
    capsys.readouterr()
    code = 0
    try:
        cli.main()
    except SystemExit as ended:
        code = ended.code
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command_reads_where_it_can(run, capsys, monkeypatch):
    command = ("evaluate", run, "--count", "60")
    code, out, _ = ran(capsys, monkeypatch, *command, "--json")
    assert code == 0
    found = json.loads(out)["legibility"]
    assert found["model"].startswith("PP-OCR")
    assert 0 <= found["accuracy"] <= 0.3  # two steps teach nothing
    assert found["count"] == 60
    code, out, _ = ran(capsys, monkeypatch, *command)
    assert f"real: {found['accuracy_real']:.1%}, PP-OCR" in out
    code, out, _ = ran(capsys, monkeypatch, *command, "--json", "--no-legibility")
    assert "legibility" not in json.loads(out)
    monkeypatch.setattr(legibility, "installed", lambda: False)
    code, out, _ = ran(capsys, monkeypatch, *command, "--json")
    assert "legibility" not in json.loads(out)
    code, _, err = ran(capsys, monkeypatch, *command, "--legibility")
    assert code == 2
    assert "--legibility wants the extra ocr: pip install" in err


def test_what_cannot_be_read_is_refused(run, data, tmp_path, capsys, monkeypatch):
    np.save(tmp_path / "a.npy", data.train.items[:60])
    against = ("--against", data.spec, "--legibility")
    code, _, err = ran(capsys, monkeypatch, "evaluate", tmp_path / "a.npy", *against)
    assert (code, "it is not known which characters" in err) == (2, True)
    digits = ("--against", "mnist", "size=16", "--legibility")
    code, _, err = ran(capsys, monkeypatch, "evaluate", tmp_path / "a.npy", *digits)
    assert (code, "of mnist are not single Chinese characters" in err) == (2, True)


def test_a_package_without_its_model_is_said(tmp_path, monkeypatch):
    (tmp_path / "rapidocr").mkdir()
    (tmp_path / "rapidocr" / "__init__.py").touch()
    monkeypatch.setattr(
        legibility.importlib.util, "find_spec",
        lambda name: type("Spec", (), {"origin": str(tmp_path / "rapidocr" / "__init__.py")}),
    )  # fmt: skip
    reader.cache_clear()
    with pytest.raises(UserError, match="holds no recognition model"):
        reader()
    reader.cache_clear()


def test_a_study_counts_what_is_read(run, data, monkeypatch):
    monkeypatch.setattr(feature_classifier, "IMAGES", 128 * 10)
    found = Judge(data, Evaluation(draft=100, count=150), lambda said: None).quality(run)
    assert found["last"]["legible"] == found["last"]["legibility"]["accuracy"]
    assert found["real"]["legible"] == found["last"]["legibility"]["accuracy_real"] > 0.5
    plain = dataclasses.replace(data, class_names=tuple("abcdef"))
    found = Judge(plain, Evaluation(draft=100, count=150), lambda said: None).quality(run)
    assert "legible" not in found["last"]
