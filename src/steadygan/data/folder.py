"""A folder of images, class = first-level subfolder, split by content into train and held out."""

from __future__ import annotations

from pathlib import Path

from steadygan.data.dataset import Dataset, DataSettings, Progress
from steadygan.data.images import MAX_BYTES, BadImage
from steadygan.data.imageset import ImageSet, open_images
from steadygan.data.scan import given_split, listing_digest, printable, scan
from steadygan.errors import UserError


def open_folder(path: Path | None, settings: DataSettings, progress: Progress | None) -> Dataset:
    """All images under `path`, decoded whole, cropped to their centre square and resized.

    With first-level subfolders those are the classes; without, there are no labels. Where the
    subfolders are `train` and `test` they are the split, and the classes lie below them; otherwise
    the split is by content, and equal files fall on the same side. Raises UserError as `scan` and
    `open_images` do.
    """
    if path is None:
        raise UserError("--data folder needs a path: folder:DIR")
    spec = f"folder:{path}"
    found, held = given_split(scan(path), spec)
    images = ImageSet(spec, found, lambda each: read_file(path / each.name, each.stamp), held=held)
    slot = {"path": printable(str(path))}
    return open_images(images, slot, listing_digest(found), settings, progress)


def read_file(path: Path, stamp: tuple[int, ...]) -> bytes:
    """A file's bytes. Raises BadImage for what is no regular file, is too large or unreadable."""
    if not stamp:
        raise BadImage("a dead link" if path.is_symlink() else "not a regular file")
    if stamp[0] > MAX_BYTES:
        raise BadImage(f"{stamp[0]:,} bytes are more than any image within the pixel limit")
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadImage(f"cannot be read: {error.strerror or error}") from error
