"""R21: JSON of another shape in run.json, study.json, history.jsonl and checkpoint metadata."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from steadygan.data import DataSettings, open_data
from steadygan.errors import SteadyGanError
from steadygan.metrics import samples
from steadygan.report import write_report
from steadygan.study.compare import StudyHooks, run_study
from steadygan.study.plan import Evaluation, Study, entries_of
from steadygan.study.request import read_request
from steadygan.study.table import write_tables
from steadygan.study.work import work
from steadygan.training import checkpoint, resume
from steadygan.training.sample_files import sample
from tests.reliability import games

Tick = Callable[[], None]

#: What stands in the place of each value: JSON text, so that it can be what Python would not write.
WRONG = {
    "null": "null",
    "true": "true",
    "-1": "-1",
    "0": "0",
    "a fraction": "0.5",
    "beyond floats": "1e400",
    "a huge integer": "1" + 400 * "0",
    "not a number": "NaN",
    "text": '"x"',
    "half a character": '"\\ud800"',
    "a path": '"../../x\\u0000"',
    "a list": "[]",
    "an object": "{}",
    "a nested list": "[" * 40 + "]" * 40,
    "a deep list": "[" * 900 + "]" * 900,
    "a deeper list": "[" * 100_000 + "]" * 100_000,
}
MARK = "\u2620the place\u2620"


def places(value: Any, at: tuple = ()) -> Iterator[tuple]:
    """The path of every value inside JSON, objects and lists themselves too."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:2])
    for key, each in inner:
        yield (*at, key)
        if isinstance(each, dict | list):
            yield from places(each, (*at, key))


def with_wrong(value: Any, at: tuple, wrong: str) -> str:
    """JSON text of `value` with what is at `at` replaced by the JSON text `wrong`."""
    changed = copy.deepcopy(value)
    where = changed
    for key in at[:-1]:
        where = where[key]
    where[at[-1]] = MARK
    return json.dumps(changed, ensure_ascii=False).replace(json.dumps(MARK, ensure_ascii=False),
                                                           wrong)  # fmt: skip


def without(value: Any, at: tuple) -> str:
    """JSON text of `value` without what is at `at`."""
    changed = copy.deepcopy(value)
    where = changed
    for key in at[:-1]:
        where = where[key]
    del where[at[-1]]
    return json.dumps(changed)


def mutants(value: Any) -> Iterator[tuple[str, str]]:
    """Every value replaced by every wrong one, and left out: (what was done, JSON text)."""
    for what, wrong in WRONG.items():
        yield f"all of it: {what}", wrong
    for at in places(value):
        name = ".".join(map(str, at))
        yield f"{name}: left out", without(value, at)
        for what, wrong in WRONG.items():
            yield f"{name}: {what}", with_wrong(value, at, wrong)


