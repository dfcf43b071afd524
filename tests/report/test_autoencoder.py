"""The report on a run with a pre-trained auto-encoder."""

import json

import pytest

from steadygan.methods import find
from steadygan.report import write_report
from steadygan.report.autoencoder import autoencoders
from steadygan.report.read import read_folder


def spread(mean, std, least, most):
    return {"mean": mean, "std": std, "min": least, "max": most}


def found(**changes):
    return {
        "psnr_cap": 100.0,
        "held_out": {"count": 2000, "psnr": spread(30.5318, 1.5809, 23.9565, 34.3613),
                     "ssim": spread(0.9416, 0.0305, 0.7563, 0.9872)},
        "train": {"count": 2000, "psnr": spread(31.25, 1.5156, 22.1569, 35.2746),
                  "ssim": spread(0.9414, 0.0308, 0.7219, 0.9879)},
        "feature_alone": {"psnr": spread(11.49, 1.77, 6.14, 16.54),
                          "ssim": spread(0.2327, 0.0577, -0.25, 0.381)},
        "retrieved": 0.9635, "same_class": 0.7685, "same_class_by_pixels": 0.7975,
        "chance": 0.1002, "informative": True, "steps": 400,
        "losses": [0.4326, 0.1, 0.0, 0.0044], "picture": "samples/autoencoder.png",
        **changes,
    }  # fmt: skip


def written(make, folder, **changes):
    info = make.run_json("dcgan", measures={"autoencoder": found(**changes)})
    make.write_run(folder, info, make.history("dcgan", lines=20), pictures=False)
    make.grid(folder / "samples" / "autoencoder.png", 1.0, cells=(12, 3))
    return folder


def page_of(make, folder):
    return make.Page(write_report(folder).read_text(encoding="utf-8"))


def test_originals_table_and_sentences_stand_in_the_page(make, tmp_path):
    page = page_of(make, written(make, tmp_path / "run"))
    assert page.open == []
    for words in (
        "The auto-encoder that was trained first",
        "Top row: held-out images. Below: what the auto-encoder makes of them, and what it makes",
        "Mean Standard deviation Least Greatest",
        "held-out images PSNR (dB) 30.53 1.581 23.96 34.36",
        "held-out images SSIM 0.9416 0.0305 0.7563 0.9872",
        "training images PSNR (dB) 31.25",
        "held-out, from the feature alone SSIM 0.2327 0.0577 −0.25 0.381",
        "The feature is informative 96 % of held-out images are found again",
        "has the same class for 77 % (80 % by pixels, 10 % by chance).",
        "Skips carry images past the feature: 30.5 dB with them, 11.5 dB from the feature alone",
        "fell from 0.433 to 0.0044 in 400 steps.",
    ):
        assert words in page.said, words
    assert "infinite" not in page.said
    images = [dict(attrs) for tag, attrs in page.tags if tag == "img"]
    (shown,) = [image for image in images if image.get("alt") == "Originals above reconstructions"]
    assert shown["src"].startswith("data:image/png;base64,")
    assert "More measures" not in page.said  # none of it is said twice


def test_a_feature_that_is_not_informative_is_said_so_plainly(make, tmp_path):
    folder = written(make, tmp_path / "run", informative=False, retrieved=0.0005)
    page = page_of(make, folder)
    assert "The feature is not informative 0.1 % of held-out images" in page.said
    assert "asks for little more than a fixed code an image." in page.said
    pills = [dict(a)["class"] for t, a in page.tags if t == "b" and "pill" in dict(a)["class"]]
    assert pills == ["pill poor"]


def test_without_labels_and_skips_nothing_is_said_of_them(make, tmp_path):
    folder = written(make, tmp_path / "run")
    info = json.loads((folder / "run.json").read_text())
    for key in ("same_class", "feature_alone"):
        del info["measures"]["autoencoder"][key]
    (folder / "run.json").write_text(json.dumps(info))
    said = page_of(make, folder).said
    assert "of a noised copy." in said
    assert "same class" not in said
    assert "Skips" not in said
    assert "what the auto-encoder makes of them." in said


def test_the_cap_is_said_where_it_was_reached(make, tmp_path):
    held_out = {"psnr": spread(60.0, 10.0, 30.0, 100.0)}
    said = page_of(make, written(make, tmp_path / "run", held_out=held_out)).said
    assert "Equal images would have an infinite PSNR: they count as 100 dB." in said


@pytest.mark.parametrize(
    "changes",
    [
        {"informative": ["<script>"], "picture": "../../etc/passwd"},
        {"held_out": "<script>alert(1)</script>", "train": 7, "losses": "x", "steps": {}},
        {"retrieved": "all", "psnr_cap": None, "same_class": [1], "picture": None},
    ],
)
def test_odd_values_are_left_out(changes, make, tmp_path):
    folder = written(make, tmp_path / "run", **changes)
    page = page_of(make, folder)
    assert page.open == []
    assert "alert(1)" not in page.said
    if "picture" in changes:
        assert autoencoders(read_folder(folder).runs)[0].source == ""


def test_runs_without_one_have_no_such_section(make, tmp_path):
    for measures in ({}, {"autoencoder": None}, None):
        info = make.run_json("gan", measures=measures)
        folder = make.write_run(tmp_path / str(measures), info, [])
        assert "auto-encoder" not in page_of(make, folder).said


def test_in_a_study_each_stands_under_its_run(make, tmp_path):
    written(make, tmp_path / "runs" / "a")
    make.write_run(tmp_path / "runs" / "b", make.run_json("gan"), [])
    make.write_study(tmp_path, ["runs/b", "runs/a"])
    (shown,) = autoencoders(read_folder(tmp_path).runs)
    assert shown.run == 1
    assert "dcgan Top row" in page_of(make, tmp_path).said


def test_the_decode_steps_losses_and_gradients_have_their_names(make, tmp_path):
    lines = make.history("dcgan", lines=20)
    for line in lines:
        line |= {"decode_loss": 0.1, "decode_loss/decode": 0.1, "decode_gradient_norm": 2.0}
    facts = {**make.run_json("dcgan"), "signal_titles": find("decoding").recipe.titles_of_signals()}
    folder = make.write_run(tmp_path / "run", facts, lines, pictures=False)
    said = page_of(make, folder).said
    assert "decode step" in said
    assert "generator in the decode step" in said
    nameless = make.write_run(tmp_path / "older", make.run_json("dcgan"), lines, pictures=False)
    assert "decode gradient norm" in page_of(make, nameless).said, "an older run has its keys"
