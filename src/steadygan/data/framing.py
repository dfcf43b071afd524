"""Trims a picture's empty margins and makes it square."""

from __future__ import annotations

import numpy as np
from PIL import Image

from steadygan.data.images import RESAMPLE, BadImage

MARGIN = 1 / 32  # of the longer side, left about a trimmed picture
EMPTY = 16  # of 255: what differs less from the background is background


def squared(
    image: Image.Image, size: int, channels: int, trim: bool = False, pad: bool = True
) -> np.ndarray:
    """An opaque 8-bit picture as uint8 (channels, size, size). Raises BadImage for one that is
    empty, where it is to be trimmed."""
    image = image.convert("L" if channels == 1 else "RGB")
    ground = background(image)
    if trim:
        image = trimmed(image, ground)
    width, height = image.size
    side = max(width, height) if pad else min(width, height)
    if width != height:
        square = Image.new(image.mode, (side, side), ground)
        square.paste(image, ((side - width) // 2, (side - height) // 2))
        image = square
    pixels = np.asarray(image.resize((size, size), RESAMPLE))
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def outermost(pixels: np.ndarray) -> np.ndarray:
    """The pixels at the four sides of (H, W) or (H, W, C), one after the other; corners twice."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def background(image: Image.Image) -> int | tuple[int, ...]:
    """The median colour of a picture's outermost pixels, channel by channel."""
    ground = np.median(outermost(np.asarray(image)), axis=0).astype(int)
    return int(ground) if ground.ndim == 0 else tuple(ground.tolist())


def is_even(image: Image.Image) -> bool:
    """Whether nine tenths of a picture's outermost pixels have its background's colour, or nearly:
    a drawing, no photograph."""
    edges = outermost(np.asarray(image.convert("RGB"))).astype(int)
    near = (np.abs(edges - np.median(edges, axis=0)) <= EMPTY).all(axis=1)
    return bool(near.mean() >= 0.9)


def trimmed(image: Image.Image, ground: int | tuple[int, ...]) -> Image.Image:
    """A picture without its margins of background, except 1/32 of the longer side around it.

    Raises BadImage where there is nothing but background.
    """
    difference = np.abs(np.asarray(image).astype(int) - np.array(ground))
    ink = difference > EMPTY if difference.ndim == 2 else (difference > EMPTY).any(axis=2)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        raise BadImage("nothing but its background")
    left, right, top, bottom = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
    margin = -int(-max(right - left, bottom - top) * MARGIN // 1)
    box = (left - margin, top - margin, right + margin, bottom + margin)
    about = Image.new(image.mode, (int(box[2] - box[0]), int(box[3] - box[1])), ground)
    about.paste(image.crop((int(left), int(top), int(right), int(bottom))), (margin, margin))
    return about
