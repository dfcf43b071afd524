"""Samples of a run as files: pictures, arrays, and animations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from steadygan.errors import UserError
from steadygan.priors import ClassConditionalPrior, Coded, Prior
from steadygan.training import pictures
from steadygan.training.picture_files import (
    MOVING,
    Looks,
    require_writable,
    write_animation,
    write_array,
    write_images,
    write_still,
)
from steadygan.training.sampling import (
    MOST,
    class_names_in,
    draw_latents,
    draw_table,
    load_parts,
    path_between,
)

#: Samples where nothing is said: in all, of each of several classes, and lines of text.
COUNT, COUNT_A_CLASS, LINES = 64, 8, 1


def sample(
    run: str | Path,
    out: str | Path,
    *,
    count: int | None = None,
    seed: int = 0,
    category: str | Sequence[str] | None = None,
    text: str | None = None,
    table: str | None = None,
    interpolate: bool = False,
    truncation: float | None = None,
    looks: Looks = Looks(),
    at: str = "last",
    say: Callable[[str], None] = print,
    trust_code: bool = False,
) -> Path:
    """Write samples of a run: a grid (`.png`, `.jpg`, `.webp`), an array (`.npy`: uint8, N x H x W
    x C), an animation (`.gif`, `.mp4`), or, where `out` has no such end, a new folder with a PNG
    file each, named by seed and index.

    `category`: a class, or several for a row each. `text`: a line of characters that are classes,
    each of the same latent. `table`: `classes`, a row a class and a column a latent; `codes` or
    `codes:N`, a row a category with continuous code N (1) from -1 to 1 along it. `count`: how many
    in all (64), of each of several classes (8), or lines of text (1). `truncation`: see
    `sampling.truncated`. `at` is "last", or "best" for the generator of the best evaluation.
    `trust_code`: see `load_generator`.
    """
    out = Path(out)
    several = [category] if isinstance(category, str) else list(category or ())
    if text is not None and several:
        raise UserError("--text and --class: give one of them")
    if table is not None and (several or text is not None or interpolate or count is not None):
        raise UserError("--table: shows its own samples; leave out --count, --class, --text and "
                        "--interpolate")  # fmt: skip
    if table is not None and (out.suffix in MOVING or truncation is not None):
        raise UserError("--table: is a still picture, without --truncation")
    if count is None:
        count = LINES if text is not None else COUNT_A_CLASS if len(several) > 1 else COUNT
    images = count * max(1, len(several), len(text or ""))
    if count < 1 or images > MOST:
        raise UserError(f"--count {count}: wants 1 to {MOST:,} images in all")
    require_writable(out)
    looks.check()
    generator, prior, facts = load_parts(run, say, at, trust_code)
    points = len(facts["data"]["shape"]) == 1
    if points and out.suffix not in (".png", ".npy"):
        raise UserError(f"--out {out}: vectors go into .png or .npy; animations are of images")
    names = facts["data"].get("class_names") or ()
    if text is not None:
        if not isinstance(prior, ClassConditionalPrior):
            raise UserError("--text: this run's generator takes no class")
        several = class_names_in(text, names)
    if interpolate and (text is not None or len(several) > 1):
        raise UserError("--interpolate: walks in one class; give one --class, or --out NAME.gif")
    ends = 2 if out.suffix in MOVING else 1
    one = several[0] if several else None
    if table is not None:
        latents, columns = table_latents(prior, table, seed), pictures.SWEEP
    elif text is not None or len(several) > 1:
        columns = len(several) if text is not None else count
        latents = draw_table(
            prior, count, seed, several, names, a_cell=ends, across=text is not None,
            truncation=truncation,
        )  # fmt: skip
    elif interpolate and ends == 1:
        columns = min(10, count)
        drawn = 2 * -(-count // columns)
        pairs = draw_latents(prior, drawn, seed, one, names, truncation).split(2)
        latents = torch.cat([path_between(prior, pair, columns) for pair in pairs])[:count]
    else:
        columns = max(1, math.ceil(math.sqrt(count)))
        latents = draw_latents(prior, ends * count, seed, one, names, truncation)
    if ends == 2:
        write_animation(_walked(generator, prior, latents, columns, looks.frames), out, looks)
    elif points:
        _write_points(generator, latents, out, looks)
    else:
        made = map(pictures.to_uint8, pictures.generate(generator, latents))
        write_images(made, len(latents), columns, out, looks, f"seed{seed}")
    return out


def table_latents(prior: Prior, table: str, seed: int) -> Tensor:
    """Latents of `sample`'s `table`, `pictures.SWEEP` to a row. Raises UserError for another name,
    and where the generator takes no such thing."""
    kind, _, number = table.partition(":")
    if table == "classes":
        if not isinstance(prior, ClassConditionalPrior):
            raise UserError("--table classes: this run's generator takes no class")
        return pictures.swept_classes(prior, seed)
    if kind != "codes" or not (number or "1").isdecimal():
        raise UserError(f"--table {table}: wants classes, codes or codes:N")
    if not isinstance(prior, Coded):
        raise UserError(f"--table {table}: this run's generator takes no codes")
    code = int(number or "1")
    if not 1 <= code <= max(prior.continuous, 1):
        raise UserError(f"--table {table}: this run has codes 1 to {prior.continuous}")
    return pictures.swept_codes(prior, seed, code - 1)


def _write_points(generator: nn.Module, latents: Tensor, out: Path, looks: Looks) -> None:
    values = torch.cat(list(pictures.generate(generator, latents))).numpy()
    if out.suffix == ".npy":
        write_array(values, out)
    else:
        write_still(pictures.scatter(values, values), out, looks)


def _walked(
    generator: nn.Module, prior: Prior, ends: Tensor, columns: int, frames: int
) -> Iterator[Image.Image]:
    """The frames of an animation: each cell of the grid walks from its latent to another and
    back."""
    half = max(frames // 2, 1)
    walks = torch.stack([path_between(prior, pair, half) for pair in ends.split(2)])
    there = walks.unbind(1)
    for frame in (*there, *there[-2:0:-1]):
        images = np.concatenate([pictures.to_uint8(b) for b in pictures.generate(generator, frame)])
        yield pictures.grid(images, columns)
