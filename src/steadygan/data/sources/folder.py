"""A folder of images, class = first-level subfolder, split by content into train and held out."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from steadygan.data.dataset import Dataset, DataSettings, Progress
from steadygan.data.decoding import ImageSet
from steadygan.data.images import MAX_BYTES, BadImage
from steadygan.data.labels import LABELS, arranged, parse_labels
from steadygan.data.labels import MAX_BYTES as MAX_LABELS
from steadygan.data.scan import (
    BUILT,
    CARD,
    Found,
    left_out,
    listing_digest,
    printable,
    scan,
    stamp_of,
)
from steadygan.data.sources.imageset import open_images
from steadygan.errors import UserError


def open_folder(path: Path | None, settings: DataSettings, progress: Progress | None) -> Dataset:
    """All images under `path`, decoded completely, cropped to their centre square and resized.

    With first-level subfolders those are the classes; without, there are no labels; a StyleGAN
    `dataset.json` takes precedence over both. Where the subfolders are `train` and `test` they are
    the split, and the classes lie below them; otherwise the split is by content, and images of
    equal pixels fall on the same side. Raises UserError as `scan`, `arranged` and `open_images` do.
    """
    if path is None:
        raise UserError("--data folder needs a path: folder:DIR")
    spec = f"folder:{path}"
    images, digest = images_under(path, spec, progress)
    slot = {"path": printable(str(path))}
    return open_images(images, slot, digest, as_built(path, settings), progress)


def as_built(path: Path, settings: DataSettings) -> DataSettings:
    """`settings` with the size and the channels that `steadygan data build` made the set at, by its
    card, where they are not given."""
    card = parsed_card(path / CARD)
    own = {key: card.get(key) for key in ("size", "channels") if getattr(settings, key) is None}
    try:
        known = DataSettings.model_validate(own)
    except ValidationError:
        return settings  # no card of ours
    return settings.model_copy(update={key: getattr(known, key) for key in own})


def parsed_card(path: Path) -> dict[str, Any]:
    """A built set's card.json; empty where there is none that can be read."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            card = json.loads(file.read(MAX_LABELS)) if path.is_file() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    ours = isinstance(card, dict) and card.get("kind") == BUILT
    return card if ours else {}


def images_under(path: Path, spec: str, progress: Progress | None) -> tuple[ImageSet, str]:
    """The images in the folder `path`, and a digest that changes when one of its files does."""
    found, others = scan(path, progress=progress)
    data = _labels_file(path, spec)
    labels = None if data is None else parse_labels(data, spec)
    digest = listing_digest(found)
    if data is not None and labels is not None:
        others[".json"] -= 1
        digest = hashlib.sha256(digest.encode() + data).hexdigest()
    chosen = arranged(found, labels, spec)

    def read(each: Found) -> bytes:
        if chosen.class_names and each.label is None:
            raise BadImage(f"has no label in {LABELS}")
        return read_file(path / each.name, each.stamp)

    notes = (*chosen.notes, *([left_out(+others)] if +others else []))
    images = ImageSet(
        spec, chosen.found, read, held=chosen.held, class_names=chosen.class_names, notes=notes,
        root=path if chosen.class_names is None else None,  # read() looks at labels, too
    )  # fmt: skip
    return images, digest


def read_file(path: Path, stamp: tuple[int, ...]) -> bytes:
    """A file's bytes. Raises BadImage for what is no regular file, is too large or unreadable, and
    for one that does not, or no longer, match `stamp`."""
    if not stamp:
        raise BadImage("a dead link" if path.is_symlink() else "not a regular file")
    if stamp[0] > MAX_BYTES:
        raise BadImage(f"{stamp[0]:,} bytes are more than any image within the pixel limit")
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            before = stamp_of(os.fstat(file.fileno()))
            data = file.read(stamp[0]) if before == stamp else b""
            if before != stamp or stamp_of(os.fstat(file.fileno())) != stamp:
                raise BadImage("has changed since the folder was read; run again")
            return data
    except OSError as error:
        raise BadImage(f"cannot be read: {error.strerror or error}") from error


def _labels_file(path: Path, spec: str) -> bytes | None:
    """What the dataset.json in a folder holds; none where there is no such regular file."""
    if not (path / LABELS).is_file():
        return None
    try:
        with open(path / LABELS, "rb", opener=_without_waiting) as file:
            return file.read(MAX_LABELS + 1)
    except OSError as error:
        raise UserError(f"{spec}: cannot read {LABELS}: {error.strerror or error}") from error


def _without_waiting(path: str, flags: int) -> int:
    """An opener that does not block where a pipe has taken the file's place."""
    return os.open(path, flags | os.O_NONBLOCK)
