"""R14, R15: a folder of good images and many mutated ones; bombs of each format."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from steadygan.data import DataSettings, open_data
from steadygan.data.images import MAX_PIXELS
from steadygan.errors import UserError

SIZE = 16
KINDS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
SECONDS, MEGABYTES = 5.0, 300


def picture(chance: np.random.Generator, kind: str) -> bytes:
    """A file of one of the kinds: a few flat blocks, so that no two are alike."""
    blocks = chance.integers(0, 256, (4, 4, 3), dtype=np.uint8).repeat(5, 0).repeat(6, 1)
    file = io.BytesIO()
    Image.fromarray(blocks).save(file, kind)
    return file.getvalue()


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A file damaged in one of seven ways."""
    at = chance.randrange(len(data))
    header = min(at, 40)
    length = 1 + chance.randrange(64)
    ways: list[Callable[[], bytes]] = [
        lambda: data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :],
        lambda: data[:at],
        lambda: data[:at] + bytes(length) + data[at + length :],
        lambda: data[:header] + chance.randbytes(4) + data[header + 4 :],
        lambda: data[:at] + data[at + length :],
        lambda: data[:at] + chance.randbytes(length) + data[at:],
        lambda: data[:at] + data[: len(data) - at],
    ]
    return chance.choice(ways)()


def mutated_folder(count: int, folder: Path, tick: Callable[[], None] = lambda: None) -> str:
    """`count` mutated images in a folder of a tenth as many good ones, a hundred at a time: no
    crash, every one that does not decode listed with its reason, the good ones unchanged."""
    chance, rng = random.Random(0), np.random.default_rng(0)
    goods = max(20, count // 10)
    root = folder / "images"
    root.mkdir(parents=True)
    for number in range(goods):
        kind = KINDS[number % len(KINDS)]
        (root / f"good-{number:05}.{kind.lower()}").write_bytes(picture(rng, kind))
    pixels, _ = rows(root)
    assert len(pixels) == goods
    names = set()
    for number in range(count):
        source = root / f"good-{number % goods:05}.{KINDS[number % goods % len(KINDS)].lower()}"
        whole = source.read_bytes()
        damaged = mutated(whole, chance)
        while damaged == whole:
            damaged = mutated(whole, chance)
        name = f"bad-{number:05}{source.suffix}"
        (root / name).write_bytes(damaged)
        names.add(name)
        tick()
    with pytest.raises(UserError, match=r"cannot be decoded .*by --allow-bad"):
        open_data(f"folder:{root}", DataSettings(size=SIZE))
    after, bad = rows(root)
    assert set(bad) <= names
    assert all(reason and "\n" not in reason for reason in bad.values())
    assert len(after) == goods + count - len(bad)
    assert not pixels - after, "a good image changed"
    return (
        f"{count} mutated images beside {goods} good ones: {len(bad)} refused, each with its reason"
    )


def rows(root: Path) -> tuple[set[tuple[str, int]], dict[str, str]]:
    """Digests of all decoded images (numbered where they are alike), and the reasons by name."""
    data = open_data(f"folder:{root}", DataSettings(size=SIZE, allow_bad=True))
    seen: dict[str, int] = {}
    found = set()
    for item in [*data.train.items, *data.test.items]:
        digest = hashlib.sha256(item.tobytes()).hexdigest()
        seen[digest] = seen.get(digest, 0) + 1
        found.add((digest, seen[digest]))
    return found, {each["path"]: each["reason"] for each in data.quarantine}


# ---- R15 -----------------------------------------------------------------------------------


def png_bomb(side: int) -> bytes:
    """Whole and true: rows of zeros, packed a thousandfold."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        whole = kind + body
        return struct.pack(">I", len(body)) + whole + struct.pack(">I", zlib.crc32(whole))

    packer = zlib.compressobj(1)
    row = bytes(1 + 3 * side)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def bombs() -> dict[str, bytes]:
    """A file of each format whose picture is larger than the limit."""
    small = {kind: picture(np.random.default_rng(0), kind) for kind in KINDS}
    side = struct.pack("<HH", 60_000, 60_000)
    jpeg = bytearray(small["JPEG"])
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 60_000, 60_000)
    webp = io.BytesIO()
    Image.new("RGB", (16_000, 1_100)).save(webp, "WEBP", quality=1, method=0)
    tiff = io.BytesIO()
    Image.new("1", (5_000, 5_000)).save(tiff, "TIFF", compression="group4")
    bmp = b"BM" + struct.pack("<IHHI", 1000, 0, 0, 54)
    bmp += struct.pack("<IiiHHIIiiII", 40, 30_000, 30_000, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(900)
    return {
        "PNG": png_bomb(4_200),
        "JPEG": bytes(jpeg),
        "WEBP": webp.getvalue(),
        "BMP": bmp,
        "GIF": small["GIF"][:6] + side + small["GIF"][10:],
        "TIFF": tiff.getvalue(),
    }


CHILD = """
import json, sys, time
from steadygan.data.images import BadImage, decode, quiet_pillow
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1e3 for line in file if line.startswith("VmHWM"))
with quiet_pillow():
    for path in sys.argv[1:]:
        before, began = peak(), time.process_time()
        try:
            said = str(decode(open(path, "rb").read(), 64, 3)[0].shape)
        except BadImage as error:
            said = str(error)
        print(json.dumps([path, said, time.process_time() - began, peak() - before]), flush=True)
"""


def refused_bombs(folder: Path) -> str:
    """Each bomb is refused by its header: within a fraction of the memory of its picture."""
    paths = []
    for kind, data in bombs().items():
        paths.append(folder / f"bomb.{kind.lower()}")
        paths[-1].write_bytes(data)
    run = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, paths)], capture_output=True, text=True,
        env=dict(os.environ), timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(lines) == len(paths)
    for path, said, seconds, megabytes in lines:
        assert f"more than {MAX_PIXELS:,} pixels" in said, (path, said)
        assert seconds < SECONDS, (path, seconds)
        assert megabytes < 20, (path, megabytes)  # the smallest of the pictures takes 50
    return f"{len(lines)} bombs refused, at most {max(line[3] for line in lines):.0f} MB taken"
