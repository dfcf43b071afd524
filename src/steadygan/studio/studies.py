"""A study on the page that compares: its tables, and its figures as pictures and as files."""

from __future__ import annotations

import shutil
import threading
from typing import Any

import gradio as gr
import numpy as np

from steadygan.errors import UserError
from steadygan.figures import draw_figures
from steadygan.studio.shelf import pixels_of
from steadygan.studio.state import Studio, chosen, in_a_line, scratch_folder
from steadygan.study.render import markdown
from steadygan.study.results import read_results
from steadygan.study.table import heading, layout_called, notes_on

LAYOUTS = ("summary", "paper")
FORMS = ("pdf", "svg", "png")
#: matplotlib's state is one for the process, and clients come in threads.
DRAWING = threading.Lock()


def section(studio: Studio) -> None:
    """Build it inside the current page."""
    with gr.Row():
        study = gr.Dropdown(studio.shelf.studies(), label="Study", scale=3)
        layout = gr.Dropdown(LAYOUTS, value="summary", label="Columns", scale=1)
        show = gr.Button("Show its tables", scale=1)
    table = gr.Markdown()
    with gr.Row():
        form = gr.Dropdown(FORMS, value="pdf", label="Figures as", scale=1)
        draw = gr.Button("Draw its figures", scale=1)
        file = gr.File(label="Figures with their data", interactive=False, height=110, scale=3)
    figures = gr.Gallery(label="Figures", columns=3, height=460, object_fit="contain")
    show.click(in_a_line(lambda *v: tables_of(studio, *v)), [study, layout], table)
    draw.click(in_a_line(lambda *v: figures_of(studio, *v)), [study, form], [figures, file])
    gr.Timer(10).tick(lambda name: chosen(studio.shelf.studies(), name), study, study)


def tables_of(studio: Studio, name: Any, layout: Any) -> str:
    """The tables of a study as it is now, as Markdown."""
    path = studio.shelf.study(name)
    if layout not in LAYOUTS:
        raise UserError("choose columns of the list")
    results = read_results(path)
    return markdown(layout_called(layout)(results), heading(results), notes_on(results))


def figures_of(studio: Studio, name: Any, form: Any) -> tuple[list[tuple[np.ndarray, str]], str]:
    """The figures as pictures with their names, and as a zip in the format that was asked for."""
    path = studio.shelf.study(name)
    if form not in FORMS:
        raise UserError("choose a format of the list")
    home = scratch_folder()
    command = f"steadygan figures {name} --out figures --format {form}"
    with DRAWING:
        kept = draw_figures(path, home / "figures", form=form, command=command,
                            say=lambda text: None)  # fmt: skip
        pictures = kept if form == "png" else draw_figures(path, home / "pictures", form="png",
                                                           say=lambda text: None)  # fmt: skip
    shown = [(pixels_of(each), each.stem) for each in sorted(pictures.glob("*.png"))]
    return shown, shutil.make_archive(str(home / "figures"), "zip", kept)
