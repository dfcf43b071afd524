"""Commands on one run: train, resume, sample, replay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from steadygan.cli.options import (
    ALLOWED,
    KEYS_HELP,
    AllowBad,
    Budget,
    Data,
    Device,
    EvaluateEvery,
    Force,
    Out,
    Seed,
    Steps,
    StopAfter,
    command_line,
    minutes,
    opened,
    reported_if_it_stops,
    require_new,
    say,
    schedule,
    seconds,
    use_threads,
)

app = typer.Typer()


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
    use_threads(request)
    dataset = opened(data, request)
    recipe = compose(chosen, dataset.shape, request.recipe, add or [], drop or [])
    for note in notes(recipe, dataset.shape, dataset.classes):
        say(f"note: {note}")
    out = out or free_folder(f"runs/{chosen.name}-{dataset.name}-s{seed}")
    evaluate = _evaluator(dataset, goal, schedule(evaluate_every), device)
    stop = training.StopAsked(seconds(stop_after))
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
    stop = training.StopAsked(seconds(stop_after))
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
    force: Force = False,
) -> None:
    """Samples of a run: a grid, an array (uint8, N x H x W x C), or a walk through the latents."""
    from steadygan.training.sampling import sample

    require_new(out, force)
    sample(
        run, out, count=count, seed=seed, category=category, text=text, interpolate=interpolate,
        at="best" if best else "last", say=say,
    )  # fmt: skip
    print(out)


@app.command()
def replay(run: Annotated[Path, typer.Argument(help="A run that stopped on NaN or Inf.")]) -> None:
    """Play the update again that stopped a run on a non-finite number."""
    from steadygan.training import replay

    print(replay(run))


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
    from steadygan.data import DataSettings, open_data
    from steadygan.training.runs import device_or_auto

    known = facts.get("evaluation")
    if not known:
        return None, lambda trainer: None
    data = open_data(facts["data"]["spec"], DataSettings(**facts["data"]["settings"]))
    given = {"draft": known["count"], "features": known.get("features", "auto"),
             "weights": known.get("weights")}  # fmt: skip
    return data, _evaluator(data, goal, known["every"], device_or_auto(facts["device"]), **given)
