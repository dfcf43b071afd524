"""Bad input: one clear line, exit code 2, nothing written. Through `train` and the command line."""

import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from steadygan import cli
from steadygan.errors import UserError
from steadygan.networks import MLPNetworks, OwnNetworks
from steadygan.training import checkpoint, resume, runfolder, train
from tests.reliability import files, games

# ---- train() ----------------------------------------------------------------------------------


class WithClasses(MLPNetworks):
    name = ""
    g_takes_classes = True


def labelled():
    return games.small("gan").changed(networks=WithClasses())


def vectors():
    from steadygan.data import open_data

    return open_data("ring")


class Scoreless(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(256, 3)

    def forward(self, x):
        return self.layer(x.flatten(1))


def own(**networks):
    return games.small("gan").changed(networks=OwnNetworks(**networks))


BAD = {
    "fewer images than a batch": (
        lambda: (games.small("gan", batch=64), games.images(63), {}),
        "63 training images are fewer than one batch of 64",
    ),
    "networks for images": (
        lambda: (games.small("dcgan"), vectors(), {}),
        "make images, not vectors",
    ),
    "labels missing": (lambda: (labelled(), games.images(labels=False), {}), "needs class labels"),
    "no such device": (lambda: (games.small("gan"), games.images(), {"device": "abacus"}), "known"),
    "another device": (lambda: (games.small("gan"), games.images(), {"device": "mps"}), "known"),
    "steps and budget": (
        lambda: (games.small("gan"), games.images(), {"steps": 1, "budget_minutes": 1.0}),
        "not both",
    ),
    "no steps": (lambda: (games.small("gan"), games.images(), {"steps": 0}), "wants 1 or more"),
    "one network": (
        lambda: (own(generator="torch.nn:Identity"), games.images(), {}),
        "both generator= and discriminator=",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_train_refuses_before_anything_is_written(name, tmp_path):
    build, said = BAD[name]
    recipe, data, more = build()
    with pytest.raises(UserError, match=said) as caught:
        train(recipe, data, out=tmp_path / "run", **{"device": "cpu", **more})
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


OWN = {
    "no such module": ({"generator": "nowhere:Thing"}, "nowhere"),
    "no such name": ({"generator": "torch.nn:Thing"}, "Thing"),
    "not a module": ({"generator": "os:getcwd"}, "not a torch.nn.Module"),
    "not one score each": ({"discriminator": Scoreless}, "one raw score each"),
}


@pytest.mark.parametrize("name", OWN)
def test_networks_of_ones_own_that_do_not_fit_are_said_in_a_line(name, tmp_path):
    networks, said = OWN[name]
    recipe = own(like=games.small("gan").networks, **networks)
    with pytest.raises(UserError, match=said) as caught:
        train(recipe, games.images(), out=tmp_path / "run", steps=1, device="cpu")
    assert "\n" not in str(caught.value)
    train(games.small("gan"), games.images(), out=tmp_path / "again", steps=1, device="cpu")


def test_a_ready_module_is_resumed_with_its_recipe(tmp_path):
    class Flat(nn.Linear):
        def forward(self, x):
            return super().forward(x.flatten(1))

    recipe = own(like=games.small("gan").networks, discriminator=Flat(256, 1))
    out = train(recipe, games.images(), out=tmp_path / "run", steps=2, device="cpu")
    with pytest.raises(UserError, match="Flat"):
        resume(out, data=games.images(), steps=3, say=games.quiet)
    resume(out, recipe=recipe, data=games.images(), steps=3, say=games.quiet)
    assert checkpoint.step_of(checkpoint.listed(out / "checkpoints")[0]) == 3


# ---- the command line -------------------------------------------------------------------------


@pytest.fixture
def steadygan(tmp_path, monkeypatch, capfd):
    """`steadygan(*words)` in an empty folder: (exit code, lines on stderr)."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["steadygan", *map(str, words)])
        capfd.readouterr()
        code = 0
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                cli.main()
        except SystemExit as stop:
            code = stop.code
        return code, capfd.readouterr().err.splitlines()

    call.here = here
    return call


SMALL = ("size=16", "batch=8", "width=8", "threads=1")
TRAIN = ("train", "gan", "--steps", "1")
WRONG = {
    "unknown method": (("train", "dcgam", "--steps", "1"), "did you mean 'dcgan'"),
    "unknown method of a study": (("compare", "gan", "wgam", "--steps", "1"), "'wgan'"),
    "unknown data": ((*TRAIN, "--data", "mnits"), "did you mean 'mnist'"),
    "a folder without its word": ((*TRAIN, "--data", "."), "folder:"),
    "unknown part": ((*TRAIN, "--add", "gradient-penality"), "did you mean 'gradient-penalty'"),
    "a part that is not there": ((*TRAIN, "--drop", "gradient-penalty"), "has no"),
    "unknown key": ((*TRAIN, "widht=8"), "did you mean 'width'"),
    "unknown key of a study": (("compare", "gan", "wgan", "widht=8", "--steps", "1"), "'width'"),
    "unknown key of a part": ((*TRAIN, "--add", "gradient-penalty:wieght=1"), "wieght"),
    "unknown key of an entry": (("compare", "gan:widht=8", "--steps", "1"), "'width'"),
    "unknown preset": ((*TRAIN, "preset=ligth"), "did you mean 'light'"),
    "wrong type": ((*TRAIN, "batch=many"), "batch=many"),
    "a fraction for a whole": ((*TRAIN, "batch=1.5"), "batch=1.5"),
    "out of range": ((*TRAIN, "batch=1"), "batch=1"),
    "not a number": ((*TRAIN, "lr=nan"), "lr=nan"),
    "infinite": ((*TRAIN, "lr=inf"), "lr=inf"),
    "negative": ((*TRAIN, "lr=-1"), "lr=-1"),
    "wrong type of the data's": ((*TRAIN, "size=big"), "size"),
    "size out of range": ((*TRAIN, "size=4"), "size"),
    "wrong channels": ((*TRAIN, "channels=2"), "channels"),
    "a size that networks cannot make": (("train", "dcgan", "--steps", "1", "size=8"), "16 to 512"),
    "threads out of range": ((*TRAIN, "threads=0"), "threads"),
    "precision unknown": ((*TRAIN, "precision=fp16"), "precision"),
    "given twice": ((*TRAIN, "batch=8", "batch=9"), "twice"),
    "no key=value": ((*TRAIN, "batch"), "key=value"),
    "no time": (("train", "gan", "--budget", "soon"), "--budget soon"),
    "no time at all": (("train", "gan", "--budget", "0m"), "--budget 0m"),
    "steps and budget": ((*TRAIN, "--budget", "1m"), "not both"),
    "no steps": (("train", "gan", "--steps", "0"), "--steps 0"),
    "steps that are no number": (("train", "gan", "--steps", "ten"), "--steps"),
    "seed below 0": ((*TRAIN, "--seed", "-1"), "seed"),
    "seed too large": ((*TRAIN, "--seed", "99999999999999999999"), "seed"),
    "unknown device": ((*TRAIN, "--device", "abacus"), "--device abacus"),
    "unknown option": ((*TRAIN, "--stesp", "3"), "--stesp"),
    "unknown command": (("trian", "gan"), "trian"),
    "no method": (("compare", "batch=8"), "at least one method"),
    "a method twice": (("compare", "gan", "gan", "--steps", "1"), "twice"),
    "images for a method on vectors": (("train", "dcgan", "--data", "ring"), "vectors"),
    "a size for points": ((*TRAIN, "--data", "ring", "size=28"), "size"),
    "missing folder": ((*TRAIN, "--data", "folder:none"), "none"),
    "folder without a path": ((*TRAIN, "--data", "folder:"), "folder:DIR"),
    "missing IDX files": ((*TRAIN, "--data", "mnist:none"), "none"),
    "resume nothing": (("resume", "none"), "no such folder"),
    "resume no run": (("resume", "."), "no run.json"),
    "sample nothing": (("sample", "none", "--out", "a.png"), "no such folder"),
    "replay nothing": (("replay", "none"), "none"),
    "report of nothing": (("report", "none"), "none"),
    "a key of training for a measure": (("evaluate", "x", "log_every=3"), "log_every= means"),
    "a key of a recipe for a measure": (("evaluate", "x", "width=3"), "width= means"),
    "a key of training for data": (("data", "show", "ring", "precision=fp32"), "precision= means"),
    "methods of nothing": (("methods", "dcgam"), "did you mean 'dcgan'"),
    "diff of nothing": (("methods", "diff", "gan", "wgam"), "did you mean 'wgan'"),
    "too many names": (("methods", "gan", "wgan"), "diff A B"),
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_input_is_one_line_and_exit_code_2(name, steadygan):
    words, said = WRONG[name]
    code, lines = steadygan(*words)
    assert code == 2, lines
    assert len(lines) == 1, lines
    assert lines[0].startswith("steadygan: ")
    assert said in lines[0]
    assert list(steadygan.here.iterdir()) == []


def test_empty_unreadable_and_tiny_folders_are_one_line(steadygan):
    empty = steadygan.here / "empty"
    empty.mkdir()
    text = steadygan.here / "text"
    text.mkdir()
    (text / "a.png").write_text("no image")
    few = steadygan.here / "few"
    few.mkdir()
    for n in range(5):
        Image.new("RGB", (16, 16), (n * 40, 0, 0)).save(few / f"{n}.png")
    before = files.content(steadygan.here)
    for folder, wanted in ((empty, "empty"), (text, "text"), (few, "fewer than one batch"),
                           (few / "0.png", "0.png")):  # fmt: skip
        code, lines = steadygan(*TRAIN, "--data", f"folder:{folder}", *SMALL)
        assert code == 2, lines
        assert len(lines) == 1, lines
        assert wanted in lines[0]
    assert files.content(steadygan.here) == before
    assert sorted(p.name for p in steadygan.here.iterdir()) == ["empty", "few", "text"]


def test_a_run_is_never_written_over(steadygan):
    code, lines = steadygan(*TRAIN, *SMALL, "--out", "run")
    assert code == 0, lines
    before = files.content(steadygan.here)
    for words, said in (
        ((*TRAIN, *SMALL, "--out", "run"), "holds another run"),
        (("compare", "gan", "--steps", "1", *SMALL, "--out", "run"), "no study"),
        (("sample", "run", "--out", "grid.tiff"), ".png"),
        (("sample", "run", "--out", "grid.png", "--count", "0"), "--count 0"),
        (("sample", "run", "--out", "grid.png", "--class", "3"), "takes no class"),
        (("sample", "run", "--out", "no/grid.png"), "no folder"),
        (("resume", "run", "--steps", "0"), "--steps 0"),
        (("replay", "run"), "no failure"),
    ):
        code, lines = steadygan(*words)
        assert (code, len(lines)) == (2, 1), lines
        assert said in lines[0]
    assert files.content(steadygan.here) == before


def test_a_damaged_run_is_exit_code_4_and_a_damaged_run_json_2(steadygan):
    assert steadygan(*TRAIN, *SMALL, "--out", "run")[0] == 0
    run = Path("run")
    for path in checkpoint.listed(run / "checkpoints"):
        path.write_bytes(path.read_bytes()[:-1])
    code, lines = steadygan("resume", "run", "--steps", "3")
    assert code == 4
    assert len([line for line in lines if line.startswith("steadygan: ")]) == 1
    assert "Traceback" not in "".join(lines)
    (run / "run.json").write_text("{}")
    for words in (("resume", "run"), ("sample", "run", "--out", "a.png"), ("replay", "run")):
        code, lines = steadygan(*words)
        assert (code, len(lines)) == (2, 1), lines


def test_a_read_only_place_is_one_line(steadygan, monkeypatch):
    def broken(path, *_rest, **_more):
        raise OSError(30, "Read-only file system", path)

    mkdir = os.mkdir
    monkeypatch.setattr(os, "mkdir", lambda p, *r: broken(p) if "runs" in str(p) else mkdir(p, *r))
    code, lines = steadygan(*TRAIN, *SMALL)
    assert (code, len(lines)) == (2, 1), lines
    assert "read-only" in lines[0]


def test_the_default_folder_is_the_first_free_one(steadygan):
    for name in ("gan-mnist-s0", "gan-mnist-s0-2"):
        code, lines = steadygan(*TRAIN, *SMALL)
        assert code == 0, lines
        assert (Path("runs") / name / "run.json").is_file()
    facts = runfolder.read_facts(Path("runs/gan-mnist-s0"))
    assert facts["command"].startswith("steadygan train gan --steps 1 size=16")
    assert facts["threads"] == 1 == torch.get_num_threads()


def test_images_smaller_than_networks_take_are_refused_in_a_line(steadygan, tmp_path):
    home = tmp_path / "small"
    home.mkdir()
    for index in range(40):
        Image.fromarray(np.full((12, 9), 6 * index, np.uint8)).save(home / f"{index}.png")
    data = ("--data", f"folder:{home}")
    code, said = steadygan("train", "gan", "--steps", "1", *data)
    assert code == 2
    assert said[-1].endswith("the largest image is 12 px, and 16 is the least to learn from; "
                             "size=16 enlarges them all the same")  # fmt: skip
    assert not any(tmp_path.joinpath("here").iterdir())
    code, said = steadygan("train", "gan", "--steps", "1", *data, *SMALL, "--out", "run")
    assert code == 0, said
