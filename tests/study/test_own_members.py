"""A loss and a part of a user's own, named as `module:Class` on the command line."""

import json
import re
import sys
from pathlib import Path

import pytest

from steadygan import cli
from steadygan.errors import UserError
from steadygan.game.objective import Objective
from steadygan.game.part import Part
from steadygan.losses.penalties import Penalty
from steadygan.networks.own import imports_of
from steadygan.report import write_report
from steadygan.training import checkpoint, replay, resume
from steadygan.training.generator import load_generator
from steadygan.training.runfolder import read_facts
from steadygan.training.sample_files import sample

MODULE = """
from pathlib import Path

from steadygan.game.objective import Objective
from steadygan.losses.penalties import Penalty

with Path({seen!r}).open("a") as file:
    file.write("imported ")


class Cubic(Objective):
    name = "{module}-cubic"

    def d_loss(self, real_scores, fake_scores):
        return (1 - real_scores).abs().pow(3).mean() + (1 + fake_scores).abs().pow(3).mean()

    def g_loss(self, fake_scores):
        return -fake_scores.mean()


class Ring(Penalty):
    name = "{module}-ring"

    def points(self, context):
        return context.real

    def cost(self, squares):
        return (squares.sqrt() - 1).relu()


class Taken(Penalty):
    name = "r1"


class Nameless(Penalty):
    pass
"""
GIVEN = ("--data", "ring", "--steps", "3", "width=4", "batch=8", "threads=1", "--device", "cpu")


@pytest.fixture
def steadygan(tmp_path, monkeypatch, capfd):
    """`steadygan(*words)` in a folder with a module of a name of its own: (exit code, stderr)."""
    module = f"mine{abs(hash(tmp_path))}"
    (tmp_path / f"{module}.py").write_text(
        MODULE.replace("{seen!r}", repr(str(tmp_path / "seen.txt"))).replace("{module}", module)
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["steadygan", *(w.replace("mine:", f"{module}:")
                                                         for w in words)])  # fmt: skip
        capfd.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code
        return code, capfd.readouterr().err

    call.here, call.module = tmp_path, module
    yield call
    forget(module)


def forget(module):
    """As in a process that has never imported it; its classes go with it."""
    sys.modules.pop(module, None)


def test_a_loss_and_a_penalty_of_ones_own_train_are_recorded_and_resumed(steadygan):
    code, err = steadygan("train", "gan", *GIVEN, "objective=mine:Cubic", "--out", "run",
                          "--add", "mine:Ring:weight=2,every=2", "log_every=1")  # fmt: skip
    assert code == 0, err
    recipe = read_facts(steadygan.here / "run")["recipe"]
    assert recipe["objective"] == {"name": f"{steadygan.module}:Cubic"}
    assert recipe["on_d"] == [{"name": f"{steadygan.module}:Ring", "weight": 2.0, "every": 2}]
    lines = (steadygan.here / "run/history.jsonl").read_text().splitlines()
    assert any(f"d_loss/{steadygan.module}-ring" in json.loads(line) for line in lines)
    code, err = steadygan("resume", "run", "--steps", "5", "--trust-code")
    assert code == 0, err
    assert read_facts(steadygan.here / "run")["status"]["step"] == 5
    code, err = steadygan("resume", "run", "--steps", "7", "--trust-code",
                          f"{steadygan.module}-ring.weight=1")  # fmt: skip
    assert code == 0, err
    assert read_facts(steadygan.here / "run")["recipe"]["on_d"][0]["weight"] == 1.0


@pytest.mark.parametrize(
    "read",
    [
        lambda run: resume(run, steps=9),
        lambda run: load_generator(run),
        lambda run: sample(run, out=run.parent / "s.npy", count=4),
        lambda run: replay(run),
    ],
    ids=["resume", "load_generator", "sample", "replay"],
)
def test_a_folder_with_somebodys_loss_is_not_imported_unasked(steadygan, read):
    code, err = steadygan("train", "gan", *GIVEN, "objective=mine:Cubic", "--out", "run")
    assert code == 0, err
    forget(steadygan.module)
    seen = steadygan.here / "seen.txt"
    seen.unlink()
    run = steadygan.here / "run"
    (run / "failure").mkdir()
    newest = checkpoint.listed(run / "checkpoints")[0]
    found = checkpoint.load(newest)
    facts = {k: v for k, v in found.metadata.items() if k not in checkpoint.PLAIN}
    checkpoint.save(run / "failure", 0, dict(found.tensors), {**facts, "place": [0, "d", 0]})
    with pytest.raises(UserError, match=f"code of its own, {steadygan.module}:Cubic.*--trust-code"):
        read(run)
    assert not seen.exists()
    write_report(run)
    assert not seen.exists()


