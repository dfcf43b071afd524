"""Commands on studies: compare, work, table, report."""

from __future__ import annotations

import shlex
from functools import partial
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
    Layout,
    Out,
    Steps,
    StopAfter,
    TrustCode,
    command_line,
    examples,
    load_torch,
    minutes,
    opened,
    reported_if_it_stops,
    say,
    schedule,
    seconds,
    stop_after_or_unread,
    use_own_code,
    use_threads,
)
from steadygan.cli.placing import engine_called, require_devices, threads_each
from steadygan.errors import UserError
from steadygan.launch import rank_and_count

app = typer.Typer()


@app.command(
    epilog=examples(
        "steadygan compare gan dcgan wgan-gp --data mnist --steps 2000 preset=light",
        "steadygan compare dcgan dcgan:lr=1e-3 --seeds 3 --budget 5m --jobs 2 --out study",
        "steadygan compare dcgan sngan --data cifar10 --engine ray --processes-per-run 2",
        "steadygan compare dcgan wgan-gp --engine ray --jobs 4 --gpus-per-run .25 --seeds 6",
    )
)
def compare(
    words: Annotated[
        list[str],
        typer.Argument(metavar="METHOD[:key=value,...]... [key=value]...", help=KEYS_HELP),
    ],
    data: Data = "mnist",
    steps: Steps = None,
    budget: Budget = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**62, help="First seed.")] = 0,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=1000, help="Number of seeds.")] = 1,
    out: Out = None,
    device: Device = "auto",
    allow_bad: AllowBad = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Runs that train at the same time.")
    ] = None,
    engine: Annotated[
        str, typer.Option("--engine", help="What runs are worked on by: local or ray.")
    ] = "local",
    address: Annotated[
        str | None, typer.Option("--address", help="Address of the Ray cluster: auto or HOST:PORT.")
    ] = None,
    processes: Annotated[
        int,
        typer.Option(
            "--processes-per-run",
            min=1,
            max=4096,
            help="Processes that train each run and share its batches, each on a GPU of its own "
            "where there are GPUs.",
        ),
    ] = 1,
    gpus: Annotated[
        float | None,
        typer.Option(
            "--gpus-per-run",
            help="GPUs that a run takes of the Ray cluster: 1 (default, where there are any), a "
            "fraction such as .25 for runs that share one, or as many as --processes-per-run.",
        ),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Train nothing; print a command for each run.")
    ] = False,
    evaluate_every: EvaluateEvery = "auto",
    count: Annotated[
        int, typer.Option("--count", min=50, help="Samples that a finished run is measured on.")
    ] = 10_000,
    features: Annotated[
        str,
        typer.Option(
            "--features",
            help="For FID, KID: auto, classifier, effnet, effnet-96, effnet-64, inception, none.",
        ),
    ] = "auto",
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Inception weights, made by `weights import`.")
    ] = None,
    layout: Layout = "summary",
    stop_after: StopAfter = None,
) -> None:
    """Train methods over seeds, each for the same steps or time, and write one table and report.

    METHOD:steps=N gives one method steps of its own beside --steps. Without --steps or --budget
    each run trains for 10 minutes. Without --out it writes to the first
    free runs/compare-DATA. Run again with the same --out and settings, it continues where it
    stopped.
    """
    load_torch()
    from steadygan.networks.own import imports_of
    from steadygan.recipes.guidelines import notes_on_all
    from steadygan.study import compare as study
    from steadygan.study.bars import bars, counting, phase
    from steadygan.study.plan import Evaluation, Study, begin, entries_of, in_turn
    from steadygan.study.progress import StudyBars
    from steadygan.study.request import is_setting, names_own_code, read_request
    from steadygan.study.statistics import power_said
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
    every = schedule(evaluate_every)
    evaluation = Evaluation(every=every, count=count, features=features, weights=file)
    elsewhere = plan or engine != "local"
    chosen = engine_called(engine, address, jobs, gpus)
    require_devices(device, processes, gpus, elsewhere)
    _known(layout, features, weights)
    shared_out = threads_each((jobs or 1) * processes)
    use_threads(request, elsewhere, processes)
    dataset = opened(data, request)
    seconds(stop_after)  # a wrong time is refused before anything takes long
    with bars() as progress, phase(progress, "checking the recipes"):
        use_own_code(names_own_code([*named, *request.recipe.values()]))
        entries = entries_of(named, dataset.shape, request.recipe)
        recipes = {entry.name: entry.recipe for entry in entries}
        own = bool(imports_of(recipes))
        notes = list(notes_on_all(recipes, dataset.shape, dataset.classes))
    planned = Study(
        entries, dataset, request, tuple(range(seed, seed + seeds)), steps, budget_minutes,
        device, command_line(), shared_out, evaluation, processes,
    )  # fmt: skip
    for note in notes:
        say(f"note: {note}")
    if len(planned.entries) > 1:
        say(f"note: {power_said(seeds)}")
    out = out or free_folder(f"runs/compare-{dataset.name}")
    if plan:
        study.require_fits(planned)
        for name in in_turn(begin(planned, out)):
            print(shlex.join(["steadygan", "work", str(out), name, *["--trust-code"] * own]))
        print(shlex.join(["steadygan", "table", str(out)]))
        return
    stop = stop_after_or_unread(stop_after)
    with stop.listening(), bars() as progress, reported_if_it_stops(out):
        hooks = study.StudyHooks(
            engine=chosen(trust_code=own),
            watching=lambda runs, done: StudyBars(progress, runs, done),
            stop=stop,
            say=say,
            bar=partial(counting, progress),
        )
        study.run_study(planned, out, hooks)
        with phase(progress, "writing the tables and the report"):
            path = _tabled(out, layout, hooks.failed)
    print(path)
    study.raise_if_failed(hooks)


