"""Samples of a run as files: pictures, arrays, and animations."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from steadygan.errors import UserError
from steadygan.files import new_folder, writing
from steadygan.priors import ClassConditionalPrior, Prior
from steadygan.training import pictures
from steadygan.training.sampling import (
    MOST,
    class_names_in,
    draw_latents,
    draw_table,
    load_parts,
    path_between,
)

#: Formats of a still picture, by the end of the name, with what the encoder is told.
STILL: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95}),
    ".jpeg": ("JPEG", {"quality": 95}),
    ".webp": ("WEBP", {"lossless": True}),
}
MOVING = (".gif", ".mp4")
KNOWN = (*STILL, ".npy", *MOVING)
#: An animation where nothing is said: seconds and frames a second.
SECONDS, FPS = 3.0, 16.0
#: Frames that are written at most.
MOST_FRAMES = 3600


@dataclass(frozen=True)
class Looks:
    """How pictures are made: each pixel `scale` times as wide, animations of `seconds` at `fps`
    frames a second."""

    scale: int = 1
    seconds: float = SECONDS
    fps: float = FPS

    def check(self) -> None:
        """Raise UserError for numbers out of range."""
        if not 1 <= self.scale <= 64:
            raise UserError(f"--scale {self.scale}: wants 1 to 64")
        if not 1 <= self.fps <= 120:
            raise UserError(f"--fps {self.fps:g}: wants 1 to 120")
        if self.seconds <= 0 or not 2 <= self.frames <= MOST_FRAMES:
            raise UserError(
                f"--seconds {self.seconds:g}: wants 2 to {MOST_FRAMES:,} frames at {self.fps:g} fps"
            )

    @property
    def frames(self) -> int:
        return round(self.seconds * self.fps)

    def enlarged(self, image: Image.Image) -> Image.Image:
        size = (image.width * self.scale, image.height * self.scale)
        return image if self.scale == 1 else image.resize(size, Image.Resampling.NEAREST)


def sample(
    run: str | Path,
    out: str | Path,
    *,
    count: int | None = None,
    seed: int = 0,
    category: str | Sequence[str] | None = None,
    text: str | None = None,
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
    each of the same latent. `count`: how many in all (64), of each of several classes (8), or
    lines of text (1). `truncation`: see `sampling.truncated`. `at` is "last", or "best" for the
    generator of the best evaluation. `trust_code`: see `load_generator`.
    """
    out = Path(out)
    several = [category] if isinstance(category, str) else list(category or ())
    if text is not None and several:
        raise UserError("--text and --class: give one of them")
    if count is None:
        count = 1 if text is not None else 8 if len(several) > 1 else 64
    _check_request(out, count * max(1, len(several), len(text or "")), count)
    looks.check()
    ends = 2 if out.suffix in MOVING else 1
    encoder = _encoder() if out.suffix == ".mp4" else None
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
    one = several[0] if several else None
    if text is not None or len(several) > 1:
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
    if encoder is not None:
        _write_film(_walked(generator, prior, latents, columns, looks), out, looks, encoder)
    elif out.suffix == ".gif":
        _write_gif(_walked(generator, prior, latents, columns, looks), out, looks)
    elif out.suffix not in KNOWN:
        _write_each(generator, latents, out, seed, looks)
    else:
        _write_still(generator, latents, columns, out, points, looks)
    return out


def _check_request(out: Path, images: int, count: int) -> None:
    if out.suffix and out.suffix not in KNOWN:
        raise UserError(
            f"--out {out}: wants a name that ends in {', '.join(KNOWN)}, or one without an end: a "
            "folder"
        )
    if count < 1 or images > MOST:
        raise UserError(f"--count {count}: wants 1 to {MOST:,} images in all")
    if not out.parent.is_dir():
        raise UserError(f"--out {out}: there is no folder {out.parent}")


def _encoder() -> ModuleType:
    """imageio-ffmpeg, whose wheel holds the encoder."""
    try:
        return importlib.import_module("imageio_ffmpeg")
    except ImportError:
        raise UserError(
            "--out NAME.mp4 needs imageio-ffmpeg: pip install -c constraints.txt "
            "'steadygan[video]'; .gif needs nothing more"
        ) from None


def _write_still(
    generator: nn.Module, latents: Tensor, columns: int, out: Path, points: bool, looks: Looks
) -> None:
    made = pictures.generate(generator, latents)
    if points:
        values = torch.cat(list(made)).numpy()
    else:
        values = np.concatenate([pictures.to_uint8(batch) for batch in made])
    if out.suffix == ".npy":
        with writing(out) as file:
            np.save(file, values, allow_pickle=False)
        return
    drawn = pictures.scatter(values, values) if points else pictures.grid(values, columns)
    form, settings = STILL[out.suffix]
    with writing(out) as file:
        looks.enlarged(drawn).save(file, form, **settings)


def _write_each(generator: nn.Module, latents: Tensor, out: Path, seed: int, looks: Looks) -> None:
    """A PNG file a sample in the new folder `out`."""
    if out.is_dir() and any(out.iterdir()):
        raise UserError(f"--out {out}: is there already; give the name of a new folder")
    digits, index = len(str(len(latents) - 1)), 0
    with new_folder(out) as home:
        for batch in pictures.generate(generator, latents):
            for image in pictures.to_uint8(batch):
                name = f"seed{seed}-{index:0{digits}d}.png"
                looks.enlarged(pictures.picture(image)).save(home / name)
                index += 1


def _walked(
    generator: nn.Module, prior: Prior, ends: Tensor, columns: int, looks: Looks
) -> Iterator[Image.Image]:
    """The frames of an animation: each cell of the grid walks from its latent to another and
    back."""
    half = max(looks.frames // 2, 1)
    walks = torch.stack([path_between(prior, pair, half) for pair in ends.split(2)])
    there = walks.unbind(1)
    for frame in (*there, *there[-2:0:-1]):
        images = np.concatenate([pictures.to_uint8(b) for b in pictures.generate(generator, frame)])
        yield looks.enlarged(pictures.grid(images, columns))


def _write_gif(frames: Iterator[Image.Image], out: Path, looks: Looks) -> None:
    first, *more = frames
    with writing(out) as file:
        first.save(file, "GIF", save_all=True, append_images=more,
                   duration=round(1000 / looks.fps), loop=0)  # fmt: skip


def _write_film(
    frames: Iterator[Image.Image], out: Path, looks: Looks, encoder: ModuleType
) -> None:
    """H.264 in 4:2:0, which every player takes; sides are filled up to even numbers."""
    with writing(out) as file:
        writer: Any = None
        try:
            for frame in frames:
                rgb = np.asarray(frame.convert("RGB"))
                rgb = np.pad(rgb, [(0, side % 2) for side in rgb.shape[:2]] + [(0, 0)], "edge")
                if writer is None:
                    size = (rgb.shape[1], rgb.shape[0])
                    writer = encoder.write_frames(
                        file.name, size, fps=looks.fps, codec="libx264", quality=8,
                        macro_block_size=2, output_params=["-f", "mp4"],
                    )  # fmt: skip
                    writer.send(None)
                writer.send(np.ascontiguousarray(rgb))
        finally:
            if writer is not None:
                writer.close()
