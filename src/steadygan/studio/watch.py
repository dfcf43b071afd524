"""The page that shows a run while it trains and after: curves, samples through time, diagnosis."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import gradio as gr

from steadygan.diagnosis.diagnose import diagnose
from steadygan.diagnosis.finding import TITLES, Diagnosis
from steadygan.errors import UserError
from steadygan.records import later_horizon, rates_ended, read_facts
from steadygan.report.text import count, duration
from steadygan.studio.shelf import loss_curves, pixels_of, quality_curves
from steadygan.studio.state import EVERY, Load, Studio, chosen, in_a_line, shown_picture, unused
from steadygan.study.request import names_own_code

#: Pieces of advice that have a button.
MOST_ADVICE = 3
#: The width of the grid in pixels, at least half of it.
SHOWN = 720
#: Options with a value that an advised run has in common with the one that it is of.
REPEATED = {"--data", "--budget", "--steps", "--seed", "--add", "--drop", "--device",
            "--evaluate-every", "--features", "--count"}  # fmt: skip
MORE = ("1m", "5m", "10m", "30m")


def page(studio: Studio) -> list[Load]:
    """Build the page inside the current tab; what is filled in when it is opened."""
    with gr.Row():
        run = gr.Dropdown(studio.shelf.names(), label="Run", scale=3)
        more = gr.Dropdown(MORE, value="5m", label="Train on for", scale=1)
        resume = gr.Button("Train on", scale=1)
    status = gr.Markdown()
    with gr.Row():
        losses = gr.Plot(label="Losses")
        quality = gr.Plot(label="Distance to real images")
    with gr.Row():
        with gr.Column(min_width=320):
            when = gr.Slider(0, 100, value=100, step=1, label="Through time (%)")
            picture = shown_picture("Samples", 460)
        with gr.Column(min_width=320):
            verdict = gr.Markdown()
            advice = [gr.Button(visible=False) for _ in range(MOST_ADVICE)]
            told = gr.Markdown()
    shown = [status, losses, quality, picture, verdict, *advice]
    update = in_a_line(lambda name, at: watched(studio, name, at))
    run.change(update, [run, when], shown)
    when.release(in_a_line(lambda name, at: picture_at(studio, name, at)), [run, when], picture)
    resume.click(in_a_line(lambda name, time: trained_on(studio, name, time)), [run, more], told)
    for place, button in enumerate(advice):
        button.click(in_a_line(lambda name, i=place: advised(studio, name, i)), run, told)
    timer = gr.Timer(EVERY)
    timer.tick(lambda name: chosen(studio.shelf.names(), name), run, run)
    last = gr.State()
    timer.tick(
        in_a_line(lambda name, at, before: news(studio, name, at, before, len(shown))),
        [run, when, last], [last, *shown],
    )  # fmt: skip
    return [(lambda name, at: opened(studio, name, at, len(shown)), [run, when], shown)]


def news(studio: Studio, name: Any, at: Any, before: Any, fields: int) -> list[Any]:
    """The run and its state, and what is shown of it: while it changes, and once more at its end,
    which the state `before` tells."""
    now = [name, state_of(studio, name)]
    changes = now[1] == "running" or (before is not None and before[0] == name and before != now)
    return [now, *(watched(studio, name, at) if changes else [gr.skip()] * fields)]


def opened(studio: Studio, name: Any, at: Any, fields: int) -> list[Any]:
    """What is shown first: nothing, where there is no run yet."""
    return watched(studio, name, at) if name in studio.shelf.names() else [gr.skip()] * fields


def state_of(studio: Studio, name: Any) -> str:
    """The state of a run; empty for none."""
    if name not in studio.shelf.names():
        return ""
    return str((studio.shelf.facts(name).get("status") or {}).get("state"))


def watched(studio: Studio, name: Any, at: Any) -> list[Any]:
    """Status, curves, picture, verdict and buttons of a run."""
    facts = studio.shelf.facts(name)
    state = (facts.get("status") or {}).get("state", "unknown")
    lines = studio.shelf.history(name)
    now = lines[-1] if lines else {}  # run.json knows the step only at the end
    said = (
        f"**{state}** · {facts['method']} · step {count(now.get('step'))} · "
        f"{count(now.get('images'))} images · {duration(now.get('seconds'))} of training"
    )
    found = diagnose(studio.shelf.path(name))
    buttons = [
        gr.Button(f"Try {each.settings}", visible=True)
        if each.settings
        else gr.Button(visible=False)
        for each in _advice(found)
    ]
    buttons += [gr.Button(visible=False)] * (MOST_ADVICE - len(buttons))
    runs = [(name, lines)]
    return [said, loss_curves(runs), quality_curves(runs), picture_at(studio, name, at),
            in_words(found), *buttons]  # fmt: skip


def in_words(found: Diagnosis) -> str:
    """A diagnosis as Markdown."""
    lines = [f"### {TITLES[found.verdict]}", found.says]
    shown = found.headline.numbers if found.headline and found.headline.numbers else found.numbers
    lines += [f"- `{each}`" for each in shown]
    lines += [f"- try: {each.settings or ''} {each.why}" for each in _advice(found)]
    return "\n\n".join(lines[:2]) + "\n\n" + "\n".join(lines[2:])


def _advice(found: Diagnosis) -> list[Any]:
    return list(found.headline.advice[:MOST_ADVICE]) if found.headline else []


def picture_at(studio: Studio, name: Any, at: Any) -> Any:
    """The grid of samples at a share (percent) of those that there are."""
    found = [path for said, path in studio.shelf.pictures(name) if said.startswith("samples")]
    if not found:
        return None
    share = min(max(float(at or 0), 0.0), 100.0) / 100
    pixels = pixels_of(found[round(share * (len(found) - 1))])
    scale = max(1, SHOWN // pixels.shape[1])
    return pixels.repeat(scale, 0).repeat(scale, 1)


def trained_on(studio: Studio, name: Any, time: Any) -> str:
    """Queue more training of a run."""
    path = studio.shelf.path(name)
    if time not in MORE:
        raise UserError("choose a time of the list")
    words, facts = ["resume", name, "--more", time], read_facts(path)
    if rates_ended(facts) and (spent := facts["status"].get("seconds")):
        longer = 1 + 60 * int(time.removesuffix("m")) / spent
        words.append(f"horizon_images={later_horizon(facts, longer)}")
    job = studio.jobs.submit(words, name)
    return f"job {job.number}: `{job.command}`"


def repeated(facts: Mapping[str, Any]) -> list[str]:
    """The words of a run's command that say what was trained, without where. The data are named as
    run.json names them, wherever the command was typed.

    Raises UserError for a run without a command (of Python, or a watched loop), for another command
    than `train`, for options beside those, and for code by name: a run may come from someone else.
    """
    _, *words = shlex.split(facts.get("command") or "") or [""]
    if not words:
        raise UserError("the run was not trained by a command that could be repeated")
    kept, left = words[:1], words[1:]
    while left:
        word = left.pop(0)
        if word == "--out":
            left = left[1:]
        elif word in REPEATED and left:
            given = left.pop(0)
            kept += [word, facts["data"]["spec"] if word == "--data" else given]
        elif word.startswith("-"):
            raise UserError(f"{word}: such a run is not started from here")
        else:
            kept.append(word)
    others = [word for word, before in zip(kept, ["", *kept], strict=False) if before != "--data"]
    if kept[:1] != ["train"] or names_own_code(others):
        raise UserError("a command that names code of its own is not started from here")
    return kept


def advised(studio: Studio, name: Any, place: int) -> str:
    """Queue a run with a piece of advice beside the run that it is of."""
    path = studio.shelf.path(name)
    advice = _advice(diagnose(path))
    if place >= len(advice) or not advice[place].settings:
        raise UserError("there is no such advice any more")
    facts = studio.shelf.facts(name)
    settings = shlex.split(advice[place].settings)
    given = {word.partition("=")[0] for word in settings if "=" in word}
    words = repeated(facts)
    kept = [word for word in words if word.partition("=")[0] not in given]
    run = unused(f"{name}-advised", studio.run_names())
    job = studio.jobs.submit([*kept, *settings, "--out", run], run)
    return f"job {job.number}: `{job.command}`"
