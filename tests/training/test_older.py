"""Runs that an earlier version recorded: fields by the names and without the fields of then."""

import json

import pytest
import torch

from steadygan.errors import CheckpointError, UserError
from steadygan.training import checkpoint, resume, train
from steadygan.training.loop import Trainer
from tests.reliability import games


def older(recipe):
    """A recipe as it was recorded when `shared` was `tricks` and penalties had no `every`."""
    recipe["tricks"] = recipe.pop("shared")
    for part in recipe["on_d"]:
        del part["every"]
    return recipe


def aged(run, change):
    """Rewrite run.json and each checkpoint of `run` with `change` made to its recipe."""
    facts = json.loads((run / "run.json").read_text())
    facts["recipe"] = change(facts["recipe"])
    (run / "run.json").write_text(json.dumps(facts))
    for path in checkpoint.listed(run / "checkpoints"):
        found = checkpoint.load(path)
        info = {k: v for k, v in found.metadata.items() if k not in checkpoint.PLAIN}
        info["identity"]["recipe"] = change(info["identity"]["recipe"])
        step = checkpoint.step_of(path)
        checkpoint.save(run / "checkpoints", step, dict(found.tensors), info)


def trained(out, steps):
    recipe = games.small("wgan-gp")
    return train(recipe, games.images(), out=out, steps=steps, seed=3, device="cpu",
                 precision="fp32")  # fmt: skip


@pytest.fixture
def run(tmp_path):
    return trained(tmp_path / "run", 2)


def test_a_run_of_an_earlier_version_is_resumed_as_the_same_run(run, tmp_path):
    aged(run, older)
    resume(run, steps=4, data=games.images(), say=games.quiet)
    whole = trained(tmp_path / "whole", 4)
    assert games.unlike(*(games.whole_state(out)[1] for out in (run, whole))) == []


def test_a_run_that_recorded_no_memory_format_keeps_that_of_then(run, tmp_path, monkeypatch):
    facts = json.loads((run / "run.json").read_text())
    assert facts.pop("memory_format") == "channels_last"
    (run / "run.json").write_text(json.dumps(facts))
    found = []
    began = Trainer.__post_init__

    def noted(trainer):
        found.append(trainer.device_config.memory_format)
        began(trainer)

    monkeypatch.setattr(Trainer, "__post_init__", noted)
    resume(run, steps=3, data=games.images(), say=games.quiet)
    assert found == [torch.contiguous_format]  # wgan-gp differentiates twice


def test_a_field_of_another_value_is_another_run_all_the_same(run):
    aged(run, older)
    newest = checkpoint.listed(run / "checkpoints")[0]
    found = checkpoint.load(newest)
    info = {k: v for k, v in found.metadata.items() if k not in checkpoint.PLAIN}
    info["identity"]["recipe"]["on_d"][0]["weight"] = 11.0
    checkpoint.save(run / "checkpoints", checkpoint.step_of(newest), dict(found.tensors), info)
    with pytest.raises((UserError, CheckpointError), match=r"on_d"):
        resume(run, steps=4, data=games.images(), say=games.quiet)
