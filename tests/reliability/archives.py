"""R17: hostile zips, written byte by byte, and what each is refused for."""

from __future__ import annotations

import io
import json
import os
import random
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SECONDS, MEGABYTES = 5.0, 300
LINK, PIPE = 0o120777 << 16, 0o010666 << 16


def png(value: int = 0, size: tuple[int, int] = (9, 9), mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, (value,) * len(mode)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def claims(side: int) -> bytes:
    """A PNG whose header says side x side, with next to nothing in it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        whole = kind + body
        return struct.pack(">I", len(body)) + whole + struct.pack(">I", zlib.crc32(whole))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")


@dataclass
class File:
    """One file of an archive; what is none is told as it is."""

    name: bytes = b"a/1.png"
    data: bytes = b""
    method: int = 8
    flags: int = 0
    crc: int | None = None
    packed: bytes | None = None
    packed_size: int | None = None
    size: int | None = None
    mode: int = 0o100644 << 16
    local_name: bytes | None = None
    offset: int | None = None
    extra: bytes = b""

    def __post_init__(self) -> None:
        if self.packed is None and self.method == 8:
            packer = zlib.compressobj(1, zlib.DEFLATED, -15)
            self.packed = packer.compress(self.data) + packer.flush()
        elif self.packed is None:
            self.packed = self.data
        self.crc = zlib.crc32(self.data) if self.crc is None else self.crc
        self.size = len(self.data) if self.size is None else self.size
        self.packed_size = len(self.packed) if self.packed_size is None else self.packed_size

    def facts(self) -> bytes:
        return struct.pack("<4HI", self.flags, self.method, 0, 33, self.crc) + struct.pack(
            "<2I", min(self.packed_size, 2**32 - 1), min(self.size, 2**32 - 1)
        )

    def local(self) -> bytes:
        name = self.name if self.local_name is None else self.local_name
        lengths = struct.pack("<2H", len(name), 0)
        return b"PK\x03\x04\x14\0" + self.facts() + lengths + name + self.packed

    def central(self, offset: int) -> bytes:
        offset = offset if self.offset is None else self.offset
        lengths = struct.pack("<5H", len(self.name), len(self.extra), 0, 0, 0)
        place = struct.pack("<2I", self.mode, offset)
        return b"PK\x01\x02\x14\x03\x14\0" + self.facts() + lengths + place + self.name + self.extra


def end(
    count: int, length: int, offset: int, *, disk: int = 0, comment: bytes = b"", told: int = -1
) -> bytes:
    told = len(comment) if told < 0 else told
    return (
        b"PK\x05\x06" + struct.pack("<4H2IH", disk, 0, count, count, length, offset, told) + comment
    )


def archive(*files: File, count: int | None = None, length: int | None = None, **more) -> bytes:
    """A zip of `files`, whose end tells of `count` entries in `length` bytes."""
    body, listing = b"", b""
    for file in files:
        listing += file.central(len(body))
        body += file.local()
    count = len(files) if count is None else count
    length = len(listing) if length is None else length
    return body + listing + end(count, length, more.pop("offset", len(body)), **more)


def good(count: int = 2) -> list[File]:
    return [File(b"b/%d.png" % n, png(100 + n)) for n in range(count)]


def many(count: int, told: int) -> bytes:
    """A list of `count` entries, all of one small file."""
    file = File(b"a/1.png", png())
    listing = file.central(0) * count
    body = file.local()
    zip64 = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, told, told, len(listing),
                        len(body))  # fmt: skip
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(body) + len(listing), 1)
    return body + listing + zip64 + locator + end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)


def many_real(count: int) -> bytes:
    """`count` empty images of their own names, within the length that is read."""
    parts, listing, at = [], [], 0
    for number in range(count):
        file = File(b"%d.png" % number, b"", 0)
        listing.append(file.central(at))
        parts.append(file.local())
        at += len(parts[-1])
    body, listed = b"".join(parts), b"".join(listing)
    zip64 = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(listed),
                        len(body))  # fmt: skip
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(body) + len(listed), 1)
    return body + listed + zip64 + locator + end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)


def quoted(count: int) -> bytes:
    """Files that share one packed body: each begins with the next one's header, quoted."""
    body = File(b"a/0.png", bytes(10**6))
    listing, whole = [], body.local()
    for number in range(1, count):
        name = b"a/%d.png" % number
        quote = struct.pack("<BHH", 0, 30 + len(name), 0xFFFF - 30 - len(name))
        outer = File(name, b"", packed=quote + whole, size=10**6, crc=1)
        whole = outer.local()
    at, rest = 0, whole
    for number in reversed(range(count)):
        name = b"a/%d.png" % number
        header = 30 + len(name)
        packed = len(rest) - header
        listing.append(
            File(name, b"", packed=b"", packed_size=packed, size=10**6, crc=1).central(at)
        )
        at += header + 5
        rest = rest[header + 5 :]
    listed = b"".join(listing)
    return whole + listed + end(count, len(listed), len(whole))


def nested(depth: int) -> bytes:
    """A zip of zips of zips, of zeros: 42.zip."""
    inner = archive(File(b"0.dll", bytes(10**6)))
    for level in range(depth):
        inner = archive(*(File(b"%d-%d.zip" % (level, n), inner, 0) for n in range(4)))
    return inner


def zip64_size(size: int) -> File:
    extra = struct.pack("<2HQ", 1, 8, size)
    return File(b"a/1.png", png(), size=2**32 - 1, extra=extra)


def noise(count: int) -> bytes:
    return random.Random(0).randbytes(count)


def library(method: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        made.writestr("a/1.png", png())
        made.writestr("b/1.png", png(1))
    return file.getvalue()


def fake_end() -> bytes:
    """A comment that holds an end of its own, of another list."""
    hidden = archive(*good())
    return archive(File(b"a/1.png", png()), comment=b"x" + hidden + b"y")


def one_bad(file: File) -> Callable[[], bytes]:
    """Two good images and one that cannot be read: over 1 %, so the set stops."""
    return lambda: archive(*good(), file)


def cut(data: bytes, at: int) -> bytes:
    return data[:at]


# name: (bytes, what the refusal says)
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "slip": (one_bad(File(b"../evil.png", png())), "leads out of the archive"),
    "slip within": (one_bad(File(b"a/../../evil.png", png())), "leads out of the archive"),
    "slip, no image": (one_bad(File(b"../../.bashrc", b"rm")), "leads out of the archive"),
    "absolute": (one_bad(File(b"/etc/evil.png", png())), "no relative path"),
    "drive": (one_bad(File(b"C:/evil.png", png())), "no relative path"),
    "backslashes": (one_bad(File(b"..\\evil.png", png())), "no relative path"),
    "NUL": (one_bad(File(b"a/1.png\0.txt", png())), "NUL byte"),
    "no name": (one_bad(File(b"", png())), "has no name"),
    "link": (one_bad(File(b"a/1.png", b"/etc/shadow", mode=LINK)), "is a link"),
    "link to a folder": (
        lambda: archive(*good(), File(b"a", b"/etc", mode=LINK), File(b"a/1.png", png())),
        "is a link",
    ),
    "pipe": (one_bad(File(b"a/1.png", mode=PIPE)), "device or a pipe"),
    "encrypted": (one_bad(File(b"a/1.png", png(), flags=1)), "is encrypted"),
    "strongly encrypted": (one_bad(File(b"a/1.png", png(), flags=0x41)), "is encrypted"),
    "AES": (one_bad(File(b"a/1.png", png(), method=99)), "packed by method 99"),
    "twice": (one_bad(File(b"b/1.png", png(7))), "is in it twice"),
    "one file under many names": (
        lambda: archive(*good(), *(File(b"a/%d.png" % n, png(), offset=0) for n in range(50))),
        "lies over another file",
    ),
    "files that quote each other": (lambda: quoted(200), "lies over another file"),
    "beyond the end": (one_bad(File(b"a/1.png", png(), offset=10**6)), "beyond the archive's end"),
    "says 2^40 bytes": (lambda: archive(*good(), zip64_size(2**40)), "more than 67,108,864"),
    "says 4 GB": (one_bad(File(b"a/1.png", png(), size=2**32 - 2)), "more than 67,108,864"),
    "100 MB of zeros": (
        one_bad(File(b"a/1.bmp", b"BM" + bytes(10**8))),
        "more than 67,108,864",
    ),
    "60 MB of zeros": (one_bad(File(b"a/1.bmp", b"BM" + bytes(6 * 10**7))), "bytes out of"),
    "says fewer bytes": (one_bad(File(b"a/1.png", noise(10**6), size=10)), "cannot be decoded"),
    "says more bytes": (one_bad(File(b"a/1.png", png(), size=5000)), "where 5,000 are listed"),
    "another checksum": (one_bad(File(b"a/1.png", png(), crc=7)), "Bad CRC-32"),
    "no deflate": (one_bad(File(b"a/1.png", png(), packed=noise(900))), "cannot be unpacked"),
    "another name inside": (one_bad(File(b"a/1.png", png(), local_name=b"a/2.png")), "differ"),
    "PNG of 400 Mpx": (one_bad(File(b"a/1.png", claims(20_000))), "more than 16,777,216 pixels"),
    "10^6 entries": (lambda: many(10**6, 10**6), "its list of entries says"),
    "500,000 entries": (lambda: many(500_000, 500_000), "more than 250,000 entries"),
    "entries that are not told": (lambda: many(500_000, 1), "more than 250,000 entries"),
    "250,001 real entries": (lambda: many_real(250_001), "more than 250,000 entries"),
    "2^63 entries": (lambda: many(2, 2**63), "where its end says"),
    "more told than there": (lambda: archive(*good(), count=60_000), "where its end says 60,000"),
    "list of 4 GB": (lambda: archive(*good(), length=2**32 - 2), "says it has 4,294,967,294"),
    "zip64 record gone": (
        lambda: many(2, 2).replace(b"PK\x06\x06", b"PK\x06\0"),
        "zip64 record is missing",
    ),
    "list before the file": (lambda: archive(*good(), offset=2**31), "not read|no whole zip"),
    "an end in the comment": (fake_end, "other bytes follow its end"),
    "part of a split": (lambda: archive(*good(), disk=1), "part of a split archive"),
    "zips in zips": (lambda: nested(4), "archives inside it are not opened"),
    "bzip2": (lambda: library(zipfile.ZIP_BZIP2), "packed by method 12"),
    "LZMA": (lambda: library(zipfile.ZIP_LZMA), "packed by method 14"),
    "cut": (lambda: cut(archive(*good(50)), 3000), "no whole zip file"),
    "no zip": (lambda: b"Rar!\x1a\x07" + noise(5000), "no whole zip file"),
    "no bytes": (lambda: b"", "no whole zip file"),
    "no files": (lambda: end(0, 0, 0), "no images in it"),
}

# What is large and no attack: within the limits it has to be read, in the same memory.
LARGE: dict[str, Callable[[], bytes]] = {
    "pictures at the limit of pixels": lambda: archive(
        *(File(b"a/%d.png" % n, png(n, (4096, 4096), "RGBA"), 0) for n in range(3))
    ),
    "uncompressed pictures of 50 MB": lambda: archive(*(bmp(n) for n in range(3))),
}


def bmp(number: int) -> File:
    """16.7 Mpx of noise in blocks: 50 MB, packed to less than a hundredth of it."""
    chance = np.random.default_rng(number)
    blocks = chance.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(blocks.repeat(64, 0).repeat(64, 1)).save(file, "BMP")
    return File(b"a/%d.bmp" % number, file.getvalue())


CHILD = """
import json, sys, time
from steadygan.data import DataSettings, open_data
from steadygan.errors import UserError
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1e3 for line in file if line.startswith("VmHWM"))
for path in sys.argv[1:]:
    began = time.process_time()
    try:
        said = f"opened {len(open_data('zip:' + path).train)}"
    except UserError as error:
        said = str(error)
    print(json.dumps([path, said, time.process_time() - began, peak()]), flush=True)
"""


def opened(paths: list[Path], cache: Path) -> list[tuple[str, float, float]]:
    """What a process of its own says of each zip, the seconds of processor time it took, and the
    most memory in MB that the process has had by then."""
    run = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, paths)], capture_output=True, text=True,
        env={**os.environ, "STEADYGAN_CACHE": str(cache)}, timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert [line[0] for line in lines] == list(map(str, paths))
    return [tuple(line[1:]) for line in lines]


