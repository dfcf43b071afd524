"""Commands that train: train, resume, and replay of a step that failed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steadygan.cli.evaluating import (
    default_count,
    default_schedule,
    hook_of,
    judge_before,
    judge_of,
)
from steadygan.cli.following import follow, say_how_it_stands
from steadygan.cli.options import (
    ALLOWED,
    KEYS_HELP,
    AllowBad,
    Budget,
    Data,
    Device,
    EvaluateEvery,
    Out,
    Seed,
    Steps,
    StopAfter,
    StopOnFault,
    Track,
    TrustCode,
    command_line,
    examples,
    load_torch,
    minutes,
    opened,
    say,
    schedule,
    stop_after_or_unread,
    use_own_code,
    use_threads,
)
from steadygan.errors import UserError

if TYPE_CHECKING:
    from steadygan.data import Dataset
    from steadygan.study.recommend import Choice
    from steadygan.study.request import Request
    from steadygan.training.goals import Goal

app = typer.Typer()


@app.command(
    epilog=examples(
        "steadygan train dcgan --data mnist --budget 5m preset=light",
        "steadygan train --data folder:path/to/images --budget 10m",
        "steadygan train wgan-gp --data folder:path/to/images size=64 --steps 20000 --out run",
    )
)
def train(
    method: Annotated[
        str | None,
        typer.Argument(
            help="A method; `steadygan methods` lists them. Without one, that which `steadygan "
            "recommend` names for the data."
        ),
    ] = None,
    settings: Annotated[list[str] | None, typer.Argument(help=KEYS_HELP)] = None,
    data: Data = "mnist",
    steps: Steps = None,
    budget: Budget = None,
    seed: Seed = 0,
    out: Out = None,
    device: Device = "auto",
    add: Annotated[
        list[str] | None, typer.Option("--add", help="Add a part: PART[:key=value,...].")
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option("--drop", help="Remove a part of the method, by its name.")
    ] = None,
    stop_after: StopAfter = None,
    allow_bad: AllowBad = False,
    evaluate_every: EvaluateEvery = "",
    features: Annotated[
        str,
        typer.Option(
            "--features",
            help="Of evaluations: auto, classifier, effnet, effnet-96, effnet-64 or none.",
        ),
    ] = "auto",
    count: Annotated[
        int | None,
        typer.Option(
            "--count",
            min=50,
            help="Samples that an evaluation during training draws; by default 2,000, or "
            "1,500 for features of an effnet; with fewer than 2,562 training images 750, or as "
            "many as those.",
        ),
    ] = None,
    stop_on_fault: StopOnFault = False,
    track: Track = None,
) -> None:
    """Train one method and write a run folder with a report.

    Without --steps or --budget it trains for 10 minutes. Without --out it writes to
    runs/METHOD-DATA-sSEED, or the first free runs/METHOD-DATA-sSEED-N.
    """
    load_torch()
    from steadygan import training
    from steadygan.methods import find
    from steadygan.recipes.guidelines import notes
    from steadygan.study.bars import bars, phase
    from steadygan.study.compose import compose
    from steadygan.study.request import is_setting, names_own_code, read_request
    from steadygan.training.horizon import fitted_to
    from steadygan.training.joining import join
    from steadygan.training.runs import free_folder, goal_of

    if method is not None and is_setting(method):
        settings, method = [method, *(settings or [])], None
    if begun_before(out):
        assert out is not None  # see begun_before
        go_on(out, stop_after=stop_after, stop_on_fault=stop_on_fault, track=track, own=True)
        return
    request = read_request([*(settings or []), *ALLOWED[allow_bad]])
    chosen, budget_minutes = find(method) if method else None, minutes(budget, "--budget")
    goal = goal_of(steps, budget_minutes)
    use_threads(request)
    processes, device = join(device)
    dataset = processes.in_turn(lambda: opened(data, request))
    use_own_code(names_own_code([*(add or []), *request.recipe.values()]))
    if chosen is None:
        choice = recommended(dataset, goal, request, device, add or [], drop or [])
        chosen = find(choice.method)
        request.recipe = choice.keys(request.recipe)
        if choice.fits_horizon and "horizon" not in request.run.model_fields_set:
            request.run = request.run.model_copy(update={"horizon": "budget"})
        add = [*choice.parts, *(add or [])]
    recipe = compose(chosen, dataset.shape, request.recipe, add or [], drop or [])
    if request.run.horizon == "budget":
        with bars() as progress, phase(progress, "measuring the speed"):
            given = request.run.precision, request.run.exact, request.run.graphs, say
            recipe = fitted_to(recipe, dataset, goal, device, *given)
    for note in notes(recipe, dataset.shape, dataset.classes):
        say(f"note: {note}")
    out = out or free_folder(f"runs/{chosen.name}-{dataset.name}-s{seed}")
    asked = {"features": features, "draft": count or default_count(dataset, features)}
    every = schedule(evaluate_every) if evaluate_every else default_schedule(goal)
    judge = None
    if processes.first:
        judge = judge_of(dataset, every, device, trust_code=True, **asked)  # it is the user's own
    stop = stop_after_or_unread(stop_after)
    name, evaluate = chosen.name, hook_of(judge, goal)
    with follow(out, name, goal, evaluate, stop, track, stop_on_fault) as followed:
        training.train(
            recipe, dataset, out=out, steps=steps, budget_minutes=budget_minutes, seed=seed,
            device=device, precision=request.run.precision, exact=request.run.exact,
            graphs=request.run.graphs, schedule=request.schedule(),
            hooks=followed.hooks, command=command_line(), title=chosen.title,
        )  # fmt: skip
    say_how_it_stands(judge, out, followed)


def begun_before(out: Path | None) -> bool:
    """Whether torchrun has started this `train` again (`--max-restarts`) after it had saved
    something in `out`: it is to go on then. Raises UserError where it could not be found again."""
    from steadygan.launch import restarts
    from steadygan.training.checkpoint import listed

    done, most = restarts()
    if most and out is None:
        raise UserError(
            "torchrun --max-restarts wants --out, by which a process that is started again finds "
            "its run"
        )
    return bool(done and out is not None and listed(out / "checkpoints"))


@app.command(
    epilog=examples(
        "steadygan resume runs/dcgan-mnist-s0", "steadygan resume runs/dcgan-mnist-s0 --more 5m"
    )
)
def resume(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="key=value to change from here on, such as lr=1e-5; recorded."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", help="Train up to this step, counted from step 0.")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            help="Train up to this training time in total, the time already spent included.",
        ),
    ] = None,
    more: Annotated[
        str | None,
        typer.Option("--more", help="Train this much longer, such as 5m; also a finished run."),
    ] = None,
    allow_inexact: Annotated[
        bool,
        typer.Option(
            "--allow-inexact",
            help="Continue although the result will differ in bits (other torch, CPU, threads, "
            "data); the report says so.",
        ),
    ] = False,
    stop_after: StopAfter = None,
    trust_code: TrustCode = False,
    stop_on_fault: StopOnFault = False,
    track: Track = None,
) -> None:
    """Continue a run from its last checkpoint, bit for bit.

    Without --steps, --budget or --more it trains up to the goal that the run was started with.
    Settings that a running game can change (learning rates, weights of parts, log_every, ...) are
    recorded in run.json as a new segment; others are refused.
    """
    load_torch()
    budget_minutes = _budget_of(run, steps, budget, more)
    go_on(run, settings, steps, budget_minutes, allow_inexact, stop_after, stop_on_fault, track,
          trust_code)  # fmt: skip


def go_on(
    run: Path,
    settings: list[str] | None = None,
    steps: int | None = None,
    budget_minutes: float | None = None,
    allow_inexact: bool = False,
    stop_after: str | None = None,
    stop_on_fault: bool = False,
    track: list[str] | None = None,
    own: bool = False,
) -> None:
    """Continue a run as `resume` does; `own` code that it names may be imported."""
    from steadygan import training
    from steadygan.study.request import pairs
    from steadygan.training.joining import join
    from steadygan.training.recorded import recorded_goal, recorded_recipe
    from steadygan.training.runfolder import read_facts
    from steadygan.training.runs import goal_of, kind_of_device

    use_own_code(own)
    facts, changes = read_facts(run), pairs(settings or [])
    recorded_recipe(facts["recipe"], run / "run.json", own, lambda text: None)  # or refused
    asked = steps is not None or budget_minutes is not None
    goal = goal_of(steps, budget_minutes) if asked else recorded_goal(facts["goal"])
    processes, _ = join(kind_of_device(run))
    judge = judge_before(facts, run, own) if processes.first else None
    data = None if judge is None else judge.data
    stop = stop_after_or_unread(stop_after)
    name, evaluate = facts["method"], hook_of(judge, goal)
    with follow(run, name, goal, evaluate, stop, track, stop_on_fault) as followed:
        training.resume(
            run, steps=steps, budget_minutes=budget_minutes, changes=changes,
            allow_inexact=allow_inexact, data=data, hooks=followed.hooks, say=say, trust_code=own,
        )  # fmt: skip
    say_how_it_stands(judge, run, followed)


@app.command(epilog=examples("steadygan replay runs/dcgan-mnist-s0"))
def replay(
    run: Annotated[Path, typer.Argument(help="A run that stopped on NaN or Inf.")],
    trust_code: TrustCode = False,
) -> None:
    """Repeat the step that failed on NaN or Inf, and report where the first one appears."""
    load_torch()
    from steadygan.training import replay

    use_own_code(trust_code)
    print(replay(run, say=say, trust_code=trust_code))


def _budget_of(run: Path, steps: int | None, budget: str | None, more: str | None) -> float | None:
    """The training time in all, in minutes, that `--budget` or `--more` asks for; none for neither.

    Raises `UserError` for more than one of the three options.
    """
    from steadygan.training.runs import seconds_spent

    longer = minutes(more, "--more")
    if longer is None:
        return minutes(budget, "--budget")
    if steps is not None or budget is not None:
        raise UserError("give one of --steps, --budget and --more")
    return seconds_spent(run) / 60 + longer


def recommended(
    data: Dataset, goal: Goal, request: Request, device: str, add: list[str], drop: list[str]
) -> Choice:
    """What `steadygan recommend` names for the data and the time, said with its reasons."""
    from steadygan.study.bars import bars, phase
    from steadygan.study.recommend import choose_for, facts_of, warnings

    facts = facts_of(data)
    with bars() as progress, phase(progress, "choosing a method"):
        choice = choose_for(data, goal, request, device, add, drop)
    say(f"method: {' '.join(choice.words())}, for {facts}")
    for text in (*choice.why, *(f"warning: {text}" for text in warnings(facts))):
        say(text)
    return choice
