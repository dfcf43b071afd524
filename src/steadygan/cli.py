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

from steadygan.errors import SteadyGanError, UserError

app = typer.Typer(
    name="steadygan",
    help="Train GANs that stay stable, and prove it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DATA_HELP = "mnist, mnist:DIR, fashion-mnist[:DIR], folder:DIR, ring or grid."
KEYS_HELP = (
    "key=value settings: size= channels= flip= holdout= (data), batch= width= lr= objective= ... "
    "(method; `steadygan methods NAME` lists them), preset=light|paper, precision= threads= "
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
) -> None:
    """Train one method into a run folder.

    Without --steps or --budget: 10 minutes of training. Without --out: runs/METHOD-DATA-sSEED, or
    the first free runs/METHOD-DATA-sSEED-N.
    """
    from steadygan import training
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
    for advice in recipe.advice():
        say(f"note: {advice}")
    out = out or free_folder(f"runs/{chosen.name}-{dataset.name}-s{seed}")
    stop = training.StopAsked(_seconds(stop_after))
    with stop.listening(), bars() as progress, reported_if_it_stops(out):
        hooks = training.Hooks(RunBar(progress, chosen.name, goal), stop)
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
    from steadygan.report import write_report
    from steadygan.study.progress import RunBar, bars
    from steadygan.training.runfolder import read_facts
    from steadygan.training.runs import goal_of

    budget_minutes = minutes(budget, "--budget")
    facts = read_facts(run)
    asked = steps is not None or budget_minutes is not None
    goal = goal_of(steps, budget_minutes) if asked else training.Goal(**facts["goal"])
    stop = training.StopAsked(_seconds(stop_after))
    with stop.listening(), bars() as progress, reported_if_it_stops(run):
        hooks = training.Hooks(RunBar(progress, facts["method"], goal), stop)
        training.resume(
            run, steps=steps, budget_minutes=budget_minutes, allow_inexact=allow_inexact,
            hooks=hooks, say=say,
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
    seed: Seed = 0,
    out: Out = None,
    device: Device = "auto",
    allow_bad: AllowBad = False,
) -> None:
    """Train several methods, each for the same steps or budget, into one report.

    Without --steps or --budget: 10 minutes a run. Without --out: the first free runs/compare-DATA.
    Called again with the same --out and settings it goes on where it was cut off.
    """
    from steadygan import training
    from steadygan.measures import recognisable
    from steadygan.report import write_report
    from steadygan.study import compare as study
    from steadygan.study.progress import RunBar, bars, counting
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
    goal = goal_of(steps, budget_minutes)
    _threads(request)
    dataset = opened(data, request)
    entries = study.entries_of(named, dataset.shape, request.recipe)
    plan = study.Study(
        entries, dataset, request, seed, steps, budget_minutes, device, command_line()
    )
    out = out or free_folder(f"runs/compare-{dataset.name}")
    stop = training.StopAsked()
    with stop.listening(), bars() as progress, reported_if_it_stops(out):
        outside = study.Outside(
            hooks=lambda name: training.Hooks(RunBar(progress, name, goal), stop),
            evaluate=lambda run: recognisable.judge_run(
                run, dataset, say, counting(progress, "classifier")
            ),
            say=say,
        )
        study.run_study(plan, out, outside)
        path = write_report(out)
    print(path)
    study.raise_if_failed(outside)


@app.command()
def sample(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[Path, typer.Option("--out", help="NAME.png, NAME.npy or NAME.gif")],
    count: Annotated[int, typer.Option("--count")] = 64,
    category: Annotated[str | None, typer.Option("--class", help="A class or category.")] = None,
    interpolate: Annotated[bool, typer.Option("--interpolate", help="Rows walk.")] = False,
    seed: Seed = 0,
) -> None:
    """Samples of a run: a grid, an array (uint8, N x H x W x C), or a walk through the latents."""
    from steadygan.training.sampling import sample

    sample(run, out, count=count, seed=seed, category=category, interpolate=interpolate, say=say)
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
