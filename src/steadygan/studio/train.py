"""The page that starts a training: images, method, how long."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from steadygan.data import Dataset, DataSettings, open_data
from steadygan.data.build.card import safe
from steadygan.data.scan import printable
from steadygan.errors import UserError
from steadygan.methods import find, methods
from steadygan.studio.jobs import Job
from steadygan.studio.state import EVERY, MOST_SEED, Load, Studio, in_a_line, unused, whole
from steadygan.study.compose import compose
from steadygan.study.describe import LATER, typed
from steadygan.study.recommend import choose_for, facts_of, warnings
from steadygan.training.goals import Goal
from steadygan.training.horizon import images_a_second

#: What ships inside or is found by name, beside one's own images.
BUILT_IN = {"MNIST digits (shipped)": "mnist", "Fashion-MNIST": "fashion-mnist"}
RECOMMENDED = "recommended for these images"
PRESETS = {"light: minutes of two cores": "light", "the paper's networks": "paper", "default": ""}
#: Training times, with their seconds.
BUDGETS = {"1m": 60, "2m": 120, "5m": 300, "10m": 600, "30m": 1800, "1h": 3600, "3h": 10800}
SIZES = ("auto", "28", "32", "64", "96", "128")
LOOKED_AT = 32
STATES = {"waiting": "⏳ waiting", "running": "▶ running", "ended": "✓ ended"}


def page(studio: Studio) -> list[Load]:
    """Build the page inside the current tab; what is filled in when it is opened."""
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            source = gr.Dropdown(_sources(studio), label="Images", value=_sources(studio)[0])
            upload = gr.File(label="Or drop pictures, or one zip of them", file_count="multiple",
                             file_types=["image", ".zip"], height=110)  # fmt: skip
            size = gr.Dropdown(SIZES, value="auto", label="Side in pixels")
            look = gr.Button("Look at the images")
            said = gr.Markdown()
        with gr.Column(scale=3, min_width=320):
            method = gr.Dropdown([RECOMMENDED, *_described()], value=RECOMMENDED, label="Method")
            preset = gr.Radio(list(PRESETS), value=next(iter(PRESETS)), label="Networks")
            budget = gr.Dropdown(list(BUDGETS), value="5m", label="Training time")
            seed = gr.Number(0, label="Seed", precision=0)
            with gr.Row():
                start = gr.Button("Start", variant="primary")
                plan = gr.Button("How far does that go?")
            command = gr.Code(label="What will run", language="shell", lines=2,
                              interactive=False, wrap_lines=True)  # fmt: skip
    planned_for = gr.Markdown()
    shown = gr.Gallery(
        label="Images as they are learnt from", columns=8, height=240, object_fit="contain"
    )
    table = gr.Dataframe(headers=["job", "state", "run", "command"], label="Queue: one at a time",
                         interactive=False, wrap=True)  # fmt: skip
    with gr.Row():
        stop = gr.Button("Stop the running one (its state is saved)")
        clear = gr.Button("Take the waiting ones away")
    log = gr.Textbox(label="The running job says", lines=6, interactive=False)
    asked: list[Any] = [source, size, method, preset, budget, seed]
    upload.upload(in_a_line(lambda files: uploaded(studio, files)), upload, source)
    look.click(in_a_line(lambda *values: looked_at(studio, *values)), [source, size, budget],
               [said, shown])  # fmt: skip
    for field in asked:
        field.change(in_a_line(lambda *v: command_of(studio, *v)[0]), asked, command)
    plan.click(in_a_line(lambda *v: planned(studio, *v)), asked, planned_for)
    start.click(in_a_line(lambda *v: started(studio, *v)), asked, [table, log])
    stop.click(in_a_line(lambda: stopped(studio, "running")), None, [table, log])
    clear.click(in_a_line(lambda: stopped(studio, "waiting")), None, [table, log])
    gr.Timer(EVERY).tick(lambda: queue_shown(studio), None, [table, log])
    return [(in_a_line(lambda *v: command_of(studio, *v)[0]), asked, command)]


def _sources(studio: Studio) -> list[str]:
    return [*studio.images, *BUILT_IN]


def _described() -> list[tuple[str, str]]:
    return [(f"{name}: when {method.use_when}", name) for name, method in methods().items()]


def spec_of(studio: Studio, source: Any) -> str:
    """The data that a choice names; anything that is not in the list is a UserError."""
    if source in studio.images:
        place = studio.images[source]
        return f"zip:{place}" if place.suffix == ".zip" else f"folder:{place}"
    if source in BUILT_IN:
        return BUILT_IN[source]
    raise UserError("choose images of the list, or drop some")


def opened(studio: Studio, source: Any, size: Any) -> Dataset:
    if size not in SIZES:
        raise UserError("choose a size of the list")
    return open_data(
        spec_of(studio, source), DataSettings(size=None if size == "auto" else int(size))
    )


def looked_at(studio: Studio, source: Any, size: Any, budget: Any) -> tuple[str, list[np.ndarray]]:
    """What is in a set and what suits it in that time, in words, and some of its images."""
    if budget not in BUDGETS:
        raise UserError("choose a time of the list")
    data = opened(studio, source, size)
    facts = facts_of(data)
    lines = [f"**{facts}**, {len(data.test.items):,} of them held out"]
    if data.quarantine:
        first = data.quarantine[0]
        lines.append(
            f"- {len(data.quarantine):,} left out, such as {first['path']}: {first['reason']}"
        )
    lines += [f"- {text}" for text in (*data.notes, *warnings(facts))]
    choice = choose_for(data, Goal(budget_seconds=BUDGETS[budget]))
    lines += [
        f"- recommended for {budget}{_beside(studio)}: `{' '.join(choice.words())}`",
        *(f"  - {why}" for why in choice.why),
    ]
    rows = np.linspace(0, len(data.train.items) - 1, min(LOOKED_AT, len(data.train.items))).astype(
        int
    )
    images = data.train.items[np.unique(rows)].transpose(0, 2, 3, 1)
    return "\n".join(lines), [
        np.repeat(each, 3, 2) if each.shape[2] == 1 else each for each in images
    ]


def _beside(studio: Studio) -> str:
    """What to know of a speed that is measured now."""
    busy = any(job.state == "running" for job in studio.jobs.all())
    return " (measured beside a training that runs)" if busy else ""


def uploaded(studio: Studio, files: Any) -> Any:
    """Keep dropped files below the app's folder, and choose them."""
    paths = [Path(each) for each in files or ()]
    if not paths:
        raise UserError("nothing was dropped")
    home = studio.jobs.home / "images"
    home.mkdir(parents=True, exist_ok=True)
    known = {each.stem for each in home.iterdir()}
    if len(paths) == 1 and paths[0].suffix.lower() == ".zip":
        kept = home / f"{unused(_safe(paths[0].stem), known)}.zip"
        shutil.copyfile(paths[0], kept)
    else:
        kept = home / unused("pictures", known)
        kept.mkdir()
        for index, path in enumerate(paths):
            shutil.copyfile(path, kept / f"{index:05}-{_safe(path.stem)}{path.suffix.lower()}")
    studio.images[kept.name] = kept.resolve()
    return gr.Dropdown(choices=_sources(studio), value=kept.name)


