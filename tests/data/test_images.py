"""The golden table: what each kind of file becomes."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from steadygan.data import images
from steadygan.data.images import AVIF, FORMATS, KNOWN, MAX_PIXELS, BadImage, Traits, quiet_pillow

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def decode(*args):
    return images.decode(*args)[0]


def saved(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def flat(mode, colour, size=(8, 8)):
    return Image.new(mode, size, colour)


def chunk(kind, body):
    crc = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def png(width, height, depth, colour, rows, extra=b""):
    """A PNG written byte by byte, as Pillow writes neither 16-bit colour nor lies."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = b"".join(b"\0" + row for row in rows)
    parts = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(body))
    return b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IEND", b"")


def deep_grey(value):
    return saved(Image.fromarray(np.full((8, 8), value, dtype=np.uint16)))


def palette_with_alpha():
    image = flat("P", 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    return saved(image, transparency=bytes([128, 255]))


def attempt(data):
    """The picture, or the reason why not."""
    try:
        return decode(data, 8, 3)
    except BadImage as error:
        return str(error)


def quadrants():
    """8x8: red, green over blue, white."""
    image = flat("RGB", RED)
    image.paste(GREEN, (4, 0, 8, 4))
    image.paste(BLUE, (0, 4, 4, 8))
    image.paste(WHITE, (4, 4, 8, 8))
    return image


def two_frames():
    return saved(flat("RGB", RED), "GIF", save_all=True, append_images=[flat("RGB", BLUE)])


# name: bytes, the RGB of every pixel, what one channel is (BT.601 luma), tolerance
GOLDEN = {
    "16-bit grey, black": (deep_grey(0), (0, 0, 0), 0, 0),
    "16-bit grey, middle": (deep_grey(32768), (128, 128, 128), 128, 0),
    "16-bit grey, dark": (deep_grey(386), (2, 2, 2), 2, 0),
    "16-bit grey, white": (deep_grey(65535), WHITE, 255, 0),
    "16-bit grey TIFF": (
        saved(Image.fromarray(np.full((8, 8), 32768, dtype=np.uint16)), "TIFF"),
        (128, 128, 128),
        128,
        0,
    ),
    "16-bit colour": (
        png(8, 8, 16, 2, [struct.pack(">3H", 65535, 32896, 257) * 8] * 8),
        (255, 128, 1),
        151,
        0,
    ),
    "1-bit": (saved(flat("1", 1)), WHITE, 255, 0),
    "grey": (saved(flat("L", 100)), (100, 100, 100), 100, 0),
    "grey, half clear": (saved(flat("LA", (0, 128))), (127, 127, 127), 127, 0),
    "colour, half clear": (saved(flat("RGBA", (0, 0, 255, 51))), (204, 204, 255), 210, 0),
    "white, with an alpha that hides nothing": (
        saved(flat("RGBA", (255, 255, 255, 255))),
        WHITE,
        255,
        0,
    ),
    "palette": (saved(flat("RGB", GREEN).convert("P")), GREEN, 150, 0),
    "palette + alpha": (palette_with_alpha(), (255, 127, 127), 165, 0),
    "CMYK JPEG": (saved(flat("CMYK", (0, 255, 255, 0)), "JPEG"), RED, 76, 2),
    "CMYK TIFF": (saved(flat("CMYK", (0, 0, 0, 255)), "TIFF"), (0, 0, 0), 0, 0),
    "YCbCr JPEG": (saved(flat("RGB", BLUE), "JPEG"), BLUE, 29, 2),
    "WebP + alpha": (
        saved(flat("RGBA", (0, 0, 0, 51)), "WEBP", lossless=True),
        (204, 204, 204),
        204,
        0,
    ),
    "BMP": (saved(flat("RGB", (1, 2, 3)), "BMP"), (1, 2, 3), 2, 0),
    "first GIF frame": (two_frames(), RED, 76, 0),
    "1x1": (saved(flat("RGB", (7, 8, 9), (1, 1))), (7, 8, 9), 8, 0),
    "1x2000": (saved(flat("RGB", GREEN, (1, 2000))), GREEN, 150, 0),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name):
    data, colour, luma, near = GOLDEN[name]
    rgb, grey = decode(data, 16, 3), decode(data, 16, 1)
    assert (rgb.shape, rgb.dtype) == ((3, 16, 16), np.uint8)
    assert (grey.shape, grey.dtype) == ((1, 16, 16), np.uint8)
    assert np.abs(rgb.astype(int) - np.reshape(colour, (3, 1, 1))).max() <= near
    assert np.abs(grey.astype(int) - luma).max() <= near


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_exif_turns_a_picture_upright(kind):
    lying = quadrants().transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    if kind == "WEBP":
        options = {"lossless": True}
    upright = decode(saved(lying, kind, exif=exif, **options), 8, 3)
    want = np.asarray(quadrants()).transpose(2, 0, 1).astype(int)
    assert np.abs(upright.astype(int) - want).max() <= (12 if kind == "JPEG" else 0)


def test_the_centre_square_is_kept():
    image = flat("RGB", RED, (24, 8))
    image.paste(BLUE, (8, 0, 16, 8))
    assert (decode(saved(image), 8, 3) == np.reshape(BLUE, (3, 1, 1))).all()
    tall = image.transpose(Image.Transpose.ROTATE_90)
    assert (decode(saved(tall), 8, 3) == np.reshape(BLUE, (3, 1, 1))).all()


def test_shrinking_is_antialiased():
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = decode(saved(Image.fromarray(board)), 8, 1)
    assert np.abs(small.astype(int) - 128).max() <= 3  # nearest would give all 0 or all 255


def test_an_image_of_the_size_asked_for_is_left_alone():
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert (decode(saved(Image.fromarray(noise)), 16, 3) == noise.transpose(2, 0, 1)).all()


def test_no_bytes_and_other_files():
    for data, reason in (
        (b"", "empty file"),
        (b"hello", f"no {KNOWN}"),
        (saved(flat("RGB", RED), "PPM"), "no PNG"),  # Pillow could, but it is not on the list
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no PNG"),
        (saved(Image.new("I", (8, 8), 70000), "TIFF"), "32-bit pixels"),
        (saved(Image.new("F", (8, 8), 0.5), "TIFF"), "32-bit pixels"),
    ):
        with pytest.raises(BadImage, match=reason):
            decode(data, 8, 3)


def bmp_header(width, height):
    body = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 1000, 0, 0, 54) + body + b"\0" * 900


