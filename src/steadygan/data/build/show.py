"""What a data set looks like: counts, sizes, fingerprint, duplicates and a contact sheet."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from steadygan.data.build.duplicates import near_duplicates, thumb
from steadygan.data.build.sheet import chosen_rows, contact_sheet, save_sheet
from steadygan.data.dataset import Dataset, Progress
from steadygan.errors import UserError

MOST = 20_000  # images among which near duplicates are searched
_SHOWN = 30  # classes listed


def facts_of(data: Dataset, progress: Progress | None = None) -> dict[str, Any]:
    """Counts, sizes, fingerprint and duplicates of an opened data set, as plain JSON values."""
    parts = {"train": data.train, "test": data.test}
    facts = {**data.describe(), "bytes": sum(part.items.nbytes for part in parts.values())}
    if data.class_names is not None:
        counts = {
            name: np.bincount(labels, minlength=data.classes).tolist()
            for name, part in parts.items()
            if (labels := part.labels) is not None  # always, where there are classes
        }
        facts["counts"] = {
            name: {"train": counts["train"][index], "test": counts["test"][index]}
            for index, name in enumerate(data.class_names)
        }
    facts["quarantine"] = list(data.quarantine)
    if len(data.shape) == 3:
        facts["duplicates"] = _duplicates(data, progress)
    return facts


def _duplicates(data: Dataset, progress: Progress | None) -> dict[str, int]:
    """Counts of images with the pixels of another, also across the split, and of near duplicates
    among at most MOST evenly spread ones."""
    total = len(data.train) + len(data.test)
    looked = np.linspace(0, total - 1, min(total, MOST)).astype(int)
    near = set(looked.tolist())
    thumbs, digests = [], []
    for row in range(total):
        part, at = (
            (data.train, row) if row < len(data.train) else (data.test, row - len(data.train))
        )
        pixels = np.asarray(part.items[at])
        digests.append(hashlib.blake2b(pixels.tobytes(), digest_size=16).digest())
        if row in near:
            thumbs.append(thumb(pixels))
        if progress is not None and (row % 1000 == 999 or row == total - 1):
            progress("comparing", row + 1, total)
    train = set(digests[: len(data.train)])
    return {
        "equal": total - len(set(digests)),
        "test_in_train": sum(digest in train for digest in digests[len(data.train) :]),
        "near": len(near_duplicates(np.stack(thumbs), progress)),
        "looked_at": len(looked),
    }


def write_sheet(data: Dataset, path: Path) -> list[str]:
    """Write the contact sheet of the training part as a PNG; the class of each row, or nothing.

    Raises UserError for points, and for a path that cannot be written.
    """
    if len(data.shape) != 3:
        raise UserError(f"{data.spec} holds points, not images: there is no contact sheet of it")
    rows = chosen_rows(data.train.labels, len(data.train))
    save_sheet(contact_sheet([[data.train.items[i] for i in row] for row in rows]), path)
    if data.class_names is None:
        return []
    assert data.train.labels is not None  # classes are those of labels
    return [data.class_names[data.train.labels[row[0]]] for row in rows]


def in_words(facts: dict[str, Any]) -> str:
    """Facts as lines for the terminal."""
    shape = " x ".join(str(side) for side in facts["shape"])
    lines = [
        f"data         {facts['spec']}",
        f"images       {facts['train']:,} to train on, {facts['test']:,} held out",
        f"each         {shape} ({facts['bytes'] / 1e6:,.1f} MB in all)",
        f"fingerprint  {facts['fingerprint']}",
        f"left out     {len(facts['quarantine']):,} files",
    ]
    lines += [f"note         {note}" for note in facts["notes"]]
    if found := facts.get("duplicates"):
        lines.append(
            f"duplicates   {found['equal']:,} equal to another, {found['test_in_train']:,} held "
            f"out but trained on, {found['near']:,} nearly equal among {found['looked_at']:,}"
        )
    counts = facts.get("counts")
    if not counts:
        return "\n".join([*lines, "classes      none"])
    sums = {name: sum(parts.values()) for name, parts in counts.items()}
    ordered = sorted(sums, key=lambda name: -sums[name])
    least, most = sums[ordered[-1]], sums[ordered[0]]
    lines.append(f"classes      {len(sums):,}, of {least:,} to {most:,} images")
    lines += [
        f"  {counts[name]['train']:>8,} + {counts[name]['test']:<7,} {name}"
        for name in ordered[:_SHOWN]
    ]
    if len(sums) > _SHOWN:
        lines.append(f"  and {len(sums) - _SHOWN:,} more; --json lists all")
    return "\n".join(lines)
