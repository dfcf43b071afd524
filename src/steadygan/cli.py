"""The `steadygan` command. Commands only: what they do lives in the folders above."""

from __future__ import annotations

import os
import re
import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer.exceptions import TyperException

from steadygan import cli_data
from steadygan.errors import SteadyGanError, UserError

app = typer.Typer(
    name="steadygan",
    help="Train GANs that stay stable, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DATA_HELP = "mnist, folder:DIR, zip:FILE, ...; `steadygan data list` names all."
KEYS_HELP = (
    "key=value settings: size= channels= flip= holdout= attribute= (data), batch= width= lr= "
    "objective= ... (method; `steadygan methods NAME` lists them), preset=light|paper, "
    "precision= threads= "
    "log_every= save_every= sample_every= (run)."
)
ALLOWED = {False: [], True: ["allow_bad=true"]}
UNITS = {"s": 1 / 60, "m": 1.0, "h": 60.0, "d": 1440.0}

Data = Annotated[str, typer.Option("--data", help=DATA_HELP)]
Steps = Annotated[int | None, typer.Option("--steps", help="Turns in all.")]
Budget = Annotated[str | None, typer.Option("--budget", help="Training time, such as 45s, 5m, 2h.")]
Out = Annotated[Path | None, typer.Option("--out", help="A folder of its own.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
AllowBad = Annotated[
    bool, typer.Option("--allow-bad", help="Go on where over 1 % of the images are bad.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**62)]
StopAfter = Annotated[
    str | None, typer.Option("--stop-after", help="Save and exit 75 after this wall-clock time.")
]
EvaluateEvery = Annotated[
    str,
    typer.Option(
        "--evaluate-every",
        help="Judge samples on the way: steps (500), training time (30s), share of the goal (5%), "
        "auto (5% of the goal, at most a tenth of the time) or none.",
    ),
]
Layout = Annotated[
    str, typer.Option("--layout", help="Of the table: summary, or paper for those of papers.")
]


def minutes(text: str | None, option: str) -> float | None:
    """`45s`, `5m`, `2h` (or a plain number of minutes) as minutes."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if not found or float(found[1]) == 0:
        raise UserError(f"{option} {text}: wants a time above 0 such as 45s, 5m or 2h")
    return float(found[1]) * UNITS[found[2] or "m"]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def command_line() -> str:
    """What was typed, for the run folder."""
    return shlex.join(["steadygan", *sys.argv[1:]])


def opened(source: str, request: object) -> object:
    """The data set, decoded with a progress bar; bad files are said."""
    from steadygan.data import open_data
    from steadygan.study.progress import bars, counting

    with bars() as progress:
        data = open_data(source, request.data, progress=counting(progress, "decoding"))
    for bad in data.quarantine:
        say(f"left out {bad['path']}: {bad['reason']}")
    return data


@app.command()
def train(
    method: Annotated[str, typer.Argument(help="A method; `steadygan methods` lists them.")],
    settings: Annotated[list[str] | None, typer.Argument(help=KEYS_HELP)] = None,
    data: Data = "mnist",
    steps: Steps = None,
    budget: Budget = None,
    seed: Seed = 0,
    out: Out = None,
    device: Device = "auto",
    add: Annotated[list[str] | None, typer.Option("--add", help="PART[:key=value,...]")] = None,
    drop: Annotated[list[str] | None, typer.Option("--drop", help="PART")] = None,
    stop_after: StopAfter = None,
    allow_bad: AllowBad = False,
    evaluate_every: EvaluateEvery = "none",
) -> None:
    """Train one method into a run folder.

    Without --steps or --budget: 10 minutes of training. Without --out: runs/METHOD-DATA-sSEED, or
    the first free runs/METHOD-DATA-sSEED-N.
    """
    from steadygan import training
    from steadygan.game.guidelines import notes
    from steadygan.measures.reconstruction import judge_stage
    from steadygan.methods import find
    from steadygan.report import write_report
    from steadygan.study.compose import compose
    from steadygan.study.progress import RunBar, bars
    from steadygan.study.request import read_request
    from steadygan.training.runs import free_folder, goal_of

    request = read_request([*(settings or []), *ALLOWED[allow_bad]])
    chosen, budget_minutes = find(method), minutes(budget, "--budget")
    goal = goal_of(steps, budget_minutes)
    _threads(request)
    dataset = opened(data, request)
    recipe = compose(chosen, dataset.shape, request.recipe, add or [], drop or [])
    for note in notes(recipe, dataset.shape, dataset.classes):
        say(f"note: {note}")
    out = out or free_folder(f"runs/{chosen.name}-{dataset.name}-s{seed}")
    evaluate = _evaluator(dataset, goal, _schedule(evaluate_every), device)
    stop = training.StopAsked(_seconds(stop_after))
    with stop.listening(), bars() as progress, reported_if_it_stops(out):
        bar = RunBar(progress, chosen.name, goal)
        hooks = training.Hooks(bar, stop, judge_stage, evaluate)
        training.train(
            recipe, dataset, out=out, steps=steps, budget_minutes=budget_minutes, seed=seed,
            device=device, precision=request.run.precision, cadence=request.cadence(),
            hooks=hooks, command=command_line(), title=chosen.title,
        )  # fmt: skip
        path = write_report(out)  # a signal that comes now finds the run done
    print(path)


@app.command()
def resume(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    steps: Annotated[int | None, typer.Option("--steps", help="Go on to step N in all.")] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help="Go on to this time in all.")
    ] = None,
    allow_inexact: Annotated[bool, typer.Option("--allow-inexact")] = False,
    stop_after: StopAfter = None,
) -> None:
    """Go on with a run, bit for bit; by default to the goal it was started with."""
    from steadygan import training
    from steadygan.measures.reconstruction import judge_stage
    from steadygan.report import write_report
    from steadygan.study.progress import RunBar, bars
    from steadygan.training.runfolder import read_facts
    from steadygan.training.runs import goal_of

    budget_minutes = minutes(budget, "--budget")
    facts = read_facts(run)
    asked = steps is not None or budget_minutes is not None
    goal = goal_of(steps, budget_minutes) if asked else training.Goal(**facts["goal"])
    data, evaluate = _evaluated_before(facts, goal)
    stop = training.StopAsked(_seconds(stop_after))
    with stop.listening(), bars() as progress, reported_if_it_stops(run):
        bar = RunBar(progress, facts["method"], goal)
        hooks = training.Hooks(bar, stop, judge_stage, evaluate)
        training.resume(
            run, steps=steps, budget_minutes=budget_minutes, allow_inexact=allow_inexact,
            data=data, hooks=hooks, say=say,
        )  # fmt: skip
        path = write_report(run)
    print(path)


@app.command()
def compare(
    words: Annotated[
        list[str],
        typer.Argument(metavar="METHOD[:key=value,...]... [key=value]...", help=KEYS_HELP),
    ],
    data: Data = "mnist",
    steps: Steps = None,
    budget: Budget = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**62, help="The first seed.")] = 0,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=1000, help="How many.")] = 1,
    out: Out = None,
    device: Device = "auto",
    allow_bad: AllowBad = False,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Runs at a time.")] = None,
    engine: Annotated[str, typer.Option("--engine", help="local or ray.")] = "local",
    address: Annotated[
        str | None, typer.Option("--address", help="A Ray cluster: auto or HOST:PORT.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the commands for another scheduler instead.")
    ] = False,
    evaluate_every: EvaluateEvery = "auto",
    count: Annotated[
        int, typer.Option("--count", min=50, help="Samples that a finished run is judged by.")
    ] = 10_000,
    features: Annotated[
        str,
        typer.Option("--features", help="Of distances: auto, classifier, effnet, inception, none."),
    ] = "auto",
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Those of inception; `weights import` writes.")
    ] = None,
    layout: Layout = "summary",
    stop_after: StopAfter = None,
) -> None:
    """Train methods x seeds, each for the same steps or budget, into one table and report.

    Without --steps or --budget: 10 minutes a run. Without --out: the first free runs/compare-DATA.
    Called again with the same --out and settings it goes on where it was cut off.
    """
    from steadygan import training
    from steadygan.game.guidelines import notes_on_all
    from steadygan.study import compare as study
    from steadygan.study.plan import Evaluation, Study, begin, entries_of, in_turn
    from steadygan.study.progress import StudyBars, bars, counting
    from steadygan.study.request import is_setting, read_request
    from steadygan.training.runs import free_folder, goal_of

    named = [word for word in words if not is_setting(word)]
    keys = [word for word in words if is_setting(word)]
    request = read_request([*keys, *ALLOWED[allow_bad]])
    if not named:
        raise UserError(
            "compare wants at least one method: steadygan compare gan dcgan --data mnist"
        )
    budget_minutes = minutes(budget, "--budget")
    goal_of(steps, budget_minutes)
    file = None if weights is None else str(weights.absolute())
    every = _schedule(evaluate_every)
    evaluation = Evaluation(every=every, count=count, features=features, weights=file)
    chosen = _engine(engine, address, jobs)
    _known(layout, features, weights)
    shared_out = _threads_each(jobs or 1)
    _threads(request)
    dataset = opened(data, request)
    planned = Study(
        entries_of(named, dataset.shape, request.recipe), dataset, request,
        tuple(range(seed, seed + seeds)), steps, budget_minutes, device, command_line(),
        shared_out, evaluation,
    )  # fmt: skip
    recipes = {entry.name: entry.recipe for entry in planned.entries}
    for note in notes_on_all(recipes, dataset.shape, dataset.classes):
        say(f"note: {note}")
    out = out or free_folder(f"runs/compare-{dataset.name}")
    if plan:
        study.require_fits(planned)
        for name in in_turn(begin(planned, out)):
            print(shlex.join(["steadygan", "work", str(out), name]))
        print(shlex.join(["steadygan", "table", str(out)]))
        return
    stop = training.StopAsked(_seconds(stop_after))
    with stop.listening(), bars() as progress, reported_if_it_stops(out):
        outside = study.Outside(
            engine=chosen,
            watching=lambda runs, done: StudyBars(progress, runs, done),
            stop=stop,
            say=say,
            progress=counting(progress, "preparing"),
        )
        study.run_study(planned, out, outside)
        path = _tabled(out, layout, outside.failed)
    print(path)
    study.raise_if_failed(outside)


@app.command()
def work(
    out: Annotated[Path, typer.Argument(help="A study folder.")],
    run: Annotated[str, typer.Argument(help="A run of it, such as dcgan-s0.")],
    stop_after: StopAfter = None,
    fed: Annotated[bool, typer.Option("--fed", hidden=True)] = False,
) -> None:
    """Work on one run of a study, as `compare --plan` prints it: train or go on, then judge."""
    from steadygan import training
    from steadygan.study import queue
    from steadygan.study.progress import StudyBars, bars
    from steadygan.study.work import work

    stop = training.StopAsked(_seconds(stop_after))
    if fed:
        tell = queue.fed(stop)
        with stop.listening():
            work(out, run, tell, stop)
        return
    with stop.listening(), bars() as progress:
        watch = StudyBars(progress, 1, 0)
        watch(run, {"begins": True})
        path = work(out, run, lambda event: watch(run, event), stop)
    print(path)


@app.command()
def table(
    out: Annotated[Path, typer.Argument(help="A study folder.")], layout: Layout = "summary"
) -> None:
    """Write the table and report of a study again from its runs, and print the table."""
    path = _tabled(out, layout, {})
    print((out / "table.md").read_text(encoding="utf-8"), end="")
    print(path)


@app.command()
def sample(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[Path, typer.Option("--out", help="NAME.png, NAME.npy or NAME.gif")],
    count: Annotated[
        int | None,
        typer.Option("--count", help="In all (64), of each of several classes (8), or lines (1)."),
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option("--class", help="A class or category; several: a row each.")
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", help="A line of characters in one handwriting.")
    ] = None,
    interpolate: Annotated[bool, typer.Option("--interpolate", help="Rows walk.")] = False,
    best: Annotated[bool, typer.Option("--best", help="At the best evaluation.")] = False,
    seed: Seed = 0,
) -> None:
    """Samples of a run: a grid, an array (uint8, N x H x W x C), or a walk through the latents."""
    from steadygan.training.sampling import sample

    sample(
        run, out, count=count, seed=seed, category=category, text=text, interpolate=interpolate,
        at="best" if best else "last", say=say,
    )  # fmt: skip
    print(out)


@app.command()
def evaluate(
    source: Annotated[
        Path, typer.Argument(help="A run, a folder of images, or an .npy of samples.")
    ],
    settings: Annotated[
        list[str] | None, typer.Argument(help="size= channels= (data), threads=.")
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", help=f"{DATA_HELP} A run's own by default.")
    ] = None,
    features: Annotated[
        str, typer.Option("--features", help="auto, classifier, effnet or inception.")
    ] = "auto",
    count: Annotated[
        int | None, typer.Option("--count", help="Samples; 10,000 (2,500 points) by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Of inception: see `steadygan weights`.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Real images: train or test.")] = "train",
    sharpness: Annotated[
        str, typer.Option("--sharpness", help="sobel, tenengrad, laplacian, brenner, ...")
    ] = "sobel",
    best: Annotated[bool, typer.Option("--best", help="A run at its best evaluation.")] = False,
    pairs: Annotated[
        Path | None, typer.Option("--pairs", help="NAME.png: the nearest pairs of samples.")
    ] = None,
    legibility: Annotated[
        bool | None,
        typer.Option(
            "--legibility/--no-legibility",
            help="Read Chinese characters (extra ocr); by default where that is possible.",
        ),
    ] = None,
    device: Device = "auto",
    seed: Seed = 0,
) -> None:
    """Measure samples against real images: FID, KID, Inception Score, precision, recall, ..."""
    import json

    from steadygan.measures import judging
    from steadygan.measures.words import in_words
    from steadygan.study.progress import bars, counting
    from steadygan.study.request import read_request

    request = read_request(settings or [])
    for key in request.recipe:
        raise UserError(f"{key}= means nothing here; evaluate takes size=, channels= and threads=")
    asked = judging.Asked(
        source, against, features, count, weights, split, sharpness, best, pairs, device, seed,
        legibility,
    )  # fmt: skip
    spec, request.data = judging.data_of(asked, request.data)
    _threads(request)
    dataset = opened(spec, request)
    with bars() as progress:
        result = judging.judged(asked, dataset, say, lambda name: counting(progress, name))
    print(json.dumps(result, allow_nan=False) if as_json else in_words(result))


app.add_typer(cli_data.app)
weights_app = typer.Typer(name="weights", help="Weights of other people's networks.")
app.add_typer(weights_app)


@weights_app.callback()
def weights_group() -> None:
    """Weights of other people's networks."""


@weights_app.command("import")
def weights_import(
    file: Annotated[Path, typer.Argument(help="pt_inception-2015-12-05-6726825d.pth")],
    out: Annotated[Path, typer.Argument(help="NAME.safetensors")],
) -> None:
    """Turn the Inception weights of FID, in pytorch-fid's format, into a file for --weights."""
    from steadygan.measures.weights import PUBLISHED, import_weights

    if not import_weights(file, out):
        say(f"note: these are not the published weights ({PUBLISHED}): their FID is another number")
    print(out)


@app.command()
def methods(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME | diff A B]")] = None,
) -> None:
    """List the methods; or show one; or `diff A B`: in what two recipes differ."""
    from steadygan.methods import find
    from steadygan.methods import methods as found
    from steadygan.study.describe import difference, sheet

    if not names:
        width = max(len(name) for name in found())
        for name, method in found().items():
            print(f"{name:{width}}  {method.title}")
    elif names[0] == "diff" and len(names) == 3:
        print(difference(find(names[1]), find(names[2])))
    elif len(names) == 1 and names[0] != "diff":
        print(sheet(find(names[0])))
    else:
        raise UserError("methods takes nothing, one NAME, or: diff A B")


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="A run or study folder.")]) -> None:
    """Write report.html again from a run or study folder."""
    from steadygan.report import write_report

    print(write_report(folder))


@app.command()
def replay(run: Annotated[Path, typer.Argument(help="A run that stopped on NaN or Inf.")]) -> None:
    """Play the update again that stopped a run on a non-finite number."""
    from steadygan.training import replay

    print(replay(run))


@contextmanager
def reported_if_it_stops(folder: Path) -> Iterator[None]:
    """A run or study that fails or is stopped half-way has its report all the same."""
    from steadygan.errors import NonFiniteError
    from steadygan.report import write_report
    from steadygan.training import Stopped

    try:
        yield
    except (NonFiniteError, Stopped):
        say(str(write_report(folder)))
        raise


def _schedule(text: str) -> str | None:
    """`--evaluate-every` as it is recorded, checked."""
    from steadygan.measures.trajectory import Schedule

    if text == "none":
        return None
    Schedule.read(text)
    return text


def _evaluator(
    data: object, goal: object, every: str | None, device: str, **settings: object
) -> object:
    """The `evaluate` hook of a run that is judged on its way, if it is."""
    from steadygan.study.judge import Judge
    from steadygan.study.plan import Evaluation
    from steadygan.study.progress import bars, counting

    if every is None:
        return lambda trainer: None
    with bars() as progress:
        evaluation = Evaluation(every=every, **settings)
        judge = Judge(data, evaluation, say, counting(progress, "preparing"), device)
        return judge.evaluator(goal)


def _evaluated_before(facts: dict, goal: object) -> tuple[object, object]:
    """The data of a run, and its `evaluate` hook as before; nothing and none where it was not
    judged on its way."""
    from steadygan.data import DataSettings
    from steadygan.data import open_data as opened_again

    known = facts.get("evaluation")
    if not known:
        return None, lambda trainer: None
    data = opened_again(facts["data"]["spec"], DataSettings(**facts["data"]["settings"]))
    given = {"draft": known["count"], "features": known.get("features", "auto")}
    return data, _evaluator(data, goal, known["every"], facts["device"], **given)


def _engine(name: str, address: str | None, jobs: int | None) -> object:
    """What a study's runs are worked on by."""
    from steadygan.errors import did_you_mean
    from steadygan.study.cluster import on_ray
    from steadygan.study.queue import local

    if name not in ("local", "ray"):
        raise UserError(f"--engine {name}{did_you_mean(name, ('local', 'ray'))}")
    if name == "local" and address is not None:
        raise UserError(f"--address {address}: belongs to --engine ray")
    return local(jobs or 1) if name == "local" else on_ray(address, jobs)


def _known(layout: str, features: str, weights: Path | None) -> None:
    """Refuse a layout or features that nobody knows, before anything runs."""
    from steadygan.errors import did_you_mean
    from steadygan.measures.features import NAMES
    from steadygan.study.table import layout_called

    layout_called(layout)
    if features not in (known := ("auto", "none", *NAMES)):
        raise UserError(f"--features {features}: unknown{did_you_mean(features, known)}")
    if (features == "inception") != (weights is not None):
        raise UserError("--features inception and --weights OUT.safetensors belong together")


def _threads_each(jobs: int) -> int:
    """The threads of each of `jobs` runs at a time, so that all of them share the cores."""
    import torch

    return max(1, torch.get_num_threads() // jobs)


def _tabled(out: Path, layout: str, failed: dict[str, str]) -> Path:
    """Write a study's tables and report; the report's path."""
    from steadygan.report import write_report
    from steadygan.study.table import write_tables

    write_tables(out, layout, failed)
    return write_report(out)


def _threads(request: object) -> None:
    if request.run.threads is not None:
        import torch

        torch.set_num_threads(request.run.threads)


def _seconds(stop_after: str | None) -> float | None:
    asked = minutes(stop_after, "--stop-after")
    return None if asked is None else 60.0 * asked


def main() -> None:
    """Run the command; every error is one line on stderr and its exit code."""
    sys.path.insert(0, os.getcwd())  # where `generator=module:Name` looks first, as python -m does
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        app(standalone_mode=False)
    except (SteadyGanError, TyperException) as error:
        if debug:
            traceback.print_exc()
        text = error.format_message() if isinstance(error, TyperException) else str(error)
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"steadygan: {text}", markup=False
        )
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        if debug:
            raise
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        say(f"steadygan: unexpected {what}; the same command with --debug shows where")
        raise SystemExit(1) from None
