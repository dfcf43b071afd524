"""`steadygan export`: a folder that needs no steadygan."""

import errno
import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from steadygan import cli
from steadygan.data import DataSettings
from steadygan.data.dataset import from_rows
from steadygan.errors import UserError
from steadygan.export import export, formats
from steadygan.networks.own import OwnNetworks
from steadygan.training import checkpoint, pictures, train
from steadygan.training.runfolder import read_facts
from steadygan.training.sampling import draw_latents, load_parts
from tests.reliability import games

#: Class 2 is called as class 1 is numbered.
NAMES = ["cat", "永", "1", "Café"]
#: Runs a file with steadygan out of reach.
ALONE = "import sys, runpy; sys.modules['steadygan'] = None; sys.argv = sys.argv[1:]; " \
        "runpy.run_path(sys.argv[0], run_name='__main__')"  # fmt: skip


#: What would end the docstring of a file that it is written into.
TITLE = 'Of \\backslashes and """quotes""", arXiv:1411.1784.'


def trained(recipe, data, folder):
    torch.set_num_threads(1)
    return train(recipe, data, out=folder, steps=3, device="cpu", precision="fp32", title=TITLE)


def classed_images():
    labels = np.arange(120, dtype=np.int64) % 4
    items = np.repeat(labels * 80, 256).reshape(120, 1, 16, 16).astype(np.uint8)
    facts = {"train": 80, "class_names": NAMES, "quarantine": [], "fingerprint": "f" * 64}
    return from_rows("classed", "classed", items, labels, facts, DataSettings())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """`made(method)`: a run of it, trained once."""
    home, known = tmp_path_factory.mktemp("runs"), {}

    def run_of(method: str) -> Path:
        if method not in known:
            data = classed_images() if method == "cgan" else games.images()
            known[method] = trained(games.small(method), data, home / method)
        return known[method]

    return run_of


def drawn_here(folder: Path, monkeypatch, capsys, *words: str) -> str:
    """What generator.py of the folder prints, in this process."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["generator.py", *words])
    capsys.readouterr()
    runpy.run_path(str(folder / "generator.py"), run_name="__main__")
    return capsys.readouterr().out.strip()


def drawn_alone(folder: Path, *words: str) -> str:
    """What generator.py of the folder prints in a process of its own without steadygan."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(folder / "generator.py"), *words],
        capture_output=True, text=True, cwd=folder,
    )  # fmt: skip
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip()


def pixels_of(run: Path, count: int, seed: int, category: str | None = None) -> Image.Image:
    """The picture that the run's own samples make."""
    generator, prior, facts = load_parts(run, games.quiet)
    latents = draw_latents(prior, count, seed, category, facts["data"].get("class_names") or ())
    images = torch.cat(list(pictures.generate(generator, latents)))
    return pictures.grid(pictures.to_uint8(images), 4)


ASKED = {
    "infogan": "7",
    "cgan": "永",
}


@pytest.mark.parametrize("method", ASKED)
def test_a_folder_draws_the_runs_own_samples(method, made, tmp_path, monkeypatch, capsys):
    run, category = made(method), ASKED[method]
    out = export(run, tmp_path / "out", say=games.quiet)
    words = ("--count", "16", "--seed", "3", "--out", "grid.png", "--class", category)
    said = drawn_alone(out, *words) if method == "cgan" else \
        drawn_here(out, monkeypatch, capsys, *words)  # fmt: skip
    assert said == "grid.png"
    with Image.open(out / "grid.png") as picture:
        assert np.array_equal(picture, pixels_of(run, 16, 3, category))
    with Image.open(out / "samples.png") as picture:
        assert picture.width > 8 * 16
    with pytest.raises(SystemExit, match="--class nope: "):
        drawn_here(out, monkeypatch, capsys, "--class", "nope")
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert config["classes"] == (NAMES if method == "cgan" else None)


def test_points_are_lines_of_numbers(made, tmp_path, monkeypatch, capsys):
    from steadygan.data import open_data

    run = trained(games.small("gan"), open_data("ring"), tmp_path / "ring")
    out = export(run, tmp_path / "out", say=games.quiet)
    words = ("--count", "5", "--out", "p.csv")
    assert drawn_here(out, monkeypatch, capsys, *words) == "p.csv"
    generator, prior, _ = load_parts(run, games.quiet)
    wanted = torch.cat(list(pictures.generate(generator, draw_latents(prior, 5, 0))))
    found = np.loadtxt(out / "p.csv", delimiter=",", dtype=np.float32)
    assert np.array_equal(found, wanted.numpy())
    with pytest.raises(UserError, match="--uint8: this run's generator makes points"):
        export(run, tmp_path / "more", as_uint8=True, say=games.quiet)