# 25 Mpx: below Pillow's own limit, so that only ours stands; 400 Mpx: beyond Pillow's.
@pytest.mark.parametrize("side", [5_000, 12_000, 20_000])
@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF"])
def test_bombs_are_refused_before_they_are_decoded(kind, side, monkeypatch):
    bomb = {
        "PNG": png(side, side, 8, 2, [b"\0" * 300]),
        "BMP": bmp_header(side, side),
        "GIF": b"GIF89a" + struct.pack("<HH", side, side) + saved(flat("P", 0), "GIF")[10:],
    }[kind]

    def load(self):
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with quiet_pillow(), pytest.raises(BadImage, match=f"more than {MAX_PIXELS:,} pixels"):
        decode(bomb, 8, 3)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_cut_file_is_bad_or_whole_but_never_another_picture(kind):
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), kind)
    want = decode(data, 8, 3)
    lengths = range(0, len(data), 3)
    with quiet_pillow():
        got = [attempt(data[:length]) for length in lengths]
    refused = [reason for reason in got if isinstance(reason, str)]
    assert all((picture == want).all() for picture in got if not isinstance(picture, str))
    assert len(refused) > len(lengths) * 0.95
    assert not any("\n" in reason for reason in refused)


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_bytes_raise_nothing_but_bad_image(kind, capfd):
    random = np.random.default_rng(1)
    noise = random.integers(0, 256, (24, 24, 3), dtype=np.uint8)
    whole = np.frombuffer(saved(Image.fromarray(noise), kind), dtype=np.uint8)
    bad = 0
    with quiet_pillow():
        for _ in range(300):
            data = whole.copy()
            at = random.integers(0, min(len(data), random.choice([60, 400, 10**6])), 4)
            data[at] = random.integers(0, 256, 4)
            bad += isinstance(attempt(data.tobytes()), str)
    assert bad > 20
    capfd.readouterr()  # libtiff's own remarks


def test_one_flipped_bit_in_a_png_is_seen():
    data = bytearray(saved(quadrants(), compress_level=0))
    data[data.index(b"IDAT") + 30] ^= 1
    with pytest.raises(BadImage, match="checksum of the PNG's pixels at byte 33 is wrong"):
        decode(bytes(data), 8, 3)


