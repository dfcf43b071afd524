"""Code that a folder names is imported only where that is asked for: --trust-code."""

import inspect
import json
import shutil
import sys

import pytest
from torch import nn

from steadygan import cli
from steadygan.data import open_data
from steadygan.errors import UserError
from steadygan.metrics import samples
from steadygan.networks import DCGANNetworks, MLPNetworks, OwnNetworks
from steadygan.networks.own import imports_of
from steadygan.report import write_report
from steadygan.study.plan import begin
from steadygan.study.work import work
from steadygan.training import checkpoint, replay, resume, train
from steadygan.training.generator import load_generator
from steadygan.training.sample_files import sample
from tests.reliability import games, shapes


class G(nn.Module):
    def __init__(self, latent_dim, shape):
        super().__init__()
        self.layer = nn.Linear(latent_dim, shape[0])

    def forward(self, z):
        return self.layer(z)


class D(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.layer = nn.Linear(shape[0], 1)

    def forward(self, x):
        return self.layer(x)


#: The same two as a module of someone's, which leaves a trace when it is imported.
MODULE = (
    """
from pathlib import Path
from torch import nn
with Path({seen!r}).open("a") as file:
    file.write("imported ")
"""
    + inspect.getsource(G)
    + inspect.getsource(D)
)
NETWORKS = {"name": "own", "generator": "someones:G", "discriminator": "someones:D", "like": None}
KEYS = ("generator=someones:G", "discriminator=someones:D", "batch=8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of points with networks in a module `someones`, by its own user."""
    place = tmp_path_factory.mktemp("own")
    recipe = games.small("gan", (2,)).changed(networks=OwnNetworks(generator=G, discriminator=D))
    out = train(recipe, "ring", out=place / "run", steps=2, device="cpu", precision="fp32")
    facts = json.loads((out / "run.json").read_text())
    assert facts["recipe"]["networks"]["generator"] == f"{__name__}:G"
    return out


@pytest.fixture
def here(finished, tmp_path, monkeypatch):
    """A working folder with that run from someone else and a module that leaves a trace."""
    seen = tmp_path / "seen.txt"
    (tmp_path / "someones.py").write_text(MODULE.replace("{seen!r}", repr(str(seen))))
    run = shutil.copytree(finished, tmp_path / "run")
    facts = json.loads((run / "run.json").read_text())
    facts["recipe"]["networks"] = NETWORKS
    (run / "run.json").write_text(json.dumps(facts))
    for path in checkpoint.listed(run / "checkpoints"):
        found = checkpoint.load(path)
        info = {k: v for k, v in found.metadata.items() if k not in checkpoint.PLAIN}
        info["identity"]["recipe"]["networks"] = NETWORKS
        path.write_bytes(checkpoint.to_bytes(found.tensors, info))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("someones", None)


@pytest.fixture
def steadygan(here, monkeypatch, capfd):
    """`steadygan(*words)` in that folder: (exit code, lines on stderr, what was imported)."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["steadygan", *map(str, words)])
        monkeypatch.setattr(sys, "path", list(sys.path))
        capfd.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code
        seen = here / "seen.txt"
        traces = len(seen.read_text().split()) if seen.exists() else 0
        return code, capfd.readouterr().err.splitlines(), traces

    return call


COMMANDS = {
    "sample": ("sample", "run", "--out", "a.npy", "--count", "2"),
    "resume": ("resume", "run", "--steps", "3"),
    "evaluate": ("evaluate", "run", "--count", "50"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_imports_what_a_folder_names_only_where_it_is_trusted(name, steadygan):
    code, lines, traces = steadygan(*COMMANDS[name])
    assert (code, traces) == (2, 0), lines
    assert "someones:G, someones:D" in lines[-1]
    assert "--trust-code" in lines[-1]
    assert len([line for line in lines if line.startswith("steadygan: ")]) == 1
    code, lines, traces = steadygan(*COMMANDS[name], "--trust-code")
    assert (code, traces) == (0, 1), lines
    assert "importing someones:G, someones:D, named in run/run.json" in lines


def test_in_python_too(here):
    run = here / "run"
    for call in (
        lambda: load_generator(run, games.quiet),
        lambda: sample(run, here / "a.npy", say=games.quiet),
        lambda: resume(run, steps=3, say=games.quiet),
        lambda: samples.read_samples(
            samples.find_source(run), open_data("ring"), 50, say=games.quiet
        ),
    ):
        with pytest.raises(UserError, match="trust_code=True"):
            call()
    write_report(run)
    assert samples.classes_drawn(run, open_data("ring"), 2, 0) is None
    assert not (here / "seen.txt").exists()
    sys.path.insert(0, str(here))
    load_generator(run, games.quiet, trust_code=True)
    assert (here / "seen.txt").exists()


def test_a_kept_failure_is_replayed_only_where_its_code_is_trusted(here):
    run = here / "run"
    newest = checkpoint.listed(run / "checkpoints")[0]
    found = checkpoint.load(newest)
    info = {k: v for k, v in found.metadata.items() if k not in checkpoint.PLAIN}
    (run / "failure").mkdir()
    data = checkpoint.to_bytes(found.tensors, {**info, "place": [2, "d", 0]})
    checkpoint.path_of(run / "failure", 2).write_bytes(data)
    with pytest.raises(UserError, match="--trust-code"):
        replay(run, say=games.quiet)
    assert not (here / "seen.txt").exists()
    sys.path.insert(0, str(here))
    assert "every number was finite" in replay(run, say=games.quiet, trust_code=True)


def test_train_takes_the_users_own_word(steadygan):
    code, lines, traces = steadygan(
        "train", "gan", *KEYS, "--data", "ring", "--steps", "1", "--out", "mine"
    )
    assert (code, traces) == (0, 1), lines


def test_a_worker_of_someone_elses_study_imports_nothing(here, tmp_path):
    study = shapes.planned_study("gan:" + ",".join(KEYS), steps=1, every=None)
    begin(study, tmp_path / "s")
    (run,) = (name.removeprefix("runs/") for name in study.facts()["runs"])
    with pytest.raises(UserError, match=r"study\.json: .*--trust-code"):
        work(tmp_path / "s", run, lambda event: None, lambda: None)
    assert not (here / "seen.txt").exists()


def test_a_run_of_a_study_that_names_other_code_than_the_study_is_not_imported(here, tmp_path):
    """The study's own word counts; what is only in a run's run.json is someone else's."""
    out = tmp_path / "s"
    study = shapes.study_of_points(out)
    path = out / "runs/gan-s0/run.json"
    facts = json.loads(path.read_text())
    facts["recipe"]["networks"] = NETWORKS
    del facts["judged_step"]
    path.write_text(json.dumps(facts))
    with pytest.raises(UserError, match="--trust-code"):
        work(out, "gan-s0", lambda event: None, lambda: None)
    assert study.entries[0].name == "gan"
    assert not (here / "seen.txt").exists()


def test_a_plan_prints_trust_code_for_what_was_typed(steadygan, capfd, monkeypatch):
    monkeypatch.setattr(
        sys, "argv", ["steadygan", "compare", "gan:" + ",".join(KEYS), "--data", "ring", "--steps",
                      "1", "--plan", "--out", "s"]
    )  # fmt: skip
    cli.main()
    printed = capfd.readouterr().out.splitlines()
    assert printed[0].endswith("--trust-code")
    assert "--trust-code" not in printed[-1]


def test_the_working_folder_is_no_place_to_import_from_unasked(steadygan, here):
    """A torchmetrics.py beside a run must not be taken for the library."""
    assert str(here) not in sys.path
    steadygan("report", "run")
    assert str(here) not in sys.path


def test_every_name_inside_a_recipe_is_found():
    own = OwnNetworks(generator="a:G", like=OwnNetworks(discriminator="b:D"))
    recipe = games.small("gan").changed(networks=own)
    assert imports_of(recipe) == ["a:G", "b:D"]
    assert imports_of({"x": recipe, "y": [recipe]}) == ["a:G", "b:D"]
    assert imports_of(games.small("gan")) == []
    assert imports_of(OwnNetworks(generator=G, like=MLPNetworks())) == []
    assert imports_of(DCGANNetworks()) == []
