"""Image sets of the Hugging Face hub, by `datasets`, which downloads and caches them.

Its own cache and environment variables apply: with HF_DATASETS_OFFLINE=1 only data fetched before
can be opened.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from steadygan.data.dataset import Dataset, DataSettings, Progress
from steadygan.data.decoding import ImageSet
from steadygan.data.images import MAX_BYTES, BadImage
from steadygan.data.scan import Found
from steadygan.data.sources.imageset import open_images
from steadygan.errors import UserError

OLDEST = 4  # older ones run a Python script that comes with the data
_NAME = re.compile(r"[\w.-]+/[\w.-]+(@[\w.-]+)?")
HELD_OUT = ("test", "validation", "valid")


def open_hub(name: str | None, settings: DataSettings, progress: Progress | None) -> Dataset:
    """The images of OWNER/NAME, or of its configuration in OWNER/NAME@CONFIG.

    The first column of images is taken, and the first of class labels, if there is one. The hub's
    `train` is trained on and its `test` (or `validation`) held out where both are there; a single
    part is split by content. Raises UserError without the extra `hub`, for a name of another form,
    for what cannot be fetched, for a set without images, and as `open_images` does.
    """
    if name is None or not _NAME.fullmatch(name):
        raise UserError(f"--data hub:{name or ''}: write it as hub:OWNER/NAME or OWNER/NAME@CONFIG")
    spec = f"hub:{name}"
    datasets = _library(spec)
    parts = _parts(_loaded(datasets, name, spec), spec)
    first = next(iter(parts.values()))
    column = _column(datasets.Image, first.features)
    if column is None:
        raise UserError(f"{spec}: no column of images; it has {', '.join(first.features)}")
    label = _column(datasets.ClassLabel, first.features)
    names = tuple(first.features[label].names) if label else None
    found, rows = [], {}
    for part, table in parts.items():
        # Undecoded, so that our limits apply before any decoder runs.
        table = table.select_columns([column, label] if label else [column])
        table = table.cast_column(column, datasets.Image(decode=False))
        for number, index in enumerate(_indices(table, label)):
            each = Found(f"{part}/{number}", names[index] if names and index >= 0 else None, ())
            found.append(each)
            rows[each.name] = (table, number)

    def read(each: Found) -> bytes:
        if names and each.label is None:
            raise BadImage("has no class label")
        table, number = rows[each.name]
        return _bytes(table[number][column])

    held = None
    if len(parts) > 1:
        held = frozenset(each.name for each in found if not each.name.startswith("train/"))
    images = ImageSet(spec, found, read, held=held, class_names=names)
    facts = {part: [table._fingerprint, len(table)] for part, table in parts.items()}
    content = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return open_images(spec, lambda: images, {"name": name}, content, settings, progress)


def _library(spec: str) -> ModuleType:
    try:
        import datasets
    except ImportError:
        raise UserError(f"--data {spec} wants the extra: pip install 'steadygan[hub]'") from None
    if int(datasets.__version__.partition(".")[0]) < OLDEST:
        raise UserError(
            f"--data {spec}: datasets {datasets.__version__} runs programs that come with data; "
            f"pip install 'datasets>={OLDEST}'"
        )
    return datasets


def _loaded(datasets: ModuleType, name: str, spec: str) -> Any:
    path, _, config = name.partition("@")
    if Path(path).exists():  # which `datasets` would take instead
        raise UserError(f"{spec}: a local folder {path} stands in its way; run elsewhere")
    try:
        return datasets.load_dataset(path, config or None)
    except (OSError, ValueError, LookupError, RuntimeError, ArithmeticError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"{spec} cannot be had: {type(error).__name__}: {reason}; fetch it once with a "
            "network, and HF_DATASETS_OFFLINE=1 opens it from the cache"
        ) from error


def _parts(loaded: Any, spec: str) -> dict[str, Any]:
    """The part to train on, first, and the one to hold out, if there is one."""
    parts = {name: loaded[name] for name in loaded}
    train = "train" if "train" in parts else next(iter(parts), None)
    if train is None or not len(parts[train]):
        raise UserError(f"{spec}: it has no rows")
    held = next((name for name in HELD_OUT if name in parts and name != train), None)
    chosen = {"train": parts[train]}
    return chosen if held is None else {**chosen, held: parts[held]}


def _column(kind: type, features: dict[str, Any]) -> str | None:
    return next((name for name, feature in features.items() if isinstance(feature, kind)), None)


def _indices(table: Any, label: str | None) -> Iterator[int]:
    if label is None:
        yield from [-1] * len(table)
        return
    for value in table[label]:
        yield -1 if value is None else int(value)


def _bytes(value: dict[str, Any] | None) -> bytes:
    """What an undecoded image holds: its bytes, or the file in the hub's cache that it names."""
    if not value or (value.get("bytes") is None and not value.get("path")):
        raise BadImage("no image in this row")
    if (data := value.get("bytes")) is None:
        try:
            path = Path(value["path"])
            if (size := path.stat().st_size) > MAX_BYTES:
                raise BadImage(f"{size:,} bytes are more than any image within the pixel limit")
            data = path.read_bytes()
        except OSError as error:
            raise BadImage(f"cannot be read: {error.strerror or error}") from error
    return data