@pytest.mark.long
def test_in_a_study_a_worker_finds_it(steadygan):
    code, err = steadygan("compare", "gan:objective=mine:Cubic", *GIVEN, "--out", "s",
                          "--count", "100")  # fmt: skip
    assert code == 0, err
    (run,) = (steadygan.here / "s/runs").iterdir()
    assert read_facts(run)["recipe"]["objective"]["name"] == f"{steadygan.module}:Cubic"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--add", "mine:Taken"), r"is named 'r1', and so is steadygan.losses.penalties:R1"),
        (("--add", "mine:Nameless"), r"has no name: give the class one"),
        (("--add", "mine:Cubic"), r"is no part: derive it from steadygan.game.part.Part"),
        (("objective=mine:Ring",), r"is no objective: derive it"),
        (("objective=mine:Missing",), r"wants module:Class, and 'Missing' is not in .*\.py"),
        (("objective=nowhere:Thing",), r"there is no module 'nowhere' in the working folder"),
        (("--add", "mine:Ring:x:1"), r"--add .*:Ring:x:1"),  # no emoji of ":Ring:"
        (("--add", "mine:Ring:banana=1"), r"no such key 'banana'"),
    ],
)
def test_what_does_not_fit_is_said_in_a_line_before_there_is_a_run(steadygan, words, said):
    code, err = steadygan("train", "gan", *GIVEN, "--out", "run", *words)
    assert code == 2
    assert re.search(said, err), err
    assert not (steadygan.here / "run").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_this_name", r"module \w+ cannot be imported: No module named 'nothing"),
        ("def broken(:", r"module \w+ cannot be imported: SyntaxError"),
        ("1 / 0", r"module \w+ cannot be imported: ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_that_fails_is_named_with_its_own_error(steadygan, text, said):
    (steadygan.here / "failing_module.py").write_text(text)
    code, err = steadygan("train", "gan", *GIVEN, "--out", "run", "objective=failing_module:Thing")
    forget("failing_module")
    assert code == 2
    assert re.search(said, err), err


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("def d_loss(self, real, fake):\n        return fake.mean()", r"Odd gives no g_loss"),
        ("def d_loss(self, real, fake):\n        return fake\n    def g_loss(self, fake):\n"
         "        return -fake.mean()", r"'adversarial' has the shape \(8,\): give its mean"),
    ],
)  # fmt: skip
def test_a_loss_that_is_none_is_said_with_its_class_or_shape(steadygan, body, said):
    name = f"odd-{len(body)}"  # a name is taken for the life of a process
    base = "from steadygan.game.objective import Objective\n\n\nclass Odd(Objective):\n"
    module = name.replace("-", "_")
    (steadygan.here / f"{module}.py").write_text(f'{base}    name = "{name}"\n\n    {body}\n')
    code, err = steadygan("train", "gan", *GIVEN, "--out", "run", f"objective={module}:Odd")
    forget(module)
    assert code != 0
    assert re.search(said, err), err


def test_a_recipe_names_what_it_would_import():
    given = {"objective": {"name": "a.b:C"}, "on_d": [{"name": "d:E", "weight": 1.0}],
             "networks": {"name": "own", "generator": "f:G", "discriminator": None}}  # fmt: skip
    assert imports_of(given) == ["a.b:C", "d:E", "f:G"]
    assert imports_of(Penalty.named("r1")) == []
    for family in (Objective, Part):
        with pytest.raises(ValueError, match="not imported to be looked at"):
            family.read({"name": "nowhere_at_all:Thing"})


def in_segments(facts, name):
    facts["segments"] = [{"step": 9, "images": 9, "changed": {"objective": [name, "ns"]}}]


@pytest.mark.parametrize(
    "write",
    [
        lambda facts, name: facts["recipe"].update(objective=name),
        lambda facts, name: facts["recipe"].update(objective=f"{name}:x=1"),
        lambda facts, name: facts["recipe"].update(on_d=[name.replace("Cubic", "Ring")]),
        lambda facts, name: facts["recipe"].update(on_d=[{"name": name.replace("Cubic", "Ring")}]),
        in_segments,
    ],
    ids=["objective", "with keys", "part", "a part's dict", "a segment"],
)
@pytest.mark.parametrize("command", ["resume", "sample", "replay", "report"])
def test_nothing_that_a_file_holds_is_imported_however_it_is_written(steadygan, write, command):
    code, err = steadygan("train", "gan", *GIVEN, "--out", "run")
    assert code == 0, err
    path = steadygan.here / "run/run.json"
    facts = json.loads(path.read_text())
    write(facts, f"{steadygan.module}:Cubic")
    path.write_text(json.dumps(facts))
    sys.path.insert(0, str(steadygan.here))  # where an import would find it
    more = {"resume": ("--steps", "5"), "sample": ("--out", "s.npy", "--force")}
    code, err = steadygan(command, "run", *more.get(command, ()))
    assert not (steadygan.here / "seen.txt").exists()
    assert "Traceback" not in err


def test_what_is_trusted_is_said_once(steadygan):
    code, err = steadygan("train", "gan", *GIVEN, "objective=mine:Cubic", "--out", "run")
    assert code == 0, err
    code, err = steadygan("resume", "run", "--steps", "5", "--trust-code")
    assert code == 0, err
    assert err.count("importing ") == 1


def test_a_run_of_ones_own_loss_is_measured_at_its_end_and_again_when_resumed(steadygan):
    every = ("--evaluate-every", "2", "--count", "60")
    code, err = steadygan("train", "gan", *GIVEN, "objective=mine:Cubic", *every, "--out", "r")
    assert code == 0, err
    assert read_facts(Path("r"))["measures"]["quality"]["last"]["step"] == 3
    code, err = steadygan("resume", "r", "--steps", "5", "--trust-code")
    assert code == 0, err
    assert read_facts(Path("r"))["measures"]["quality"]["last"]["step"] == 5
