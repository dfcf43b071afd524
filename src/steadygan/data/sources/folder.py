"""A folder of images, class = first-level subfolder, split by content into train and held out."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
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
    printable,
    scan,
)
from steadygan.data.sources.imageset import open_images
from steadygan.data.stamping import stamp_of
from steadygan.data.stamps import listed, stamped
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
    digest, _, others = stamped(path, progress=progress)
    text, labels = _labels_beside(path, spec)
    content = digest
    if labels is not None:
        content = hashlib.sha256(content.encode() + text).hexdigest()
    slot, settings = {"path": printable(str(path))}, as_built(path, settings)

    def images() -> ImageSet:
        return _images(path, spec, listed(path, digest, progress=progress).found, labels)

    return open_images(spec, images, slot, content, settings, progress, _notes(others, labels))


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


def images_under(
    path: Path, spec: str, progress: Progress | None
) -> tuple[ImageSet, tuple[str, ...]]:
    """The images in the folder `path`, and what to report about its other files."""
    found, others = scan(path, progress=progress)
    _, labels = _labels_beside(path, spec)
    return _images(path, spec, found, labels), _notes(others, labels)


def _images(path: Path, spec: str, found: list[Found], labels: dict[str, int] | None) -> ImageSet:
    chosen = arranged(found, labels, spec)

    def read(each: Found) -> bytes:
        if chosen.class_names and each.label is None:
            raise BadImage(f"has no label in {LABELS}")
        return read_file(path / each.name, each.stamp)

    return ImageSet(
        spec, chosen.found, read, held=chosen.held, class_names=chosen.class_names,
        notes=chosen.notes,
        root=path if chosen.class_names is None else None,  # read() looks at labels, too
    )  # fmt: skip


def _notes(others: Counter[str], labels: dict[str, int] | None) -> tuple[str, ...]:
    """What to report about `others`, of which the file of `labels` is not left out."""
    rest = others - Counter({".json": int(labels is not None)})
    return (left_out(rest),) if rest else ()


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


def _labels_beside(path: Path, spec: str) -> tuple[bytes, dict[str, int] | None]:
    """What the dataset.json in a folder holds, and its labels; none where there is no such regular
    file, or it is another program's."""
    if not (path / LABELS).is_file():
        return b"", None
    try:
        with open(path / LABELS, "rb", opener=_without_waiting) as file:
            text = file.read(MAX_LABELS + 1)
    except OSError as error:
        raise UserError(f"{spec}: cannot read {LABELS}: {error.strerror or error}") from error
    return text, parse_labels(text, spec)


def _without_waiting(path: str, flags: int) -> int:
    """An opener that does not block where a pipe has taken the file's place."""
    return os.open(path, flags | os.O_NONBLOCK)