def hostile(
    count: int,
    folder: Path,
    tick: Callable[[], None] = lambda: None,
    names: list[str] | None = None,
) -> str:
    """Every hostile zip is refused for its reason, within 5 s of processor time and 300 MB, and
    nothing is written beside it."""
    names = list(HOSTILE)[:count] if names is None else names
    home = folder / "zips"
    home.mkdir()
    paths = [home / f"{number}.zip" for number in range(len(names))]
    for path, name in zip(paths, names, strict=True):
        path.write_bytes(HOSTILE[name][0]())
    results = opened(paths, folder / "cache")
    for name, (said, seconds, megabytes) in zip(names, results, strict=True):
        assert re.search(HOSTILE[name][1], said), (name, said)
        assert "\n" not in said, (name, said)
        assert seconds < SECONDS, (name, seconds)
        assert megabytes < MEGABYTES, (name, megabytes)
        tick()
    assert sorted(home.iterdir()) == sorted(paths)
    worst = max(result[1] for result in results)
    most = max(result[2] for result in results)
    return f"{len(names)} hostile zips refused, at most {worst:.1f} s and {most:.0f} MB"


def large(folder: Path) -> str:
    """Zips of the largest pictures that are allowed are read within the same memory."""
    paths = []
    for number, make in enumerate(LARGE.values()):
        paths.append(folder / f"{number}.zip")
        paths[-1].write_bytes(make())
    results = opened(paths, folder / "cache")
    for said, _, megabytes in results:
        assert said == "opened 2", said
        assert megabytes < MEGABYTES, megabytes
    return f"{len(paths)} of the largest allowed read in {max(r[2] for r in results):.0f} MB"