def test_quiet_pillow_mutes_pillow_and_nobody_else():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with quiet_pillow():
            warnings.warn("mine", UserWarning, stacklevel=1)
            warnings.warn_explicit("odd EXIF", UserWarning, "x.py", 1, module="PIL.TiffTags")
    assert [str(each.message) for each in seen] == ["mine"]


def drawn_on_clear(colour, kind="PNG"):
    """A square in a colour on transparent black."""
    image = flat("RGBA", (0, 0, 0, 0), (16, 16))
    image.paste((*colour, 255), (4, 4, 12, 12))
    return saved(image, kind)


@pytest.mark.parametrize(
    "data",
    [
        drawn_on_clear(WHITE),
        drawn_on_clear(WHITE, "WEBP"),
        saved(flat("RGBA", (9, 9, 9, 0))),
        saved(flat("LA", (0, 0))),
        saved(flat("RGB", RED), transparency=RED),
        png(8, 8, 16, 0, [b"\x12\x34" * 8] * 8, chunk(b"tRNS", b"\x12\x34")),
    ],
    ids=["PNG", "WebP", "all clear", "clear grey", "one clear colour", "clear 16-bit grey"],
)
def test_what_is_blank_over_white_is_refused(data):
    with pytest.raises(BadImage, match="blank: over white nothing is seen"):
        decode(data, 8, 3)


def test_what_is_seen_over_white_is_kept():
    assert (decode(drawn_on_clear((254, 255, 255)), 16, 3)[0, 4:12, 4:12] == 254).all()


def grey_16(rows, extra=b""):
    rows = np.asarray(rows, dtype=">u2")
    return png(rows.shape[1], len(rows), 16, 0, [row.tobytes() for row in rows], extra)


@pytest.mark.parametrize(
    ("white", "value", "want"),
    [(4095, 4095, 255), (4095, 2048, 128), (4095, 5000, 255), (4095, 8, 0), (4095, 9, 1),
     (65535, 4095, 16), (255, 77, 77)],
)  # fmt: skip
def test_16_bit_grey_is_scaled_by_the_white_level(white, value, want):
    pixels, traits = images.decode(grey_16([[value] * 8] * 8), 8, 1, True, white)
    assert (pixels == want).all()
    assert traits._replace(longest=0, side=0) == Traits(levels=(value, value))


def test_the_clear_value_of_16_bit_grey_is_white_and_no_level():
    data = grey_16([[60000, 100, 50, 100]] * 4, chunk(b"tRNS", struct.pack(">H", 60000)))
    pixels, traits = images.decode(data, 4, 1, True, 100)
    assert traits.levels == (50, 100)
    assert pixels[0, 0].tolist() == [255, 255, 128, 255]


def test_the_clear_value_of_16_bit_grey_takes_the_background():
    data = grey_16([[60000, 100, 50, 100]] * 4, chunk(b"tRNS", struct.pack(">H", 60000)))
    with images.picture(data, True, 100, "black") as (image, _):
        assert np.asarray(image)[0].tolist() == [0, 255, 128, 255]


def test_16_bit_colour_says_what_the_upper_8_bits_hold():
    data = png(8, 8, 16, 2, [struct.pack(">3H", 4095, 100, 257) * 8] * 8)
    pixels, traits = images.decode(data, 8, 3)
    assert traits._replace(longest=0, side=0) == Traits(upper=15)
    assert pixels[:, 0, 0].tolist() == [15, 0, 1]
    with_alpha = png(8, 8, 16, 4, [struct.pack(">2H", 4095, 65535) * 8] * 8)
    assert images.decode(with_alpha, 8, 1)[1] == Traits(upper=15, longest=8, side=8)
    assert images.decode(saved(quadrants()), 8, 3)[1].upper is None


def test_what_is_no_square_is_told():
    uneven, even = (saved(flat("L", 7, size)) for size in ((8, 9), (9, 9)))
    assert images.decode(uneven, 8, 1)[1] == Traits(cropped=True, longest=9, side=8)
    assert images.decode(even, 8, 1)[1] == Traits(longest=9, side=9)


@pytest.mark.skipif(not AVIF, reason="this Pillow reads no AVIF")
def test_avif():
    data = saved(quadrants().resize((64, 64), 0), "AVIF", quality=100, subsampling="4:4:4")
    pixels = decode(data, 8, 3).astype(int)
    assert np.abs(pixels[:, 1, 1] - RED).max() <= 4
    assert np.abs(pixels[:, 6, 1] - BLUE).max() <= 4
    with pytest.raises(BadImage):
        decode(data[: len(data) // 2], 8, 3)
