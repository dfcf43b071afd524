"""One image file's bytes to one uint8 array, or one line that says why not.

What a file becomes: its first frame; turned upright by EXIF; alpha over white; 16-bit grey scaled
by 255/65535; CMYK, palette and YCbCr to RGB; BT.601 luma where one channel is asked for; cropped
to the centre square; resized. 32-bit integer and float pixels have no fixed white: refused.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

_PNG = b"\x89PNG\r\n\x1a\n"
# Only these decoders: Pillow has some fifty, among them one that starts Ghostscript.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff")
)
MAX_PIXELS = 2**24  # 16.8 Mpx; a 481 KB PNG of more once took 676 MB
LARGE = 2**22  # pictures of more pixels are decoded by one thread: each takes up to 150 MB
_STRIP = 256  # rows
MAX_BYTES = 16 * MAX_PIXELS  # more than MAX_PIXELS take uncompressed in any of the formats

# Antialiased in Pillow (the kernel widens with the factor), and with less ringing than Lanczos
# at the hard edges of digits and drawings.
RESAMPLE = Image.Resampling.BICUBIC

# What Pillow's decoders raise on damaged bytes; OSError alone misses most of the list.
DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Image.DecompressionBombError,
    struct.error,
    zlib.error,
)

_CONVERTIBLE = ("1", "L", "P", "RGB", "CMYK", "YCbCr")  # by planes(), without an error


class BadImage(Exception):
    """A file that cannot be decoded whole; the text is the reason, in one line."""


class LargeImage(Exception):
    """A picture of more than LARGE pixels, where it was not to be decoded."""


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Mute Pillow's warnings (odd metadata, its own pixel limit): the reasons say it better.

    For the thread that starts the decoding threads: warning filters are not a thread's own.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def decode(data: bytes, size: int, channels: int, large: bool = True) -> np.ndarray:
    """A whole image file to uint8 (channels, size, size). Raises as `picture`."""
    with picture(data, large) as image:
        return planes(image, size, channels)


@contextmanager
def picture(data: bytes, large: bool = True) -> Iterator[Image.Image]:
    """A whole image file as an upright opaque picture of 8 bits a channel, loaded.

    Raises BadImage with the reason, and LargeImage for more than LARGE pixels unless `large`.
    """
    if not data:
        raise BadImage("empty file")
    _check_png(data)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise BadImage(f"{width} x {height} is more than {MAX_PIXELS:,} pixels")
            if width * height > LARGE and not large:
                raise LargeImage
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            yield _eight_bit(image)
    except UnidentifiedImageError as error:  # its own text holds a memory address
        raise BadImage("no PNG, JPEG, WebP, BMP, GIF or TIFF, or a damaged header") from error
    except Image.DecompressionBombError as error:
        raise BadImage(f"more than {MAX_PIXELS:,} pixels") from error
    except DAMAGE as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise BadImage(reason[:200]) from error


def planes(image: Image.Image, size: int, channels: int, crop: int | None = None) -> np.ndarray:
    """The centre square of an opaque 8-bit image as uint8 (channels, size, size); `crop`: its side
    in pixels of the image, none for the largest."""
    grey = channels == 1 or image.mode in ("1", "L")
    mode = "L" if grey else "RGB"
    image = image if image.mode == mode else image.convert(mode)
    if crop:  # cut out first: resize() lets pixels just outside of its box bleed in
        left, top = (image.width - crop) // 2, (image.height - crop) // 2
        image = image.crop((left, top, left + crop, top + crop))
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = (left, top, left + side, top + side)
    pixels = np.asarray(image.resize((size, size), RESAMPLE, box=square))
    return np.repeat(pixels[None], channels, axis=0) if grey else pixels.transpose(2, 0, 1)


def _check_png(data: bytes) -> None:
    """Pillow skips the checksums of a PNG's pixels: one flipped bit would pass as a picture."""
    at = len(_PNG) if data.startswith(_PNG) else len(data)
    while at + 12 <= len(data):
        kind, end = data[at + 4 : at + 8], at + 8 + int.from_bytes(data[at : at + 4], "big")
        if kind == b"IDAT" and end + 4 <= len(data):
            crc = int.from_bytes(data[end : end + 4], "big")
            if zlib.crc32(memoryview(data)[at + 4 : end]) != crc:
                raise BadImage(f"the checksum of the PNG's pixels at byte {at} is wrong")
        at = end + 4


def _eight_bit(image: Image.Image) -> Image.Image:
    """Any mode to an opaque one of 8 bits a channel."""
    if image.mode.startswith("I;16"):
        deep = np.asarray(image).astype(np.uint32)
        if isinstance(clear := image.info.get("transparency"), int):
            deep[deep == clear] = 65535
        deep *= 255  # in place: a picture at the limit takes 67 MB an array
        deep += 32767
        deep //= 65535
        return Image.fromarray(deep.astype(np.uint8))
    if image.mode in ("I", "F"):
        raise BadImage(f"32-bit pixels (mode {image.mode}) have no fixed white; save 8 or 16 bits")
    if image.has_transparency_data:
        return _over_white(image)
    return image if image.mode in _CONVERTIBLE else image.convert("RGB")  # raises, for LAB


def _over_white(image: Image.Image) -> Image.Image:
    """A picture with alpha over white, in strips: whole, it would take three more of its size."""
    over = Image.new("RGB", image.size)
    for top in range(0, image.height, _STRIP):
        strip = image.crop((0, top, image.width, min(top + _STRIP, image.height))).convert("RGBA")
        white = Image.new("RGBA", strip.size, "white")
        over.paste(Image.alpha_composite(white, strip).convert("RGB"), (0, top))
    return over