@app.command(epilog=examples("steadygan work study dcgan-s0"))
def work(
    out: Annotated[Path, typer.Argument(help="A study folder.")],
    run: Annotated[str, typer.Argument(help="Name of one of its runs, such as dcgan-s0.")],
    stop_after: StopAfter = None,
    fed: Annotated[bool, typer.Option("--fed", hidden=True)] = False,
    follows: Annotated[bool, typer.Option("--follows", hidden=True)] = False,
    trust_code: TrustCode = False,
) -> None:
    """Train or continue one run of a study, then measure it; `compare --plan` prints these."""
    if not fed:  # the study has a bar for it
        load_torch()
    from steadygan import training
    from steadygan.study import queue
    from steadygan.study.bars import bars
    from steadygan.study.progress import StudyBars
    from steadygan.study.work import follow, work

    if follows != (rank_and_count()[1] > 1):
        raise UserError(
            "`steadygan work` starts the processes of its run itself, as many as its study says: "
            "start it without torchrun"
        )
    use_own_code(trust_code)
    if follows:  # it only listens to signals, and ends with the process that started it
        with training.StopAsked().listening() as stop:
            follow(out, run, stop, trust_code)
        return
    if fed:  # its output is a pipe to the study, which closes stdin at its end
        stop = training.StopAsked(seconds(stop_after))
        tell = queue.fed(stop)
        with stop.listening():
            work(out, run, tell, stop, trust_code)
        return
    stop = stop_after_or_unread(stop_after)
    with stop.listening(), bars() as progress:
        watch = StudyBars(progress, 1, 0)
        watch(run, {"begins": True})
        path = work(out, run, lambda event: watch(run, event), stop, trust_code)
    print(path)


@app.command(epilog=examples("steadygan table study --layout paper"))
def table(
    out: Annotated[Path, typer.Argument(help="A study folder.")], layout: Layout = "summary"
) -> None:
    """Write the tables and the report of a study again from its runs, and print the table."""
    from steadygan.study.bars import bars, phase

    load_torch()
    with bars() as progress, phase(progress, "writing the tables and the report"):
        path = _tabled(out, layout, {})
    print((out / "table.md").read_text(encoding="utf-8"), end="")
    print(path)


@app.command(epilog=examples("steadygan report runs/dcgan-mnist-s0"))
def report(folder: Annotated[Path, typer.Argument(help="A run or study folder.")]) -> None:
    """Write report.html of a run or study folder again."""
    from steadygan.report import write_report
    from steadygan.study.bars import bars, phase

    with bars() as progress, phase(progress, "writing the report"):
        path = write_report(folder)
    print(path)


def _known(layout: str, features: str, weights: Path | None) -> None:
    """Refuse an unknown layout or features, before anything runs."""
    from steadygan.errors import did_you_mean
    from steadygan.features.extract import NAMES
    from steadygan.study.table import layout_called

    layout_called(layout)
    if features not in (known := ("auto", "none", *NAMES)):
        raise UserError(f"--features {features}: unknown{did_you_mean(features, known)}")
    if (features == "inception") != (weights is not None):
        raise UserError("--features inception and --weights OUT.safetensors belong together")


def _tabled(out: Path, layout: str, failed: dict[str, str]) -> Path:
    """Write a study's tables and report; the report's path."""
    from steadygan.report import write_report
    from steadygan.study.table import write_tables

    write_tables(out, layout, failed)
    return write_report(out)
