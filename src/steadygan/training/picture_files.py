"""Files of images: stills, folders of them, arrays, and animations."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from steadygan.errors import UserError
from steadygan.files import new_folder, writing
from steadygan.training import pictures

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


def require_writable(out: Path) -> None:
    """Raise UserError for an `out` whose end names no known format, that lies in no folder, or
    whose encoder is not installed."""
    if out.suffix and out.suffix not in KNOWN:
        raise UserError(
            f"--out {out}: wants a name that ends in {', '.join(KNOWN)}, or one without an end: a "
            "folder"
        )
    if not out.parent.is_dir():
        raise UserError(f"--out {out}: there is no folder {out.parent}")
    if out.suffix == ".mp4":
        _film_encoder()


def write_images(
    batches: Iterable[np.ndarray], count: int, columns: int, out: Path, looks: Looks, stem: str
) -> None:
    """Batches of uint8 (B, H, W, C), `count` images in all, as one grid, one array, or, where `out`
    has no end, a PNG file each in the new folder `out`, called `stem` and their index."""
    if out.suffix not in KNOWN:
        return _write_each(batches, count, out, looks, stem)
    values = np.concatenate(list(batches))
    if out.suffix == ".npy":
        return write_array(values, out)
    return write_still(pictures.grid(values, columns), out, looks)


def write_array(values: np.ndarray, out: Path) -> None:
    with writing(out) as file:
        np.save(file, values, allow_pickle=False)


def write_still(image: Image.Image, out: Path, looks: Looks) -> None:
    form, settings = STILL[out.suffix]
    with writing(out) as file:
        looks.enlarged(image).save(file, form, **settings)


def write_animation(frames: Iterator[Image.Image], out: Path, looks: Looks) -> None:
    """Frames as .gif or .mp4."""
    drawn = (looks.enlarged(frame) for frame in frames)
    if out.suffix == ".mp4":
        _write_film(drawn, out, looks.fps)
    else:
        _write_gif(drawn, out, looks.fps)


def _write_each(
    batches: Iterable[np.ndarray], count: int, out: Path, looks: Looks, stem: str
) -> None:
    if out.is_dir() and any(out.iterdir()):
        raise UserError(f"--out {out}: is there already; give the name of a new folder")
    digits = len(str(count - 1))
    with new_folder(out) as home:
        for index, image in enumerate(image for batch in batches for image in batch):
            path = home / f"{stem}-{index:0{digits}d}.png"
            looks.enlarged(pictures.picture(image)).save(path)


def _film_encoder() -> ModuleType:
    """imageio-ffmpeg, whose wheel holds the encoder."""
    try:
        return importlib.import_module("imageio_ffmpeg")
    except ImportError:
        raise UserError(
            "--out NAME.mp4 needs imageio-ffmpeg: pip install -c constraints.txt "
            "'steadygan[video]'; .gif needs nothing more"
        ) from None


def _write_gif(frames: Iterator[Image.Image], out: Path, fps: float) -> None:
    first, *more = frames
    with writing(out) as file:
        first.save(file, "GIF", save_all=True, append_images=more,
                   duration=round(1000 / fps), loop=0)  # fmt: skip


def _write_film(frames: Iterator[Image.Image], out: Path, fps: float) -> None:
    """H.264 in 4:2:0, which every player takes; sides are filled up to even numbers."""
    encoder = _film_encoder()
    with writing(out) as file:
        writer: Any = None
        try:
            for frame in frames:
                rgb = np.asarray(frame.convert("RGB"))
                rgb = np.pad(rgb, [(0, side % 2) for side in rgb.shape[:2]] + [(0, 0)], "edge")
                if writer is None:
                    size = (rgb.shape[1], rgb.shape[0])
                    writer = encoder.write_frames(
                        file.name, size, fps=fps, codec="libx264", quality=8,
                        macro_block_size=2, output_params=["-f", "mp4"],
                    )  # fmt: skip
                    writer.send(None)
                writer.send(np.ascontiguousarray(rgb))
        finally:
            if writer is not None:
                writer.close()
