"""An opened data set: two splits, a shape, a fingerprint, and its settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from steadygan.data.mapped import Items, between

Progress = Callable[[str, int, int | None], None]
"""Called as `progress(phase, done, total)` from the calling thread, `phase` such as "decoding" and
`total` none where it is not known yet."""


def _digit(value: object) -> object:
    """Text from the command line as the number it names: pydantic does not parse a Literal from
    text."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


class DataSettings(BaseModel):
    """Every `key=value` setting of the data.

    `size`: side of the square images in pixels, 8 to 512; none keeps the source's own (28 for the
    digits and garments, 64 for a folder). `channels`: 1 is grey (BT.601 luma of colour), 3 is
    colour (grey repeated); none keeps the source's own (1 for IDX, 3 for a folder). `flip`: the
    training loop mirrors half of its images. `holdout`: share of a folder that training never sees,
    between 0 and 1. `allow_bad`: continue where more than 1 % of a folder cannot be decoded.
    `attribute`: which CelebA attribute is the class, such as Smiling; none for no labels.

    Raises pydantic's ValidationError for an unknown key or a value out of range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int | None = Field(default=None, ge=8, le=512)
    channels: Annotated[Literal[1, 3] | None, BeforeValidator(_digit)] = None
    flip: bool = False
    holdout: float = Field(default=0.1, gt=0, lt=1)
    allow_bad: bool = False
    attribute: str | None = None


@dataclass(frozen=True)
class Split:
    """One side of a data set.

    `items`: memory-mapped read-only uint8 (N, C, H, W) in 0..255, or float32 (N, 2) points; index
    it for arrays, which of large sets compares what it reads with its digests.
    `labels`: int64 (N,), an index into the class names, or none.
    """

    items: Items
    labels: np.ndarray | None

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True)
class Dataset:
    """An opened source with its fixed split; `test` is held out and training never sees it.

    `spec` is the requested source, its path made absolute. `shape` is that of one item, (C, H, W)
    or (2,). `fingerprint` is a hex sha256 over pixels, labels, class names and the split, so it
    changes with content, size and channels, not with a file's path or time. `quarantine` holds
    `{"path", "reason"}` of each file left out, and `notes` what else is reported about reading the
    files, a line each. `settings` has size and channels filled in. `writers`: who wrote each item
    of handwriting, int64 (N,) into `writer_names`, those of `train` first; none where that is not
    known. `largest`: the longer side of the largest image file in pixels; 0 where it is not known.
    """

    name: str
    spec: str
    shape: tuple[int, ...]
    train: Split
    test: Split
    class_names: tuple[str, ...] | None
    fingerprint: str
    settings: DataSettings
    quarantine: tuple[dict[str, str], ...] = field(default=())
    notes: tuple[str, ...] = ()
    writers: np.ndarray | None = None
    writer_names: tuple[str, ...] | None = None
    largest: int = 0

    @property
    def classes(self) -> int:
        """How many classes the items have; 0 where they have no labels."""
        return len(self.class_names or ())

    def describe(self) -> dict:
        """What a run records of its data, as plain JSON values, without the quarantine."""
        return {
            "name": self.name,
            "spec": self.spec,
            "fingerprint": self.fingerprint,
            "shape": list(self.shape),
            "train": len(self.train),
            "test": len(self.test),
            "class_names": None if self.class_names is None else list(self.class_names),
            "settings": self.settings.model_dump(),
            "notes": list(self.notes),
        }


def fingerprint(
    items_sha256: str,
    shape: Sequence[int],
    train: int,
    labels: np.ndarray | None,
    class_names: Sequence[str] | None,
) -> str:
    """Hex sha256 of a whole data set: `items_sha256` is that of all rows (shape `shape`, the
    first `train` of them for training), `labels` int64 of all rows, in the same order."""
    facts = {
        "items": items_sha256,
        "shape": list(shape),
        "train": train,
        "labels": None
        if labels is None
        else hashlib.sha256(np.ascontiguousarray(labels, dtype="<i8").data).hexdigest(),
        "class_names": None if class_names is None else list(class_names),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def from_rows(
    name: str,
    spec: str,
    items: Items,
    labels: np.ndarray | None,
    facts: dict,
    settings: DataSettings,
) -> Dataset:
    """A Dataset of rows whose first `facts["train"]` are for training; for images, (N, C, H, W),
    size and channels are filled in."""
    train = facts["train"]
    if items.ndim == 4:
        size, channels = items.shape[2], items.shape[1]
        settings = settings.model_copy(update={"size": size, "channels": channels})
    names = facts["class_names"]
    return Dataset(
        name=name,
        spec=spec,
        shape=tuple(items.shape[1:]),
        train=Split(between(items, 0, train), None if labels is None else labels[:train]),
        test=Split(between(items, train), None if labels is None else labels[train:]),
        class_names=None if names is None else tuple(names),
        fingerprint=facts["fingerprint"],
        settings=settings,
        quarantine=tuple(facts["quarantine"]),
        notes=tuple(facts.get("notes", ())),
        largest=facts.get("largest", 0),
    )
