"""Where a study's settings are other than the papers'."""

import json

import pytest
import torch

from steadygan.methods import find
from steadygan.study.compose import compose
from steadygan.study.papers import differing, millions, parameters_of
from steadygan.study.results import read_results
from tests.study.test_table import rows_of, write_tables, written

IMAGE = (3, 32, 32)


def study(out, sizes, **settings):
    """A study of WGANs with `settings` that ran with `sizes` parameters on 32 px images."""
    recipe = compose(find("wgan"), IMAGE, settings)
    written(out, {"wgan": (50.0,)}, {"wgan": recipe.model_dump(mode="json")})
    path = out / "runs/wgan-s0/run.json"
    facts = json.loads(path.read_text())
    facts["data"]["shape"], facts["parameters"] = list(IMAGE), sizes
    path.write_text(json.dumps(facts))
    return out


def test_every_setting_that_is_not_the_papers_is_listed_with_both_values(tmp_path):
    (entry,) = read_results(study(tmp_path, {"d": 42_944, "g": 144_352}, preset="light")).entries
    assert differing(entry) == [
        ("parameters (10^6)", "0.19 (D 0.04, G 0.14)", "5.72 (D 2.76, G 2.96)"),
        ("critic-warmup", "-", "true"),
        ("critic-warmup.d_steps", "-", "100"),
        ("critic-warmup.every", "-", "500"),
        ("critic-warmup.turns", "-", "25"),
        ("d_optimizer.lr", "0.0005", "5e-05"),
        ("g_optimizer.lr", "0.0005", "5e-05"),
        ("networks.stages", "3", "4"),
        ("networks.width", "16", "64"),
    ]


def test_a_run_as_in_the_paper_is_said_to_be_one(tmp_path):
    out = study(tmp_path / "same", {"d": 2_759_424, "g": 2_962_304}, preset="paper")
    (entry,) = read_results(out).entries
    assert differing(entry) == []
    write_tables(out, "paper")
    assert not (out / "table-settings.csv").exists()
    sizes = {"d": 2_759_424, "g": 2_962_304}
    out = study(tmp_path / "batch", sizes, preset="paper", batch="32")
    write_tables(out, "paper")
    assert rows_of(out / "table-settings.csv") == [
        {"model": "wgan", "setting": "batch", "here": "32", "paper's": "64"}
    ]


def test_what_cannot_be_compared_is_left_out(tmp_path):
    out = study(tmp_path, {}, preset="light")
    path = out / "runs/wgan-s0/run.json"
    facts = json.loads(path.read_text())
    del facts["data"]["shape"]
    path.write_text(json.dumps(facts))
    assert differing(read_results(out).entries[0]) is None
    (out / "study.json").write_text(
        (out / "study.json").read_text().replace('"method": "wgan"', '"method": "gone"')
    )
    assert differing(read_results(out).entries[0]) is None


@pytest.mark.parametrize(
    ("name", "wanted"), [("dcgan", 34_846_720), ("wgan", 5_721_728), ("wgan-gp", 9_279_236)]
)
def test_the_papers_parameters_are_counted_without_moving_torchs_generator(name, wanted):
    before = torch.get_rng_state()
    sizes = parameters_of(compose(find(name), IMAGE, {"preset": "paper"}), IMAGE, 0)
    assert sum(sizes.values()) == wanted
    assert torch.equal(torch.get_rng_state(), before)


def test_the_decode_step_counts_once():
    sizes = {"d": 4_300_000, "g": 5_100_000, "autoencoder": 840_000, "decode": 5_100_000}
    assert millions(sizes) == "10.24 (D 4.30, G 5.10, autoencoder 0.84)"
    assert millions({}) == "-"
