"""Builds a cache entry of images that are decoded one by one: split, counted, described."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from steadygan.data.attempt import ROWS, Attempt
from steadygan.data.cache import open_entry, write_rows
from steadygan.data.dataset import Dataset, DataSettings, Progress, fingerprint, from_rows
from steadygan.data.decoding import ImageSet, decode_all
from steadygan.data.scan import Found, printable
from steadygan.data.split import keys_of, split_as_given, split_by_content, without_trained
from steadygan.data.tally import Tally
from steadygan.errors import UserError

DEFAULT_SIZE, DEFAULT_CHANNELS = 64, 3
MAX_BAD_SHARE = 0.01
_BLOCK = 256  # rows written at once


def open_images(
    spec: str,
    listed: Callable[[], ImageSet],
    slot: dict,
    content: str,
    settings: DataSettings,
    progress: Progress | None,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """The data set of the images that `listed()` gives, decoded into the cache where they are not
    there yet: of decoded ones the list is not needed.

    `spec`: the requested source. `slot` (plain JSON values) and `content` as for `open_entry`;
    size, channels and holdout are added to the slot. `notes`: what to report about files that are
    no images. Raises UserError where fewer than two different images are left, where a given split
    leaves one side empty, and where more than 1 % cannot be decoded, unless `settings.allow_bad`.
    """
    size, channels = settings.size or DEFAULT_SIZE, settings.channels or DEFAULT_CHANNELS
    name = spec.partition(":")[0]
    slot = {**slot, "size": size, "channels": channels, "holdout": settings.holdout}

    def build(folder: Path) -> dict:
        images = listed()
        if images.held is not None and settings.holdout != DataSettings().holdout:
            raise UserError(f"holdout= means nothing for {spec}: its split is given; leave it out")
        return _build(images, size, channels, settings.holdout, folder, progress)

    entry = open_entry(name, slot, content, build, progress)
    bad, count = entry.facts["quarantine"], entry.facts["images"]
    if entry.facts["bad"] > MAX_BAD_SHARE * count and not settings.allow_bad:
        raise UserError(
            f"{spec}: {entry.facts['bad']} of {count} images cannot be decoded (first: "
            f"{bad[0]['path']}: {bad[0]['reason']}); mend or remove them, or go on without them "
            "by --allow-bad"
        )
    data = from_rows(name, spec, entry.items, entry.labels, entry.facts, settings)
    return replace(data, notes=(*notes, *data.notes))


@dataclass
class _Good:
    """The images that could be decoded, row by row as they are on disk."""

    found: list[Found] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)
    pixels: list[bytes] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


def _build(
    images: ImageSet,
    size: int,
    channels: int,
    holdout: float,
    folder: Path,
    progress: Progress | None,
) -> dict:
    """Decode every image into `folder` in the order of the split; the facts of the entry."""
    with Attempt(folder, channels * size * size) as attempt:
        good, bad = _decoded(images, size, channels, attempt, progress)
    images.settled()
    undecodable = len(bad)
    _require_two(images, good.pixels, bad)
    names = list(images.class_names or sorted({e.label for e in good.found if e.label is not None}))
    position = {name: index for index, name in enumerate(names)}
    all_labels = np.array(
        [0 if each.label is None else position.get(each.label, 0) for each in good.found],
        dtype=np.int64,
    )
    train, test, known = _sides(images, good, all_labels.tolist(), holdout)
    bad += known
    order = np.concatenate([train, test])
    good.tally.equal = len(order) - len({good.pixels[row] for row in order.tolist()})
    class_names = [printable(name) for name in names] or None
    labels = all_labels[order] if class_names else None

    shape = (len(order), channels, size, size)
    rows = np.memmap(folder / ROWS, dtype=np.uint8, mode="r", shape=(len(good.found), *shape[1:]))
    digest = write_rows(folder / "items.npy", shape, _blocks(rows, order, progress))
    attempt.remove()
    if labels is not None:
        np.save(folder / "labels.npy", labels)
    return {
        "train": len(train),
        "class_names": class_names,
        "quarantine": bad,
        "bad": undecodable,
        "images": len(images.found),
        "largest": max(good.tally.longest, default=0),
        "notes": [
            *images.notes,
            *good.tally.notes(),
            *filter(None, [good.tally.enlarged(size)]),
        ],
        "fingerprint": fingerprint(digest, shape[1:], len(train), labels, class_names),
    }


def _decoded(
    images: ImageSet, size: int, channels: int, attempt: Attempt, progress: Progress | None
) -> tuple[_Good, list[dict[str, str]]]:
    """Decode every image into the rows of `attempt`; the decoded ones in their order, and those
    that could not be decoded, by name."""
    good, bad = _Good(), []
    for each, got in decode_all(images, size, channels, progress, attempt):
        if got.reason:
            bad.append({"path": printable(each.name), "reason": got.reason})
        else:
            good.found.append(each)
            good.files.append(got.file)
            good.pixels.append(got.digest)
            good.tally.add(got.traits)
    return good, sorted(bad, key=lambda each: each["path"])


def _sides(
    images: ImageSet, good: _Good, labels: list[int], holdout: float
) -> tuple[np.ndarray, np.ndarray, list[dict[str, str]]]:
    """Rows for training and rows held out, and the held-out images of a given split that are left
    out, since they are trained on."""
    keys = keys_of(good.files, good.pixels)
    if images.held is None:
        return *split_by_content(keys, labels, holdout), []
    held = [each.name in images.held for each in good.found]
    train, test = split_as_given(keys, labels, held)
    test, known = without_trained(train, test, good.pixels)
    if not len(train) or not len(test):
        side = "training" if not len(train) else "held-out"
        rest = f" that is not trained on too ({len(known)} are)" if known else ""
        raise UserError(f"{images.spec}: no image of its {side} part can be decoded{rest}")
    names = [printable(each.name) for each in good.found]
    reasons = [
        {"path": names[row], "reason": f"held out, with the pixels of {names[other]}, trained on"}
        for row, other in known
    ]
    return train, test, sorted(reasons, key=lambda each: each["path"])


def _blocks(rows: np.ndarray, order: np.ndarray, progress: Progress | None) -> Iterator[np.ndarray]:
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        yield rows[block]
        if progress is not None:
            progress("writing", start + len(block), len(order))


def _require_two(images: ImageSet, pixels: list[bytes], bad: list[dict[str, str]]) -> None:
    if len(set(pixels)) < 2:
        first = f"; first bad one: {bad[0]['path']}: {bad[0]['reason']}" if bad else ""
        raise UserError(
            f"{images.spec}: {len(set(pixels))} different images can be decoded out of "
            f"{len(images.found)} files, and a split needs 2{first}"
        )
