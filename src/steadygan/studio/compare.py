"""The page that lays runs side by side, and the one that writes characters."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from steadygan.errors import UserError
from steadygan.metrics.names import METRICS
from steadygan.priors import ClassConditionalPrior
from steadygan.report.text import figure
from steadygan.studio.explore import SHOWN, generator_of, shown
from steadygan.studio.shelf import loss_curves, quality_curves
from steadygan.studio.state import MOST_SEED, Load, Studio, chosen, in_a_line, shown_picture, whole
from steadygan.studio.studies import section
from steadygan.training.sampling import class_names_in, draw_table

#: Runs that are shown at once, and characters of a line.
MOST_RUNS, MOST_CHARACTERS = 8, 40
HEAD = ("run", "method", "steps", "diagnosis")


def page(studio: Studio) -> list[Load]:
    """Build the page inside the current tab; what is filled in when it is opened."""
    with gr.Tab("Runs"):
        _runs_section(studio)
    with gr.Tab("A study"):
        section(studio)
    return []


def _runs_section(studio: Studio) -> None:
    with gr.Row():
        runs = gr.Dropdown(studio.shelf.names(), multiselect=True, max_choices=MOST_RUNS,
                           label="Runs", scale=4)  # fmt: skip
        show = gr.Button("Compare", variant="primary", scale=1)
    table = gr.Dataframe(headers=list(HEAD), label="At the last step", interactive=False,
                         wrap=True)  # fmt: skip
    with gr.Row():
        losses, quality = gr.Plot(label="Losses"), gr.Plot(label="Distance to real images")
    grids = gr.Gallery(label="Samples of each, of the same latents where their seeds are the same",
                       columns=4, height=460, object_fit="contain")  # fmt: skip
    show.click(
        in_a_line(lambda names: compared(studio, names)), runs, [table, losses, quality, grids]
    )
    gr.Timer(10).tick(lambda names: gr.Dropdown(
        choices=studio.shelf.names(), value=[n for n in names or () if n in studio.shelf.names()]
    ), runs, runs)  # fmt: skip


def compared(studio: Studio, names: Any) -> tuple[Any, Any, Any, list[tuple[np.ndarray, str]]]:
    """A table with a row a run, their curves, and their last grids."""
    if not isinstance(names, list) or not 1 <= len(names) <= MOST_RUNS:
        raise UserError(f"choose 1 to {MOST_RUNS} runs")
    runs = [(name, studio.shelf.history(name)) for name in names]
    facts = {name: studio.shelf.facts(name) for name in names}
    keys = [m for m in METRICS if any(_measured(facts[name], m.key) is not None for name in names)]
    head = [*HEAD, *(metric.title for metric in keys)]
    rows = []
    for name in names:
        found, status = facts[name], facts[name].get("status") or {}
        verdict = (found.get("diagnosis") or {}).get("verdict", "-")
        measures = (_measured(found, metric.key) for metric in keys)
        rows.append([name, found["method"], status.get("step", 0), verdict,
                     *("-" if value is None else figure(value) for value in measures)])  # fmt: skip
    grids = [(picture, name) for name in names
             if (picture := studio.shelf.last_picture(name)) is not None]  # fmt: skip
    table = gr.Dataframe(headers=head, value=rows)
    return table, loss_curves(runs), quality_curves(runs), grids


def _measured(facts: dict[str, Any], key: str) -> Any:
    return (((facts.get("measures") or {}).get("quality") or {}).get("last") or {}).get(key)


# ---- characters ----------------------------------------------------------------------------------


def characters(studio: Studio) -> list[Load]:
    """Build the page that writes text, inside the current tab."""
    gr.Markdown("Text in one handwriting, by a run whose classes are characters.")
    with gr.Row():
        run = gr.Dropdown(studio.shelf.names(), label="Run")
        text = gr.Textbox(label="Text", placeholder="永和九年")
        seed = gr.Number(0, label="Handwriting (seed)", precision=0)
        write = gr.Button("Write", variant="primary")
    line = shown_picture("Line")
    write.click(in_a_line(lambda *v: written(studio, *v)), [run, text, seed], line)
    gr.Timer(10).tick(lambda name: chosen(studio.shelf.names(), name), run, run)
    return []


def written(studio: Studio, name: Any, text: Any, seed: Any) -> np.ndarray:
    """A line of characters, all of one latent."""
    generator = generator_of(studio, name, False)
    if not isinstance(generator.prior, ClassConditionalPrior):
        raise UserError("this run's generator takes no class")
    asked = class_names_in(str(text or ""), generator.class_names)
    if len(asked) > MOST_CHARACTERS:
        raise UserError(f"{len(asked)} characters are too many: {MOST_CHARACTERS} at most")
    number = whole(seed, 0, MOST_SEED, "seed")
    latents = draw_table(generator.prior, 1, number, asked, generator.class_names, across=True)
    large = shown(generator(latents))
    gap = np.full((large[0].shape[0], SHOWN // 32, 3), 255, np.uint8)
    return np.concatenate([part for each in large for part in (each, gap)][:-1], axis=1)
