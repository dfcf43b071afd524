"""The page that draws samples: by seed, between two, along codes and directions, and as files."""

from __future__ import annotations

import shutil
from functools import lru_cache
from typing import Any

import gradio as gr
import numpy as np
import torch
from torch import Tensor

from steadygan.data import Dataset
from steadygan.errors import UserError
from steadygan.export import export
from steadygan.priors import ClassConditionalPrior, Coded
from steadygan.studio.state import (
    MOST_SAMPLES,
    MOST_SEED,
    Load,
    Studio,
    chosen,
    in_a_line,
    scratch_folder,
    shown_picture,
    whole,
)
from steadygan.training import pictures
from steadygan.training.generator import LoadedGenerator
from steadygan.training.inputs import as_played
from steadygan.training.recorded import recorded_data
from steadygan.training.sample_files import sample
from steadygan.training.sampling import path_between

#: Principal directions of G's first layer that have a slider, and how far one goes.
DIRECTIONS, REACH = 4, 3.0
#: Continuous codes that have a slider.
CODES = 2
#: Latents that the directions are found from.
FROM = 512
#: The shorter side of a shown picture in pixels, at least.
SHOWN = 256
ANY = "any"
#: What samples can be kept as, and what makes a zip of the exported generator.
FORMS, EXPORT = ("png", "webp", "npy", "gif", "mp4"), "zip (export)"
#: Training images that are compared with a sample at a time.
CHUNK = 2000


def page(studio: Studio) -> list[Load]:
    """Build the page inside the current tab; what is filled in when it is opened."""
    with gr.Row():
        run = gr.Dropdown(studio.shelf.names(), label="Run")
        best = gr.Checkbox(False, label="The best evaluation's generator")
        seed = gr.Number(0, label="Seed", precision=0)
        number = gr.Number(16, label="Samples", precision=0)
        kind = gr.Dropdown([ANY], value=ANY, label="Class or category", allow_custom_value=True)
        draw = gr.Button("Draw", variant="primary")
    samples = gr.Gallery(label="Click one, then another", columns=8, height=330,
                         allow_preview=False, object_fit="contain")  # fmt: skip
    first, second = gr.State(0), gr.State(1)
    with gr.Row():
        with gr.Column(min_width=300):
            way = gr.Slider(0, 1, value=0, step=0.02, label="From the first to the second")
            between = shown_picture("Between", 280)
        with gr.Column(min_width=300):
            slides = [gr.Slider(-REACH, REACH, value=0, step=0.1, label=f"Direction {i + 1}")
                      for i in range(DIRECTIONS)]  # fmt: skip
            codes = [gr.Slider(-1, 1, value=0, step=0.05, label=f"Code {i + 1} (InfoGAN)")
                     for i in range(CODES)]  # fmt: skip
        with gr.Column(min_width=300):
            moved = shown_picture("The first, moved", 280)
            near = gr.Button("Its nearest training images")
    nearest = gr.Gallery(
        label="Nearest training images", columns=8, height=185, object_fit="contain"
    )
    with gr.Row():
        form = gr.Dropdown([*FORMS, EXPORT], value="png", label="Save as")
        save = gr.Button("Make the file")
        file = gr.File(label="File", interactive=False, height=110)
    asked = [run, best, seed, number, kind]
    drawing = in_a_line(lambda *v: drawn(studio, *v))
    run.change(in_a_line(lambda name: kinds_of(studio, name)), run, kind)
    draw.click(drawing, asked, samples)
    samples.select(picked, [first, second], [first, second])
    walk = in_a_line(lambda *v: walked(studio, *v))
    for event in (way.release, first.change, second.change, samples.change):
        event(walk, [*asked, first, second, way], between)
    move = in_a_line(lambda *v: moved_along(studio, *v))
    for slide in (*slides, *codes):
        slide.release(move, [*asked, first, *codes, *slides], moved)
    for event in (first.change, samples.change):
        event(move, [*asked, first, *codes, *slides], moved)
    near.click(in_a_line(lambda *v: nearest_of(studio, *v)), [*asked, first], nearest)
    save.click(in_a_line(lambda *v: made_file(studio, *v)), [*asked, form], file)
    gr.Timer(10).tick(lambda name: chosen(studio.shelf.names(), name), run, run)
    return []


def generator_of(studio: Studio, name: Any, best: Any) -> LoadedGenerator:
    found = studio.shelf.generator(name, "best" if best else "last")
    if len(found.facts["data"]["shape"]) != 3:
        raise UserError("this run's samples are points, not images")
    return found


def kinds_of(studio: Studio, name: Any) -> Any:
    """The classes or categories of a run, in a dropdown."""
    generator = studio.shelf.generator(name)
    names = list(generator.class_names)
    if isinstance(generator.prior, Coded):
        names = [str(i) for i in range(generator.prior.categories)]
    return gr.Dropdown(choices=[ANY, *names[:1000]], value=ANY)


def latents_of(studio: Studio, name: Any, best: Any, seed: Any, number: Any, kind: Any) -> Tensor:
    """The latents that are asked for."""
    generator = generator_of(studio, name, best)
    amount = whole(number, 1, MOST_SAMPLES, "samples")
    category = None if kind in (ANY, None, "") else str(kind)
    return generator.latents(amount, category, whole(seed, 0, MOST_SEED, "seed"))