def mutants_of_texts(values: dict[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """The same of checkpoint metadata, whose values are JSON texts by key."""
    good = {key: json.dumps(value) for key, value in values.items()}
    for key, value in values.items():
        yield f"{key}: left out", {k: text for k, text in good.items() if k != key}
        inner = [(f"all of it: {what}", wrong) for what, wrong in WRONG.items()]
        inner += [("no JSON", "{"), ("nothing", "")]
        for what, text in mutants(value) if isinstance(value, dict) else inner:
            yield f"{key}.{what}", {**good, key: text}


# ---- a study to break ----------------------------------------------------------------------------


def planned_study(word: str, steps: int = 3, every: str | None = "2") -> Study:
    """A study of one tiny run on points, not begun."""
    request = read_request(["log_every=1", "threads=1"])
    data = open_data("ring", request.data)
    evaluation = Evaluation(every=every, draft=50, count=50)
    return Study(entries_of([word], data.shape, {}), data, request, (0,), steps, None, "cpu",
                 "steadygan compare gan", evaluation=evaluation)  # fmt: skip


def study_of_points(out: Path) -> Study:
    """A study of a single tiny run, judged on its way, finished."""
    study = planned_study("gan:width=4,batch=8")
    study = replace(study, entries=(replace(study.entries[0], name="gan"),))

    def here(out: Path, runs: list[str], watch: object, stop: Callable) -> dict:
        for run in runs:
            work(out, run, lambda event: None, stop)
        return {}

    run_study(study, out, StudyHooks(engine=here, say=games.quiet))
    write_tables(out, "summary", {})
    return study


def readers(out: Path) -> dict[str, Callable[[], object]]:
    """Everything that reads a study's folder or that of its run, by name."""
    run = out / "runs" / "gan-s0"
    quiet = games.quiet

    def evaluate() -> None:
        source = samples.find_source(run)
        spec, settings = source.data(None, DataSettings())
        with source.naming(None, DataSettings()):
            data = open_data(spec, settings)
        samples.read_samples(source, data, 50, say=quiet)

    return {
        "sample": lambda: sample(run, out / "a.npy", count=2, say=quiet),
        "best": lambda: sample(run, out / "a.npy", count=2, at="best", say=quiet),
        "resume": lambda: resume(run, steps=4, say=quiet),
        "evaluate": evaluate,
        "table": lambda: write_tables(out, "paper", {}),
        "report of the run": lambda: write_report(run),
        "report of the study": lambda: write_report(out),
        "work": lambda: work(out, "gan-s0", lambda event: None, lambda: None),
    }


#: Who reads what.
READERS = {
    "run.json": ("sample", "best", "resume", "evaluate", "table", "report of the run",
                 "report of the study", "work"),
    "study.json": ("table", "report of the study", "work"),
    "tables.json": ("table", "report of the study"),
    "history.jsonl": ("resume", "table", "report of the run"),
    "metadata": ("resume", "sample", "evaluate"),
}  # fmt: skip


def told(call: Callable[[], object]) -> str:
    """How a reader ends: nothing, or its one line. Any other exception goes through."""
    try:
        call()
    except SteadyGanError as error:
        text, code = str(error), error.exit_code
    else:
        return ""
    assert code in (2, 4), (code, text)
    assert "\n" not in text, text
    assert len(text) < 2000, text[:2000]
    return text


def broken(out: Path) -> list[tuple[str, str, Callable[[Path], None]]]:
    """Every mutant of the study's files: (file, what was done, what does it to a copy)."""
    run, found = Path("runs") / "gan-s0", []
    newest = checkpoint.listed(out / run / "checkpoints")[0].relative_to(out)
    for path in (run / "run.json", Path("study.json"), Path("tables.json")):
        value = json.loads((out / path).read_text(encoding="utf-8"))
        found += [(path.name, what, _written(path, text.encode())) for what, text in mutants(value)]
    path = run / "history.jsonl"
    lines = (out / path).read_bytes().splitlines()
    for what, text in mutants(json.loads(lines[1])):
        data = b"\n".join([lines[0], text.encode(), *lines[2:], b""])
        found.append((path.name, what, _written(path, data)))
    kept = checkpoint.load(out / newest)
    facts = {k: v for k, v in kept.metadata.items() if k not in checkpoint.PLAIN}
    for what, texts in mutants_of_texts(facts):
        found.append(("metadata", what, _written(newest, with_metadata(kept.tensors, texts))))
    return found


def _written(path: Path, data: bytes) -> Callable[[Path], None]:
    def write(out: Path) -> None:
        (out / path).write_bytes(data)

    return write


def with_metadata(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> bytes:
    """A whole checkpoint file, its digest right, with these texts as its metadata."""
    texts = {"format": checkpoint.FORMAT, "sha256": checkpoint.BLANK, **metadata}
    data = safetensors.torch.save(tensors, texts)
    digest = hashlib.sha256(data).hexdigest().encode()
    return data.replace(checkpoint.BLANK.encode(), digest, 1)


def misshapen(count: int, folder: Path, study: Path | None = None, tick: Tick = lambda: None,
              seed: int = 0) -> str:  # fmt: skip
    """R21: `count` times a mutant of a file of a study, read by one of its readers: each ends well
    or in one line that names the folder. Which ones is drawn of all pairs, each once."""
    good, copy_of = study or folder / "good", folder / "copy"
    if study is None:
        study_of_points(good)
    pairs = [(*mutant, reader) for mutant in broken(good) for reader in READERS[mutant[0]]]
    random.Random(seed).shuffle(pairs)
    refused = 0
    for file, what, breaks, reader in (pairs[n % len(pairs)] for n in range(count)):
        shutil.copytree(good, copy_of)
        breaks(copy_of)
        try:
            text = told(readers(copy_of)[reader])
        except Exception as error:
            raise AssertionError(f"{reader} of {file}, {what}: {error!r:.300}") from error
        if text:
            assert str(copy_of) in text, f"{reader} of {file}, {what}: {text}"
        refused += bool(text)
        shutil.rmtree(copy_of)
        tick()
    return (
        f"{count:,} misshapen files of {len(pairs):,} pairs of fault and reader, {refused:,} "
        "refused, the others read"
    )
