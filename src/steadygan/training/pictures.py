"""Pictures of a generator: grids from fixed latents, code sweeps, scatters of vectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from steadygan.data import Dataset
from steadygan.files import writing
from steadygan.networks.labels import split_class, with_class
from steadygan.priors import ClassConditionalPrior, Coded, Prior
from steadygan.training.inputs import Streams

GRID = 64
#: Grids of a run of ten million images; see `goals.milestones`.
GRIDS = 27
SWEEP = 10
GAP = 2


def fixed_latents(prior: Prior, seed: int, count: int = GRID) -> Tensor:
    """The latents of every sample grid of a seed, (count, total_dim).

    All priors are made from the same normal draws (as many columns as each needs), so the grids
    of different methods with one seed show the same latents, up to prior and dimension.
    """
    width = max(4096, prior.dim)
    normal = torch.randn(count, width, generator=Streams(seed).generator("fixed latents"))
    return prior.latents(normal[:, : prior.dim])


def swept_codes(prior: Coded, seed: int, code: int = 0) -> Tensor:
    """Latents for InfoGAN's table, (categories * 10, total_dim): a row a category, continuous code
    `code` from -1 to 1 along it, the noise the same throughout."""
    noise = fixed_latents(prior, seed, 1)[:, : prior.dim].expand(prior.categories * SWEEP, -1)
    category = torch.arange(prior.categories).repeat_interleave(SWEEP)
    codes = torch.zeros(len(category), prior.continuous)
    if prior.continuous:
        codes[:, code] = torch.linspace(-1, 1, SWEEP).repeat(prior.categories)
    return prior.with_codes(noise, category, codes)


def swept_classes(prior: ClassConditionalPrior, seed: int) -> Tensor:
    """Latents for the table of classes: a row a class (10 at most, spread over all), the same ten
    noises in every row."""
    rows = min(prior.classes, SWEEP)
    noise = split_class(fixed_latents(prior, seed, SWEEP))[0].repeat(rows, 1)
    chosen = torch.arange(rows) * prior.classes // rows
    return with_class(noise, chosen.repeat_interleave(SWEEP))


@torch.no_grad()
def generate(generator: nn.Module, latents: Tensor, batch: int = 64) -> Iterator[Tensor]:
    """Batches of samples on the CPU, float32, from a generator in eval mode."""
    device = next(generator.parameters()).device
    for chunk in latents.split(batch):
        yield generator(chunk.to(device)).float().cpu()


def to_bytes(images: Tensor) -> Tensor:
    """Images (B, C, H, W) in [-1, 1] as uint8 (B, H, W, C), rounded."""
    scaled = (images.clamp(-1, 1) * 127.5 + 127.5).round()
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def to_uint8(images: Tensor) -> np.ndarray:
    """`to_bytes` as an array."""
    return to_bytes(images).numpy()


def grid(images: np.ndarray, columns: int) -> Image.Image:
    """uint8 (B, H, W, C) as one picture, `columns` wide, with gaps of 2 px."""
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    canvas = np.full(
        (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, channels), 255, np.uint8
    )
    for i, image in enumerate(images):
        top, left = GAP + (i // columns) * (height + GAP), GAP + (i % columns) * (width + GAP)
        canvas[top : top + height, left : left + width] = image
    return picture(canvas)


def picture(pixels: np.ndarray) -> Image.Image:
    """uint8 (H, W, C) of one or three channels."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def room(shape: tuple[int, ...]) -> int:
    """Bytes to keep free for the sample grids of a long run, in the folder and in its report (in
    base64). A grid of noise, which PNG makes no smaller, or a scatter (some 20 kB)."""
    if len(shape) == 1:
        one = 20_000
    else:
        channels, height, width = shape
        one = GRID * (height + GAP) * (width + GAP) * channels
    return GRIDS * one * 7 // 3


def scatter(points: np.ndarray, real: np.ndarray, side: int = 512) -> Image.Image:
    """Generated (orange) over real (grey) points (N, 2), on the real ones' square."""
    canvas = np.full((side, side, 3), 255, np.uint8)
    reach = float(np.abs(real).max()) * 1.25
    for cloud, colour in ((real, (200, 200, 205)), (points, (225, 87, 20))):
        at = ((cloud / reach + 1) / 2 * (side - 3) + 1).round()
        inside = at[((at >= 1) & (at <= side - 2)).all(1)].astype(int)
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                canvas[side - 1 - (inside[:, 1] + dy), inside[:, 0] + dx] = colour
    return Image.fromarray(canvas)


def save_png(image: Image.Image, path: Path) -> None:
    """Write a picture as PNG, whole or not at all."""
    with writing(path) as file:
        image.save(file, "PNG")


def draw_samples(
    g_ema: nn.Module,
    prior: Prior,
    data: Dataset,
    seed: int,
    run: Path,
    step: int,
    best: bool = False,
) -> dict[str, str]:
    """Write the sample grid (and the table of a coded prior) of a step into a run's folder; their
    paths by name. Vectors are drawn as a scatter over held-out data. `best` is in the names of
    those of the best evaluation, which may come between two logged steps."""
    grids = {"samples": (fixed_latents(prior, seed), 8)}
    if prior.codes_in_latent[0]:
        grids["codes"] = (swept_codes(cast(Coded, prior), seed), SWEEP)
    if isinstance(prior, ClassConditionalPrior):
        grids["classes"] = (swept_classes(prior, seed), SWEEP)
    drawn = {}
    for kind, (latents, columns) in grids.items():
        if len(data.shape) == 1:
            if kind != "samples":
                continue
            points = torch.cat(list(generate(g_ema, fixed_latents(prior, seed, 2000))))
            image = scatter(points.numpy(), data.test.items[:2000])
        else:
            image = grid(to_uint8(torch.cat(list(generate(g_ema, latents)))), columns)
        prefix = "" if kind == "samples" else f"{kind}-"
        drawn[kind] = f"samples/{prefix}{'best-' if best else ''}step-{step:06d}.png"
        save_png(image, run / drawn[kind])
    return drawn
