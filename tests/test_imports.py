"""The house: who may import whom, and what the source may never hold, read from syntax trees."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import steadygan

SRC = Path(steadygan.__file__).parent
FILES = sorted(SRC.rglob("*.py"))
#: Each folder sees those before it. `spec` and `errors` stand above all, `cli` below.
ORDER = [
    "errors", "spec", "files", "locks", "data", "networks", "game", "losses", "methods", "training",
    "measures", "diagnosis", "study", "report", "studio", "export", "cli",
]  # fmt: skip


def place(path):
    """The folder (or top-level module) of the package that a file belongs to."""
    return path.relative_to(SRC).parts[0].removesuffix(".py")


def imported(tree):
    """Full names of everything a tree imports, `if TYPE_CHECKING` and late imports included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def wrong_way(folder, source):
    """What `source`, a file of `folder`, imports from itself downwards in the house."""
    below = ORDER[ORDER.index(folder) + 1 :]
    found = []
    for name in imported(ast.parse(source)):
        pieces = name.split(".")
        if name.startswith("."):
            found.append(f"relative import {name}")
        elif pieces[0] == "steadygan" and len(pieces) > 1 and pieces[1] in below:
            found.append(name)
    return found


def imports_of(source, *modules):
    """The imports of `source` from any of `modules`."""
    return [n for n in imported(ast.parse(source)) if n.split(".")[0] in modules]


def star_imports(source):
    return [
        node.module
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and any(a.name == "*" for a in node.names)
    ]


UNPICKLERS = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "shelve", "marshal", "joblib"}
ATTRIBUTES = {"extractall", "nan_to_num", "nan_to_num_"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
OF_TORCH = {"torch.load", "torch.save", "torch.jit.load", "torch.package"}


def weights_only(source):
    """Calls of `torch.load(..., weights_only=True)`, which unpickles tensors and nothing else."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "torch.load"
        and any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords)
    ]


def dangers(source):
    """R10: pickle, torch.load, torch.save, eval, exec, extractall, nan_to_num, by syntax. A
    weights-only load is none; where one may stand has a test of its own."""
    for call in weights_only(source):
        source = ast.unparse(ast.parse(source)).replace(call, "None")
    found = [n for n in imported(ast.parse(source)) if set(n.split(".")) & UNPICKLERS]
    found += [n for n in imported(ast.parse(source)) if n in OF_TORCH]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found += [node.func.id] * (node.func.id in BUILTINS)
        if isinstance(node, ast.Attribute):
            full = ast.unparse(node)
            found += [full] * (node.attr in ATTRIBUTES or full in OF_TORCH)
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            found += ["allow_pickle"] * (ast.unparse(node.value) != "False")
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.load", "numpy.load"):
            said = {keyword.arg for keyword in node.keywords}
            found += ["np.load without allow_pickle=False"] * ("allow_pickle" not in said)
    return found


def catches_all(source):
    """Lines of handlers that catch whatever comes."""
    wide = {"Exception", "BaseException"}
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            names = (
                {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)}
                if node.type
                else wide
            )
            found += [node.lineno] * bool(names & wide)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            found += [node.lineno] * any(ast.unparse(a) in wide for a in node.args)
    return found


def each(check, folder=None):
    """What `check` finds in each file of the package (or of one folder), by file."""
    files = [p for p in FILES if folder is None or place(p) == folder]
    assert files
    found = {str(p.relative_to(SRC)): check(p.read_text(encoding="utf-8")) for p in files}
    return {name: what for name, what in found.items() if what}


# ---- the house -----------------------------------------------------------------------------


def test_every_folder_has_its_place_in_the_order():
    placed = {place(p) for p in FILES} - {"__init__", "__main__"}
    assert placed <= set(ORDER)
    assert {"data", "networks", "game", "methods", "training", "study", "report"} <= placed


@pytest.mark.parametrize("folder", ORDER)
def test_a_folder_imports_only_from_folders_above_it(folder):
    files = [p for p in FILES if place(p) == folder]
    found = {str(p): wrong_way(folder, p.read_text(encoding="utf-8")) for p in files}
    assert {name: what for name, what in found.items() if what} == {}


def test_the_report_never_imports_torch():
    assert each(lambda text: imports_of(text, "torch", "safetensors"), "report") == {}


def test_importing_the_report_brings_no_torch_with_it():
    code = "import sys, steadygan.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_no_star_imports():
    assert each(star_imports) == {}


def test_the_game_knows_no_file_device_or_logger():
    modules = ("logging", "pathlib", "os", "io", "json", "accelerate", "rich", "time")
    assert each(lambda text: imports_of(text, *modules), "game") == {}


# ---- R10 -----------------------------------------------------------------------------------


def test_nothing_that_runs_what_it_reads_or_hides_a_nan():
    assert each(dangers) == {}


def test_one_importer_reads_foreign_weights_and_only_weights():
    assert list(each(weights_only)) == ["measures/weights.py"]


def test_training_catches_nothing_that_it_does_not_name():
    assert each(catches_all, "training") == {}


# ---- the checks catch what they are for ----------------------------------------------------


@pytest.mark.parametrize(
    ("check", "source"),
    [
        (lambda s: wrong_way("game", s), "from steadygan.training import loop"),
        (lambda s: wrong_way("game", s), "def f():\n    import steadygan.training.loop"),
        (lambda s: wrong_way("networks", s), "from steadygan import game"),
        (lambda s: wrong_way("data", s), "from ..game import play"),
        (lambda s: wrong_way("spec", s), "from steadygan.data import Dataset"),
        (lambda s: wrong_way("study", s), "if TYPE_CHECKING:\n    from steadygan.cli import app"),
        (lambda s: imports_of(s, "torch"), "from torch.nn import Module"),
        (star_imports, "from steadygan.game.parts import *"),
        (dangers, "import pickle"),
        (dangers, "from pickle import loads"),
        (dangers, "import torch\ntorch.load('x')"),
        (dangers, "torch.load('x', weights_only=False)"),
        (dangers, "torch.load('x', weights_only=flag)"),
        (dangers, "torch.load('x', weights_only=True)\ntorch.load('x')"),
        (dangers, "load = torch.load\ntorch.load('x', weights_only=True)"),
        (dangers, "from torch import save"),
        (dangers, "load = torch.load"),
        (dangers, "eval('1')"),
        (dangers, "exec(text)"),
        (dangers, "archive.extractall('here')"),
        (dangers, "x.nan_to_num_()"),
        (dangers, "torch.nan_to_num(x)"),
        (dangers, "np.load(path)"),
        (dangers, "np.load(path, allow_pickle=True)"),
        (catches_all, "try:\n    f()\nexcept:\n    pass"),
        (catches_all, "try:\n    f()\nexcept (OSError, Exception):\n    pass"),
        (catches_all, "with suppress(Exception):\n    f()"),
    ],
)
def test_a_check_catches_its_mutant(check, source):
    assert check(source)


@pytest.mark.parametrize(
    ("check", "source"),
    [
        (lambda s: wrong_way("training", s), "from steadygan.game import play\nimport torch"),
        (lambda s: wrong_way("game", s), "from steadygan.spec import Spec"),
        (dangers, "torch.load('x', weights_only=True)"),
        (dangers, "model.eval()\nre.compile('x')\nnp.load(path, allow_pickle=False)"),
        (catches_all, "try:\n    f()\nexcept (OSError, ValueError):\n    pass"),
    ],
)
def test_a_check_lets_good_code_pass(check, source):
    assert not check(source)