def shown(images: Tensor) -> list[np.ndarray]:
    """Images in [-1, 1] as large arrays (H, W, 3)."""
    pixels = pictures.to_uint8(images)
    scale = max(1, SHOWN // pixels.shape[1])
    large = pixels.repeat(scale, 1).repeat(scale, 2)
    return list(np.repeat(large, 3, 3) if large.shape[3] == 1 else large)


def drawn(studio: Studio, *asked: Any) -> list[np.ndarray]:
    """Samples of a seed."""
    latents = latents_of(studio, *asked)
    return shown(generator_of(studio, asked[0], asked[1])(latents))


def picked(first: int, second: int, event: gr.SelectData) -> tuple[int, int]:
    """The last two that were clicked."""
    return second, int(event.index)


def walked(studio: Studio, name: Any, best: Any, seed: Any, number: Any, kind: Any, first: Any,
           second: Any, way: Any) -> np.ndarray:  # fmt: skip
    """The sample so far on the way from one to another."""
    latents = latents_of(studio, name, best, seed, number, kind)
    ends = torch.stack([latents[_row(first, latents)], latents[_row(second, latents)]])
    steps = 50
    generator = generator_of(studio, name, best)
    path = torch.cat([path_between(generator.prior, ends, steps), ends[1:]])
    at = round(min(max(float(way or 0), 0.0), 1.0) * steps)
    return shown(generator(path[at : at + 1]))[0]


def _row(place: Any, latents: Tensor) -> int:
    return min(max(int(place or 0), 0), len(latents) - 1)


@lru_cache(maxsize=4)
def directions_of(generator: LoadedGenerator) -> Tensor:
    """The first principal directions (DIRECTIONS, n) of the noise, by what G's first layer with
    weights makes of it. Harkonen et al. 2020, arXiv:2004.02546, section 3.1 (GANSpace), for a
    generator without a mapping network: PCA of that layer's outputs, mapped back by least squares.
    """
    noise, rest = _parted(generator, generator.latents(FROM))
    made: list[Tensor] = []
    layers = (m for m in generator.network.modules()
              if isinstance(m, (torch.nn.Linear, torch.nn.ConvTranspose2d)))  # fmt: skip
    hook = next(layers).register_forward_hook(lambda m, i, out: made.append(out.flatten(1)))
    try:
        with torch.no_grad():
            generator.network(torch.cat([noise, rest], 1))
    finally:
        hook.remove()
    outputs = made[0] - made[0].mean(0)
    _, _, components = torch.pca_lowrank(outputs, q=DIRECTIONS, center=False)
    scores = outputs @ components
    found = torch.linalg.lstsq(scores, noise - noise.mean(0)).solution
    return found / found.norm(dim=1, keepdim=True)


def _parted(generator: LoadedGenerator, latents: Tensor) -> tuple[Tensor, Tensor]:
    """Noise and the rest (codes, a class) of latents."""
    prior = generator.prior
    dim = (prior.base if isinstance(prior, ClassConditionalPrior) else prior).dim
    return latents[:, :dim], latents[:, dim:]


def moved_along(studio: Studio, name: Any, best: Any, seed: Any, number: Any, kind: Any, first: Any,
                *moves: Any) -> np.ndarray:  # fmt: skip
    """The first sample with other continuous codes (0: its own), `CODES` of them, and moved along
    the directions."""
    codes, ways = moves[:CODES], moves[CODES:]
    generator = generator_of(studio, name, best)
    latents = latents_of(studio, name, best, seed, number, kind)
    latents = latents[_row(first, latents)][None].clone()
    noise, rest = _parted(generator, latents)
    if any(ways):
        directions = directions_of(generator)
        steps = torch.tensor([min(max(float(way or 0), -REACH), REACH) for way in ways])
        noise = noise + (steps[:, None] * directions).sum(0)
    prior = generator.prior
    if isinstance(prior, Coded):
        rest = rest.clone()
        for place, code in enumerate(codes[: prior.continuous]):
            if code:
                rest[:, prior.categories + place] = min(max(float(code), -1.0), 1.0)
    return shown(generator(torch.cat([noise, rest], 1)))[0]


def nearest_of(studio: Studio, name: Any, best: Any, seed: Any, number: Any, kind: Any, first: Any,
               ) -> list[np.ndarray]:  # fmt: skip
    """The eight training images that are nearest to a sample by its pixels."""
    generator = generator_of(studio, name, best)
    latents = latents_of(studio, name, best, seed, number, kind)
    sample = generator(latents[_row(first, latents)][None])
    data: Dataset = recorded_data(generator.facts, studio.shelf.path(name))
    items = data.train.items
    far = torch.cat([
        (as_played(torch.from_numpy(np.array(items[start : start + CHUNK]))) - sample)
        .square().flatten(1).mean(1)
        for start in range(0, len(items), CHUNK)
    ])  # fmt: skip
    near = far.topk(min(8, len(far)), largest=False).indices
    return shown(as_played(torch.from_numpy(np.array(items[near.numpy()]))))


def made_file(
    studio: Studio, name: Any, best: Any, seed: Any, number: Any, kind: Any, form: Any
) -> str:
    """The samples as a file to download, or the exported generator as a zip."""
    at, run = "best" if best else "last", studio.shelf.path(name)
    amount, seed = whole(number, 1, MOST_SAMPLES, "samples"), whole(seed, 0, MOST_SEED, "seed")
    home = scratch_folder()
    if form == EXPORT:
        out = export(run, home / "generator", at=at, say=lambda text: None)
        return shutil.make_archive(str(home / "generator"), "zip", out)
    if form not in FORMS:
        raise UserError("choose a format of the list")
    category = None if kind in (ANY, None, "") else str(kind)
    return str(sample(run, home / f"samples.{form}", count=amount, seed=seed, category=category,
                      at=at, say=lambda text: None))  # fmt: skip
