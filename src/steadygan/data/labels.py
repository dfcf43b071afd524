"""`dataset.json`, the labels of a folder or zip as StyleGAN's tools write them.

`{"labels": [["00000/img00000000.png", 6], ...]}`, or `{"labels": null}` for images without. The
folders beside it are then shards, not classes. Karras et al., github.com/NVlabs/stylegan3,
dataset_tool.py; a label is a whole number from 0 on, vectors are not read.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from steadygan.data.scan import SPLIT, Found, given_split, printable
from steadygan.errors import UserError

LABELS = "dataset.json"
MAX_BYTES = 2**26  # of the file; that of a million images has some 35 MB


class Arranged(NamedTuple):
    """Images with their class, the names of those held out where the split is given, the classes in
    their order where that is not the sorted labels, and notes."""

    found: list[Found]
    held: frozenset[str] | None
    class_names: tuple[str, ...] | None
    notes: tuple[str, ...] = ()


def parse_labels(data: bytes, where: str) -> dict[str, int] | None:
    """The label of each path in a dataset.json, empty where it says there are none; none where it
    has no `labels`, so is a file of another program. Raises UserError for one that is damaged."""
    if len(data) > MAX_BYTES:
        raise UserError(f"{where}: {LABELS} has over {MAX_BYTES:,} bytes; no such file is read")
    try:
        record = json.loads(data)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{where}: {LABELS} is no JSON ({reason}); mend it or move it away"
        ) from None
    if not isinstance(record, dict) or "labels" not in record:
        return None
    entries, labels = record["labels"] or [], {}
    if not isinstance(entries, list):
        raise UserError(f"{where}: {LABELS}: its labels is no list; mend it or move it away")
    for number, each in enumerate(entries):
        match each:
            case [str(path), int(label)] if label >= 0 and not isinstance(label, bool):
                labels[path] = label
            case _:
                raise UserError(
                    f"{where}: {LABELS}: entry {number} of labels, {str(each)[:80]}, is no "
                    "[path, whole number]; mend it or move it away"
                )
    return labels


def arranged(found: list[Found], labels: dict[str, int] | None, where: str) -> Arranged:
    """`found` with the classes of `labels` (by name), or else of the folders; where the first-level
    folders are `train` and `test`, they are the split.

    An image that is not in `labels` has no class. Raises UserError as `given_split`.
    """
    if labels is None:
        return Arranged(*given_split(found, where), None)
    held = None
    if {each.label for each in found} == SPLIT:
        held = frozenset(each.name for each in found if each.label == "test")
    values = {each.name: labels.get(each.name) for each in found}
    names = tuple(str(value) for value in sorted({v for v in values.values() if v is not None}))
    if labels and not names:
        raise UserError(
            f"{where}: {LABELS} names none of its images (first: {printable(next(iter(labels)))}); "
            "mend it or move it away"
        )
    relabelled = [
        each._replace(label=None if values[each.name] is None else str(values[each.name]))
        for each in found
    ]
    notes = [f"labels are those of {LABELS}, not the folders" if names else
             f"{LABELS} says that there are no labels"]  # fmt: skip
    if away := len(labels) - sum(value is not None for value in values.values()):
        notes.append(f"{LABELS} has labels for {away:,} images that are not there")
    return Arranged(relabelled, held, names or None, tuple(notes))
