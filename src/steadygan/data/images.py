"""One image file's bytes to one uint8 array, or one line that says why not.

How a file is decoded: its first frame; turned upright by EXIF; alpha over white; 16-bit grey scaled
by 255 over the data set's white level; CMYK, palette and YCbCr to RGB; BT.601 luma where one
channel is asked for; cropped to the centre square; resized. Refused: 32-bit integer and float
pixels, which have no fixed white, and pictures that are blank over white.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageColor, ImageFile, ImageOps, UnidentifiedImageError, features

_PNG = b"\x89PNG\r\n\x1a\n"
# Only these decoders: Pillow has some fifty, among them one that starts Ghostscript.
AVIF = features.check("avif")  # Pillow 11.3 and later, where it was built with libavif
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", *(["AVIF"] if AVIF else []))
SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff")
) | ({".avif"} if AVIF else set())
KNOWN = f"PNG, JPEG, WebP, {'AVIF, ' if AVIF else ''}BMP, GIF or TIFF"
WHITE = 65535  # of 16-bit grey, where its data set is not known
MAX_PIXELS = 2**24  # 16.8 Mpx; a 481 KB PNG of more once took 676 MB
LARGE = 2**22  # pictures of more pixels are decoded by one thread: each takes up to 150 MB
_STRIP = 256  # rows
_BLANK = "blank: over {} nothing is seen of it; lay it over another colour"
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
    """A file that cannot be decoded completely; the text is the reason, in one line."""


class LargeImage(Exception):
    """A picture of more than LARGE pixels, where `large` is false."""


class Traits(NamedTuple):
    """What conversion to 8 bits and a square may lose.

    `levels`: the least and the greatest value of 16-bit grey; None for other pictures. `upper`: the
    greatest of 0..255 in a picture of 16 bits a colour channel, of which Pillow reads the upper 8;
    None for other pictures. `cropped`: it is not square, and its centre square is taken. `clear`:
    parts of it are transparent, and drawn over a background. `longest`: its longer side in pixels,
    `side`: that of the square which is resized; 0 for unknown. `uneven`: it is not square, and its
    outermost pixels are of many colours.
    """

    levels: tuple[int, int] | None = None
    upper: int | None = None
    cropped: bool = False
    clear: bool = False
    longest: int = 0
    side: int = 0
    uneven: bool = False


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Mute Pillow's warnings (odd metadata, its own pixel limit): the errors state the reasons.

    To be entered in the thread that starts the decoding threads: warning filters are global.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def decode(
    data: bytes, size: int, channels: int, large: bool = True, white: int = WHITE
) -> tuple[np.ndarray, Traits]:
    """A whole image file to uint8 (channels, size, size). Raises as `picture`."""
    with picture(data, large, white) as (image, traits):
        pixels = planes(image, size, channels)
        least, most = min(image.size), max(image.size)
        return pixels, traits._replace(cropped=least != most, longest=most, side=least)


@contextmanager
def picture(
    data: bytes, large: bool = True, white: int = WHITE, background: str = "white"
) -> Iterator[tuple[Image.Image, Traits]]:
    """A whole image file as an upright opaque picture of 8 bits a channel, loaded.

    `white`: the 16-bit grey value that becomes 255, as those above it do. `background`: the colour
    under transparent parts, as Pillow names colours. Raises BadImage with the reason, and
    LargeImage for more than LARGE pixels unless `large`.
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
            deep_colour = _deep_colour(image)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            if image.mode.startswith("I;16"):
                grey, levels = _sixteen_bit_grey(image, white, background)
                yield grey, Traits(levels=levels)
            else:
                eight, clear = _eight_bit(image, background)
                upper = _greatest(eight) if deep_colour else None
                yield eight, Traits(upper=upper, clear=clear)
    except UnidentifiedImageError as error:  # its own text holds a memory address
        raise BadImage(f"no {KNOWN}, or a damaged header") from error
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
    """Pillow skips the checksums of a PNG's pixels: an image with one flipped bit would be
    accepted."""
    at = len(_PNG) if data.startswith(_PNG) else len(data)
    while at + 12 <= len(data):
        kind, end = data[at + 4 : at + 8], at + 8 + int.from_bytes(data[at : at + 4], "big")
        if kind == b"IDAT" and end + 4 <= len(data):
            crc = int.from_bytes(data[end : end + 4], "big")
            if zlib.crc32(memoryview(data)[at + 4 : end]) != crc:
                raise BadImage(f"the checksum of the PNG's pixels at byte {at} is wrong")
        at = end + 4


def _deep_colour(image: ImageFile.ImageFile) -> bool:
    """Whether a picture that is not loaded yet has 16 bits a channel, of which Pillow reads 8."""
    arguments = image.tile[0].args if image.tile else ""
    raw_mode = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return ";16" in str(raw_mode) and not image.mode.startswith("I")


def _greatest(image: Image.Image) -> int:
    return max(greatest for _, greatest in _extrema(image))


def _extrema(image: Image.Image) -> list[tuple[int, int]]:
    """The least and the greatest value of each band of an 8-bit picture."""
    found: Any = image.getextrema()  # one pair of a single band, a tuple of pairs of more
    return list(found) if len(image.getbands()) > 1 else [found]


def _sixteen_bit_grey(
    image: Image.Image, white: int, background: str
) -> tuple[Image.Image, tuple[int, int]]:
    """16-bit grey as 8 bits, 255 from `white` on, and its least and greatest value."""
    deep = np.asarray(image).astype(np.uint32)
    levels = int(deep.min()), int(deep.max())
    if isinstance(clear := image.info.get("transparency"), int):
        seen = deep[deep != clear]
        if not seen.size:
            raise BadImage(_BLANK.format(background))
        levels = int(seen.min()), int(seen.max())
        grey = ImageColor.getcolor(background, "L")
        assert isinstance(grey, int)
        deep[deep == clear] = grey * white // 255
    np.minimum(deep, white, out=deep)  # in place: a picture at the limit takes 67 MB an array
    deep *= 255
    deep += white // 2
    deep //= white
    return Image.fromarray(deep.astype(np.uint8)), levels


def _eight_bit(image: Image.Image, background: str) -> tuple[Image.Image, bool]:
    """Any other mode as an opaque one of 8 bits a channel, and whether parts were transparent."""
    if image.mode in ("I", "F"):
        raise BadImage(f"32-bit pixels (mode {image.mode}) have no fixed white; save 8 or 16 bits")
    if image.has_transparency_data:
        return _over(image, background)
    return (image if image.mode in _CONVERTIBLE else image.convert("RGB")), False  # LAB raises


def _over(image: Image.Image, background: str) -> tuple[Image.Image, bool]:
    """A picture with alpha over a colour, and whether any of it was transparent. In strips: at
    once, it would need three more images of its size."""
    over, opaque = Image.new("RGB", image.size), True
    colour = ImageColor.getrgb(background)[:3]
    for top in range(0, image.height, _STRIP):
        strip = image.crop((0, top, image.width, min(top + _STRIP, image.height))).convert("RGBA")
        opaque = opaque and _extrema(strip)[3][0] == 255
        ground = Image.new("RGBA", strip.size, (*colour, 255))
        over.paste(Image.alpha_composite(ground, strip).convert("RGB"), (0, top))
    if not opaque and _extrema(over) == [(value, value) for value in colour]:
        raise BadImage(_BLANK.format(background))
    return over, not opaque