def _safe(name: str) -> str:
    """A file's name without what a path or a command could be made of; any letters stay."""
    return re.sub(r"[^\w-]", "_", printable(name))[:60] or "images"


def preset_keys(method: str, preset: str) -> dict[str, str]:
    """The setting of a choice of networks; none where the method has no such preset."""
    name = PRESETS[preset]
    return {"preset": name} if name in methods()[method].presets else {}


def command_of(studio: Studio, *asked: Any) -> tuple[str, list[str], str]:
    """The command of what is asked for: as a line, as words, and the run that it writes."""
    source, size, method, preset, budget, seed = asked
    spec = spec_of(studio, source)
    if size not in SIZES or budget not in BUDGETS or preset not in PRESETS:
        raise UserError("choose size, time and networks of the lists")
    if method != RECOMMENDED and method not in methods():
        raise UserError("choose a method of the list")
    number = whole(seed, 0, MOST_SEED, "seed")
    words = ["train"]
    if method != RECOMMENDED:
        words += [method, *(f"{key}={value}" for key, value in preset_keys(method, preset).items())]
    words += [f"size={size}"] if size != "auto" else []
    name = f"{'own' if method == RECOMMENDED else method}-{_safe(str(source))}-s{number}"
    run = unused(name, studio.run_names())
    words += ["--data", spec, "--budget", budget, "--seed", str(number), "--out", run]
    return Job(0, words, run).command, words, run


def planned(studio: Studio, *asked: Any) -> str:
    """What the time is worth on this machine, measured in a few seconds, and every setting that
    will run, as Markdown."""
    source, size, method, preset, budget, _ = asked
    command_of(studio, *asked)
    data = opened(studio, source, size)
    seen = None
    if method == RECOMMENDED:
        choice = choose_for(data, Goal(budget_seconds=BUDGETS[budget]))
        recipe = compose(find(choice.method), data.shape, choice.keys({}), choice.parts)
        seen = choice.seen
    else:
        recipe = compose(find(method), data.shape, preset_keys(method, preset))
    if seen is None:
        seen = images_a_second(recipe, data, "auto", "auto") * BUDGETS[budget]
    speed, batch = seen / BUDGETS[budget], recipe.images_in(LATER)
    lines = [
        f"**{budget} is {seen:,.0f} images here: {seen / batch:,.0f} steps at {speed:,.0f} "
        f"images/s, {seen / len(data.train.items):,.0f} passes over the data**"
        + _beside(studio)
        + "; stages before the first step and evaluations are not counted in it",
        "", "<details><summary>Every setting</summary>", "", "| setting | value |", "|---|---|",
    ]  # fmt: skip
    lines += [f"| {key} | {safe(value)} |" for key, value in typed(recipe).items()]
    return "\n".join([*lines, "", "</details>"])


def started(studio: Studio, *asked: Any) -> tuple[list[list[Any]], str]:
    _, words, run = command_of(studio, *asked)
    studio.jobs.submit(words, run)
    return queue_shown(studio)


def stopped(studio: Studio, state: str) -> tuple[list[list[Any]], str]:
    """End the jobs in a state."""
    for job in studio.jobs.all():
        if job.state == state:
            studio.jobs.stop(job.number)
    return queue_shown(studio)


def queue_shown(studio: Studio) -> tuple[list[list[Any]], str]:
    """The queue as rows, the newest first, and what the running job says."""
    jobs = studio.jobs.advance()
    rows = [[job.number, STATES[job.state], job.run, job.command] for job in reversed(jobs)]
    shown = next((job for job in jobs if job.state == "running"), jobs[-1] if jobs else None)
    return rows, studio.jobs.log(shown) if shown else ""
