"""The IDX files of MNIST and Fashion-MNIST, gzipped or not, read with every length checked."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from steadygan.errors import UserError

_UBYTE = 0x08
_GZIP = b"\x1f\x8b"


def find_idx(folder: Path, stem: str, rank: int, what: str) -> Path:
    """The file of `stem` ("train-images") in `folder`, in any of its usual four names.

    Raises UserError, which calls the folder `what`, where none is there.
    """
    names = [f"{stem}{dash}idx{rank}-ubyte{gz}" for dash in "-." for gz in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    state = "" if folder.is_dir() else " (no such folder)"
    raise UserError(
        f"{what}: no {names[0]}[.gz] in {folder}{state}; it needs the four original IDX files "
        "train-images, train-labels, t10k-images and t10k-labels"
    )


def read_bytes(path: Path) -> bytes:
    """A whole file. Raises UserError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def parse_idx(data: bytes, rank: int, path: Path) -> np.ndarray:
    """IDX bytes, gzipped or not, to a read-only uint8 array of `rank` dimensions.

    Raises UserError, naming `path`, for another type or rank, a missing or surplus byte, or a
    damaged gzip.
    """
    if data.startswith(_GZIP):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise _damaged(path, f"its gzip does not unpack ({error})") from error
    header = 4 + 4 * rank
    if len(data) < header:
        raise _damaged(path, f"{len(data)} bytes are less than its header")
    zero, kind, dimensions = struct.unpack_from(">HBB", data)
    if (zero, kind, dimensions) != (0, _UBYTE, rank):
        raise _damaged(path, f"it does not start as {rank}-dimensional IDX bytes")
    shape = struct.unpack_from(f">{rank}I", data, 4)
    if len(data) - header != math.prod(shape):
        found = len(data) - header
        raise _damaged(path, f"its header promises {math.prod(shape):,} bytes, it has {found:,}")
    return np.frombuffer(data, dtype=np.uint8, offset=header).reshape(shape)


def parse_pair(
    images: bytes, labels: bytes, images_path: Path, labels_path: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, H, W) and labels int64 (N,) in 0..9. Raises UserError as `parse_idx`,
    where the two differ in count, for no images, or a label over 9."""
    pixels = parse_idx(images, 3, images_path)
    classes = parse_idx(labels, 1, labels_path).astype(np.int64)
    if pixels.size == 0:
        raise _damaged(images_path, f"no images (shape {pixels.shape})")
    if len(pixels) != len(classes):
        raise _damaged(labels_path, f"{len(classes)} labels for {len(pixels)} images")
    if classes.max() > 9:
        raise _damaged(labels_path, f"label {classes.max()} is over 9")
    return pixels, classes


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f"{path} is damaged: {why}; download it again")
