"""The house: who may import whom, and what the source may never hold, read from syntax trees."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import steadygan

SRC = Path(steadygan.__file__).parent
FILES = sorted(SRC.rglob("*.py"))
#: Each folder sees those before it. `spec` and `errors` stand above all, `cli` below.
ORDER = [
    "errors", "spec", "files", "locks", "launch", "records", "data", "networks", "priors", "game",
    "parts", "losses", "recipes", "methods", "training", "features", "metrics", "stability",
    "diagnosis", "study", "report", "figures", "export", "tracking", "studio", "watching", "cli",
]  # fmt: skip


@cache
def parsed(source):
    """The tree of a source, which nobody changes."""
    return ast.parse(source)


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
    for name in imported(parsed(source)):
        pieces = name.split(".")
        if name.startswith("."):
            found.append(f"relative import {name}")
        elif pieces[0] == "steadygan" and len(pieces) > 1 and pieces[1] in below:
            found.append(name)
    return found


def imports_of(source, *modules):
    """The imports of `source` from any of `modules`."""
    return [n for n in imported(parsed(source)) if n.split(".")[0] in modules]


def star_imports(source):
    return [
        node.module
        for node in ast.walk(parsed(source))
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
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "torch.load"
        and any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords)
    ]


def dangers(source):
    """R10: pickle, torch.load, torch.save, eval, exec, extractall, nan_to_num, by syntax. A
    weights-only load is none; where one may stand has a test of its own."""
    for call in weights_only(source):
        source = ast.unparse(parsed(source)).replace(call, "None")
    found = [n for n in imported(parsed(source)) if set(n.split(".")) & UNPICKLERS]
    found += [n for n in imported(parsed(source)) if n in OF_TORCH]
    for node in ast.walk(parsed(source)):
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
    for node in ast.walk(parsed(source)):
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
    assert {
        "data",
        "networks",
        "priors",
        "game",
        "methods",
        "training",
        "study",
        "report",
    } <= placed


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
    assert list(each(weights_only)) == ["features/weights.py"]


def test_training_catches_nothing_that_it_does_not_name():
    assert each(catches_all, "training") == {}


#: Files that may write directly: the helper itself; a checkpoint, whose write calls are counted; a
#: history, which grows by a line; the lock; /dev/null; and what is written into a folder of its
#: own that is renamed when it is whole.
WRITERS = {
    "files.py": {"beside.open"},
    "locks.py": {"os.open"},
    "cli/streams.py": {"os.open"},
    "training/checkpoint.py": {"os.open"},
    "training/meeting.py": {"(folder / 'memory').write_bytes"},  # in a temporary folder
    "training/picture_files.py": {"looks.enlarged(pictures.picture(image)).save"},
    "training/runfolder.py": {"self.history_path.open"},
    "data/build/folder.py": {"_image(pixels).save", "contact_sheet(pixels).save", "open"},
    "data/attempt.py": {"os.open"},
    "data/cache.py": {"open"},
    "data/build/card.py": {"open"},
    "data/build/hanzi.py": {
        "(building / RECORD).write_text", "np.save", "Image.fromarray(np.vstack(rows)).save",
        "shutil.copyfile",
    },
    "data/sources/hwdb.py": {"np.save"},
    "data/sources/imageset.py": {"np.save"},
    "data/sources/rows.py": {"np.save"},
    "data/seal.py": {"open"},
    "export/folder.py": {
        "(home / 'README.md').write_text", "(home / 'config.json').write_text",
        "(home / 'generator.py').write_text", "(home / 'generator.safetensors').write_bytes",
    },
    "studio/jobs.py": {"open"},  # the log of a process
    "studio/train.py": {"shutil.copyfile"},  # a copy that is cut short is an image that is left out
    "figures/write.py": {"found.picture.savefig", "open", "(home / 'README.md').write_text"},
    "export/formats.py": {"torch.export.save", "torch.jit.save"},
}  # fmt: skip
ALWAYS_WRITES = {"write_text", "write_bytes", "tofile", "save_file", "savefig", "to_csv", "savez",
                 "savetxt", "memmap", "open_memmap", "copyfile", "copy2", "copytree"}  # fmt: skip
#: `save` that gives bytes or is a function of this package.
NO_FILES = {"checkpoint.save", "safetensors.torch.save"}


def writes(source):
    """The calls that write a file other than one of `files.writing`, whose handle is `file`."""
    tree, found = parsed(source), set()
    given = {
        ast.unparse(item.optional_vars)
        for node in ast.walk(tree)
        if isinstance(node, ast.With)
        for item in node.items
        if item.optional_vars and ast.unparse(item.context_expr).startswith("writing(")
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name, words = ast.unparse(node.func), [ast.unparse(each) for each in node.args]
        last = name.rpartition(".")[2]
        modes = words + [ast.unparse(k.value) for k in node.keywords if k.arg in ("mode", "flags")]
        if last == "open":
            said = any(re.fullmatch(r"['\"][rbt]*[wax+][wbt+]*['\"]", mode) for mode in modes)
            found |= {name} if said or any("O_WR" in m or "O_RDWR" in m for m in modes) else set()
            unclear = name == "open" and len(words) > 1 and not re.match(r"['\"]", words[1])
            found |= {name} if unclear else set()
        elif last in ALWAYS_WRITES:
            found |= {name} if "mode='r'" not in ast.unparse(node) else set()
        elif last == "save" and words and name not in NO_FILES and words[0] not in given:
            found.add(name)
    return found


def test_every_file_is_written_whole_or_not_at_all():
    found = each(writes)
    unnamed = {name: what - WRITERS.get(name, set()) for name, what in found.items()}
    assert {name: what for name, what in unnamed.items() if what} == {}


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
        (star_imports, "from steadygan.game.part import *"),
        (writes, "open(path, 'w')"),
        (writes, "open(path, mode='xb')"),
        (writes, "path.open('a', encoding='utf-8')"),
        (writes, "open(path, how)"),
        (writes, "os.open(path, os.O_WRONLY | os.O_CREAT)"),
        (writes, "path.write_text(text)"),
        (writes, "np.save(path, values)"),
        (writes, "image.save(path, 'PNG')"),
        (writes, "with open_it() as file:\n    np.save(file, values)"),
        (writes, "np.memmap(path, mode='w+')"),
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
        (writes, "with writing(path) as file:\n    np.save(file, values)\n    image.save(file)"),
        (writes, "open(path)\npath.open('rb')\nopen(path, encoding='utf-8')\nself.save()"),
    ],
)
def test_a_check_lets_good_code_pass(check, source):
    assert not check(source)
