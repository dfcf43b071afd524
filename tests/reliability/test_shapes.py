"""R21 in a small count, and each guard by itself."""

import json
import os
import shutil

import pytest
import torch

from steadygan.errors import CheckpointError, UserError
from steadygan.records import misshapen, named_in, parsed, read_facts, read_history, read_object
from steadygan.records.schemas import GoalRecord, RunRecord, StudyRecord
from steadygan.training import checkpoint, resume, train
from tests.reliability import games, shapes


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A finished study of one run; copy it before changing it."""
    out = tmp_path_factory.mktemp("study") / "study"
    shapes.study_of_points(out)
    return out


@pytest.fixture
def run(study, tmp_path):
    return shutil.copytree(study / "runs" / "gan-s0", tmp_path / "run")


def test_r21_misshapen_files_are_one_line_for_every_reader(study, tmp_path):
    shapes.misshapen(24, tmp_path, study)


def test_r21_every_mutant_of_run_json_and_study_json_is_read_or_refused_with_its_field(study):
    """Each place with some wrong values, by the schema alone."""
    refused = 0
    for path, schema in ((study / "runs/gan-s0/run.json", RunRecord),
                         (study / "study.json", StudyRecord)):  # fmt: skip
        every = list(shapes.mutants(json.loads(path.read_text(encoding="utf-8"))))
        for what, text in every[::4]:
            try:
                problem = misshapen(schema, parsed(text))
            except ValueError as error:
                problem = str(error)
            field = what.partition(":")[0].split(".")[0]
            if problem and field not in ("all of it", "goal"):
                assert field in problem or "JSON" in problem or "nested" in problem, (what, problem)
            refused += bool(problem)
    assert refused > 100


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("seed", True, "seed: should be a valid integer"),
        ("threads", 0, "threads: should be greater than or equal to 1"),
        ("threads", "2", "threads: should be a valid integer"),
        ("device", "abacus", "device: "),
        ("goal", {"steps": 1, "budget_seconds": 1.0}, "goal: wants either"),
        ("goal", {}, "goal: wants either"),
        ("goal", [], "goal: "),
        ("data", {"spec": "ring", "settings": {}}, "has no 'data.shape'"),
        ("inexact", [1], "inexact.0: should be a valid string"),
        ("precision", "fp16", "precision: "),
    ],
)
def test_run_json_is_refused_with_path_field_and_what_to_do(run, field, value, said):
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, field: value}))
    with pytest.raises(UserError) as caught:
        read_facts(run)
    assert f"{run / 'run.json'}: {said}" in str(caught.value)
    assert "put a good copy of it there" in str(caught.value)


def test_unknown_keys_are_kept_by_a_resume(run):
    path = run / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "of 2031": {"a": [1e300]}}))
    resume(run, steps=4, say=games.quiet)
    assert json.loads(path.read_text())["of 2031"] == {"a": [1e300]}


def test_half_characters_survive_a_resume(run):
    path = run / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "title": "\ud800"}))
    resume(run, steps=4, say=games.quiet)
    assert read_facts(run)["title"] == "\ud800"


def test_a_study_leads_to_no_folder_outside_of_it():
    study = {"methods": {"../../x": {"method": "gan"}}}
    full = {"data": "ring", "data_settings": {}, "data_used": {"fingerprint": ""}, "runs": [],
            "seeds": [0], "run_settings": {}, "threads": 1, "device": "cpu",
            "evaluation": {}, "steps": 3}  # fmt: skip
    assert misshapen(StudyRecord, {**full, "methods": {"x": {}}}) == ""
    assert "is no name of a folder" in misshapen(StudyRecord, {**full, **study})
    aimless = {key: value for key, value in full.items() if key != "steps"}
    assert "either steps or budget_seconds" in misshapen(
        StudyRecord, {**aimless, "methods": {"x": {}}}
    )
    large = {**full, "methods": {"x": {}}, "seeds": [2**62]}
    assert misshapen(StudyRecord, large) == "", "as large as train takes"


@pytest.mark.parametrize("depth", [65, 900, 100_000])
def test_deep_nesting_is_refused_and_64_levels_are_read(depth):
    assert parsed("[" * 64 + "]" * 64) is not None
    with pytest.raises(ValueError, match="nested deeper than 64"):
        parsed("[" * depth + "]" * depth)


def test_wide_is_not_deep():
    assert len(parsed("[" + "[],[]," * 100 + "[]]")) == 201


def test_not_finite_numbers_are_refused_where_a_number_counts():
    assert misshapen(GoalRecord, json.loads('{"budget_seconds": 1e400}'))
    assert misshapen(GoalRecord, json.loads('{"budget_seconds": NaN}'))
    assert misshapen(GoalRecord, {"budget_seconds": 3}) == ""


def test_an_error_says_in_which_file_its_cause_stands():
    with pytest.raises(UserError, match=r"^run\.json: data: unknown$"), named_in("run.json: data"):
        raise UserError("unknown")


# ---- what is no file -----------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["FIFO", "folder"])
@pytest.mark.parametrize("name", ["run.json", "history.jsonl"])
def test_what_is_no_regular_file_is_said_at_once(run, name, what):
    (run / name).unlink()
    if what == "FIFO":
        os.mkfifo(run / name)
    else:
        (run / name).mkdir()
    with pytest.raises(UserError, match=f"{name}: cannot be read: it is a {what}"):
        list(read_history(run)) if name == "history.jsonl" else read_facts(run)
    with pytest.raises(UserError, match=f"{name}: cannot be read: it is a {what}"):
        resume(run, steps=4, say=games.quiet)


def test_a_huge_run_json_is_not_read(run, monkeypatch):
    with (run / "run.json").open("wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(UserError, match=r"3,221,225,472 bytes, and at most"):
        read_object(run / "run.json")


def sparse(path, size=3 << 30):
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.truncate(size)


def header_only(path):
    """A header that speaks of a few bytes, in a file of 3 GB."""
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    sparse(path)
    with path.open("r+b") as file:
        file.write(len(header).to_bytes(8, "little") + header)


def fifo(path):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def folder(path):
    path.unlink(missing_ok=True)
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (sparse, "its header cannot be 0 bytes of 3,221,225,472"),
        (header_only, "it is 3,221,225,472 bytes, its header describes 66"),
        (fifo, "it is a FIFO"),
        (folder, "it is a folder"),
    ],
)
def test_what_is_no_checkpoint_is_refused_without_reading_it(run, make, said, monkeypatch):
    newest = checkpoint.listed(run / "checkpoints")[0]
    for path in checkpoint.listed(run / "checkpoints"):
        make(path)
    read = []
    fdopen = os.fdopen

    def watched(*words):
        file = fdopen(*words)
        plain = file.read
        file = type("Watched", (), {
            "__enter__": lambda self: self, "__exit__": lambda self, *e: file_.close(),
            "seek": lambda self, at: file_.seek(at),
            "read": lambda self, n=-1: read.append(len(got := plain(n))) or got,
        })  # fmt: skip
        file_ = plain.__self__
        return file()

    monkeypatch.setattr(os, "fdopen", watched)
    with pytest.raises(CheckpointError, match=said) as caught:
        checkpoint.load(newest)
    assert str(newest) in str(caught.value)
    assert sum(read) < 1000
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        checkpoint.load_newest(run / "checkpoints", games.quiet)


# ---- checkpoints ---------------------------------------------------------------------------------


def rewritten(run, **changes):
    """The newest checkpoint with other tensors (None: left out), its digest right."""
    path = checkpoint.listed(run / "checkpoints")[0]
    found = checkpoint.load(path)
    tensors = {k: v for k, v in {**found.tensors, **changes}.items() if v is not None}
    info = {k: v for k, v in found.metadata.items() if k not in checkpoint.PLAIN}
    path.write_bytes(checkpoint.to_bytes(tensors, info))
    for older in checkpoint.listed(run / "checkpoints")[1:]:
        older.unlink()
    return path


@pytest.mark.parametrize(
    ("counter", "value", "said"),
    [
        ("turn", None, "by its counters"),
        ("images", None, "no counter 'images'"),
        ("turn", torch.tensor(-1), "no whole number from 0"),
        ("images", torch.tensor(-1), "no whole number from 0"),
        ("draws d", torch.tensor(-3), "no whole number from 0"),
        ("turn", torch.tensor(3.0), "no whole number from 0"),
        ("turn", torch.tensor([3, 4]), "no whole number from 0"),
        ("turn", torch.tensor(2**60), "no whole number from 0"),
        ("turn", torch.tensor(2), "is of step 2 by its counters; rename it to step-000002"),
    ],
)
def test_counters_that_are_none_are_exit_code_4(run, counter, value, said):
    rewritten(run, **{f"counters/{counter}": value})
    told = []
    with pytest.raises(CheckpointError) as caught:
        resume(run, steps=5, say=told.append)
    assert said in "; ".join([*told, str(caught.value)])
    assert str(run / "checkpoints") in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exp_avg": None}, "optimizer differ in"),
        ({"exp_avg": torch.zeros(3)}, "exp_avg is (3,)"),
        ({"step": torch.zeros(2)}, "step is (2,)"),
        ({"step": torch.zeros((), dtype=torch.float64)}, "torch.float64"),
        ({"velocity": torch.zeros(())}, "optimizer differ in"),
    ],
)
def test_an_optimizers_state_of_another_shape_is_refused_before_a_step(run, changes, said):
    found = checkpoint.load(checkpoint.listed(run / "checkpoints")[0]).tensors
    name = next(n for n in found if n.startswith("optimizers/g/") and n.endswith("/exp_avg"))
    stem = name.removesuffix("exp_avg")
    rewritten(run, **{stem + key: value for key, value in changes.items()})
    with pytest.raises(CheckpointError) as caught:
        resume(run, steps=5, say=games.quiet)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "name", ["step-²²", "step-3", "step-0000003", "step--00003", "step-٠٠٠٠٠٣"]
)
def test_names_that_are_no_step_are_said_and_left_alone(run, name):
    newest = checkpoint.listed(run / "checkpoints")[0]
    for path in checkpoint.listed(run / "checkpoints")[1:]:
        path.unlink()
    odd = newest.rename(newest.with_name(f"{name}.safetensors"))
    said = []
    with pytest.raises(CheckpointError, match="there are none"):
        checkpoint.load_newest(run / "checkpoints", said.append)
    assert said[0].startswith(f"{odd}: is no checkpoint's name, such as step-000100.safetensors")
    assert odd.exists()


@pytest.mark.parametrize("lacking", checkpoint.OF_A_STATE)
def test_a_checkpoint_without_what_a_resume_needs_is_not_whole(run, lacking):
    path = checkpoint.listed(run / "checkpoints")[0]
    found = checkpoint.load(path)
    info = {k: v for k, v in found.metadata.items() if k not in (*checkpoint.PLAIN, lacking)}
    path.write_bytes(checkpoint.to_bytes(found.tensors, info))
    with pytest.raises(CheckpointError, match=f"its metadata has no '{lacking}'"):
        checkpoint.load(path, checkpoint.OF_A_STATE)
    checkpoint.load(path)


# ---- history -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        b"{", b"[]", b'{"step": 1}', b'{"step": "1", "images": 8, "seconds": 0.1}', b"\xff\xfe",
        b'{"step": -1, "images": 8, "seconds": 0.1}', b"[" * 900 + b"]" * 900,
        b'{"step": 1, "images": 8, "seconds": 1e400}', b'{"step": true, "images": 8, "seconds": 1}',
    ],
    ids=range(9),
)  # fmt: skip
def test_a_bad_line_is_kept_aside_by_a_resume_and_the_others_stay(run, bad):
    path = run / "history.jsonl"
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], bad, *lines[1:], b""]))
    assert [line["step"] for line in read_history(run)] == [0, 1, 2, 3]
    said = []
    resume(run, steps=5, say=said.append)
    assert [line["step"] for line in read_history(run)] == [0, 1, 2, 3, 4, 5]
    assert path.read_bytes().splitlines()[:4] == lines
    assert (run / "history.bad.jsonl").read_bytes() == bad + b"\n"
    assert "1 line(s) that cannot be read are now in history.bad.jsonl" in said[0]


def test_a_torn_last_line_is_dropped_and_not_kept_aside(run):
    path = run / "history.jsonl"
    lines = path.read_bytes()
    path.write_bytes(lines + b'{"step": 4, "imag')
    resume(run, steps=5, say=games.quiet)
    assert [line["step"] for line in read_history(run)] == [0, 1, 2, 3, 4, 5]
    assert not (run / "history.bad.jsonl").exists()


def test_a_line_without_end_comes_in_pieces(run, monkeypatch):
    from steadygan.records import reading

    monkeypatch.setattr(reading, "MOST_LINE_BYTES", 4096)
    with (run / "history.jsonl").open("ab") as file:
        file.write(b"x" * 10_000)
    assert [line["step"] for line in read_history(run)] == [0, 1, 2, 3]
    assert [len(line.raw) for line in reading.history_lines(run)][-3:] == [4096, 4096, 1808]


def test_a_folder_with_bad_lines_kept_aside_is_no_free_one(run, tmp_path):
    with pytest.raises(UserError, match="holds another run"):
        train(games.small("gan"), games.images(), out=run, steps=1, device="cpu")