@pytest.mark.filterwarnings("ignore:.torch.jit.load. is deprecated")
@pytest.mark.parametrize("method", ASKED)
def test_every_format_gives_the_same_images(method, made, tmp_path):
    run = made(method)
    forms = list(formats.FILES)
    out = export(run, tmp_path / "out", form=forms, as_uint8=method == "cgan", say=games.quiet)
    from steadygan.export.inputs import Layout, NamedInputs

    generator, prior, _ = load_parts(run, games.quiet)
    layout = Layout.of(prior)
    inputs = layout.parts(draw_latents(prior, 7, 1))
    assert set(inputs) == {
        "infogan": {"latents", "categories", "codes"},
        "cgan": {"latents", "classes"},
    }[method]  # fmt: skip
    with torch.no_grad():
        wanted = NamedInputs(generator, layout, method == "cgan")(**inputs)
        assert wanted.dtype == (torch.uint8 if method == "cgan" else torch.float32)
        loaded = torch.export.load(out / "model.pt2").module()
        assert torch.equal(loaded(**inputs), wanted)
        assert torch.equal(torch.jit.load(out / "model.torchscript")(**inputs), wanted)
    found = formats.run_onnx(out / "model.onnx", inputs)
    assert found.shape == wanted.shape
    far = (found.float() - wanted.float()).abs().max().item()
    assert far <= (1 if method == "cgan" else formats.ONNX_TOLERANCE)


def test_the_card_says_what_was_measured_and_what_was_not(made, tmp_path):
    out = export(made("cgan"), tmp_path / "out", say=games.quiet)
    text = (out / "README.md").read_text(encoding="utf-8")
    front = text.split("---\n")[1]
    keys = dict(line.split(": ", 1) for line in front.strip().splitlines())
    assert json.loads(keys["license"]) == "unknown"
    assert json.loads(keys["tags"]) == ["gan", "steadygan", "cgan"]
    assert "Not measured" in text
    assert "cat, 永, 1, Café" in text
    assert "arXiv:1411.1784" in text
    run = read_facts(made("cgan"))
    assert run["data"]["fingerprint"][:16] in text


def test_a_card_of_a_built_folder_states_its_licence(made, tmp_path):
    from steadygan.export.card import licence_of

    (tmp_path / "card.json").write_text(json.dumps({"licence": "CC-BY-SA-4.0"}))
    facts = {"data": {"spec": f"folder:{tmp_path}"}}
    assert licence_of(facts) == "CC-BY-SA-4.0"
    (tmp_path / "card.json").write_text("[]")
    assert licence_of(facts) == "not stated"
    assert licence_of({"data": {"spec": "mnist"}}) == "not stated"


def test_the_step_is_that_of_the_checkpoint_that_could_be_read(made, tmp_path):
    run = shutil.copytree(made("cgan"), tmp_path / "run")
    newest, older = checkpoint.listed(run / "checkpoints")[:2]
    newest.write_bytes(newest.read_bytes()[:-1])
    out = export(run, tmp_path / "out", say=games.quiet)
    said = json.loads((out / "config.json").read_text(encoding="utf-8"))["generator"]
    assert said == f"average of G at step {checkpoint.step_of(older)}, last"
    assert checkpoint.step_of(older) < checkpoint.step_of(newest)


class Doubting(nn.Module):
    """A generator that torch.fx cannot follow."""

    def __init__(self, latent_dim, shape):
        super().__init__()
        self.layer, self.shape = nn.Linear(latent_dim, shape[1] * shape[2]), shape

    def forward(self, z):
        made = self.layer(z).tanh()
        return made.view(-1, *self.shape) if len(z) > 0 and made.sum() < 1e9 else made


def test_a_network_of_ones_own_goes_without_generator_py(tmp_path):
    recipe = games.small("dcgan")
    like = recipe.networks
    recipe = recipe.changed(networks=OwnNetworks(generator=Doubting, like=like))
    run = trained(recipe, games.images(), tmp_path / "run")
    said = []
    out = export(run, tmp_path / "out", say=said.append, trust_code=True)
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md", "config.json", "generator.safetensors", "samples.png"]  # fmt: skip
    assert any("generator.py is left out: the network is of your own code" in line for line in said)
    assert set(load_file(out / "generator.safetensors")) == {"layer.weight", "layer.bias"}
    assert "own code" in (out / "README.md").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="--format pt2: this network cannot be written so"):
        export(run, tmp_path / "more", form=["pt2"], say=games.quiet, trust_code=True)
    assert not list(tmp_path.glob("*more*"))


WRONG = {
    "a format that is none": (("--format", "tflite"), "--format tflite: known are safetensors"),
    "a folder that is there": ((), "out is there already"),
    "no best": (("--best",), "no best samples are kept"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line(case, made, tmp_path, monkeypatch, capsys):
    words, says = WRONG[case]
    out = tmp_path / "out"
    if not words:
        out.mkdir()
    monkeypatch.setattr(sys, "argv", ["steadygan", "export", str(made("dcgan")), str(out), *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert says in error[-1]
    assert not list(tmp_path.glob(".out*"))


def test_a_missing_package_is_named_with_the_command_that_installs_it(made, tmp_path, monkeypatch):
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs onnx and onnxscript: pip install -c constraints"):
        export(made("dcgan"), tmp_path / "out", form=["onnx"], say=games.quiet)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_nothing(made, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    run = made("dcgan")
    monkeypatch.setattr(formats, "_pt2", full)
    with pytest.raises(UserError, match="out: the disk is full"):
        export(run, tmp_path / "out", form=["pt2"], say=games.quiet)
    assert list(tmp_path.iterdir()) == []
