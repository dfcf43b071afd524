"""A data card: what a built set holds, where it is from, under which licence."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steadygan.data.scan import BUILT, CARD, SHEET

if TYPE_CHECKING:
    from steadygan.data.build.folder import Made

UNSTATED = "not stated"
_LISTED = 50  # classes and files in card.md; card.json has all


def write_card(home: Path, name: str, source: str, made: Made) -> None:
    """Write card.json and card.md into `home`."""
    facts = card_facts(name, source, made)
    for file, text in ((CARD, json.dumps(facts, indent=1, ensure_ascii=False)),
                       ("card.md", card_text(facts))):  # fmt: skip
        with open(home / file, "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())


def card_facts(name: str, source: str, made: Made) -> dict[str, Any]:
    """The card as plain JSON values."""
    classes = {each: {"train": 0, "test": 0} for each in made.class_names}
    parts = {"train": 0, "test": 0}
    for _, label, part in made.kept:
        parts[part] += 1
        if label is not None:
            classes[label][part] += 1
    sums = [sum(each.values()) for each in classes.values()]
    options = dataclasses.asdict(made.options)
    licence = options.pop("licence")
    return {
        "kind": BUILT,
        "version": 1,
        "name": name,
        "source": source,
        "made": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "licence": licence or UNSTATED,
        "options": options,
        "files_found": made.found,
        "left_out": len(made.bad),
        "near_duplicates_removed": len(made.pairs),
        "images": len(made.kept),
        **parts,
        "size": options["size"],
        "channels": 1 if options["grey"] else 3,
        "classes": classes,
        "balance": {"smallest": min(sums), "largest": max(sums)} if sums else None,
        "sha256": made.sha256,
        "quarantine": made.bad,
        "notes": made.notes,
        "duplicates": [
            {"kept": kept, "removed": removed, "rms": round(pair.rms, 2)}
            for kept, removed, pair in made.pairs
        ],
    }


def card_text(facts: dict[str, Any]) -> str:
    """The card as Markdown."""
    options = facts["options"]
    shape = "filled up to a square" if options["pad"] else "cropped to the centre square"
    trimmed = "empty margins cut off, " if options["trim"] else ""
    colour = "grey" if options["grey"] else "colour"
    lines = [
        f"# {safe(facts['name'])}",
        "",
        f"{facts['images']:,} images of {facts['size']} x {facts['size']} pixels in {colour}; "
        f"{facts['train']:,} to train on (`train/`), {facts['test']:,} held out (`test/`).",
        "",
        f"- Licence: {safe(facts['licence'])}",
        f"- Made from: {safe(facts['source'])}, {facts['files_found']:,} files, {facts['made']}",
        f"- Pictures: {trimmed}{shape}",
        f"- Left out: {facts['left_out']:,}",
        *(f"- Note: {safe(note)}" for note in facts["notes"]),
        f"- Near duplicates removed: {facts['near_duplicates_removed']:,} (`duplicates.csv`)",
        f"- SHA-256 of names and pixels: `{facts['sha256']}`",
        "",
        f"![contact sheet]({SHEET})",
    ]
    if facts["classes"]:
        balance = facts["balance"]
        lines += ["", f"{len(facts['classes']):,} classes, of {balance['smallest']:,} to "
                      f"{balance['largest']:,} images:", "",
                  "| class | train | test |", "|---|---|---|"]  # fmt: skip
        rows = sorted(facts["classes"].items(), key=lambda item: -sum(item[1].values()))
        lines += [f"| {safe(n)} | {c['train']:,} | {c['test']:,} |" for n, c in rows[:_LISTED]]
        lines += [f"| and {len(rows) - _LISTED:,} more | | |"] * (len(rows) > _LISTED)
    if facts["quarantine"]:
        lines += ["", "Left out:", ""]
        bad = facts["quarantine"]
        lines += [f"- {safe(b['path'])}: {safe(b['reason'])}" for b in bad[:_LISTED]]
        lines += [f"- and {len(bad) - _LISTED:,} more, in card.json"] * (len(bad) > _LISTED)
    return "\n".join(lines)


def safe(text: str) -> str:
    """A name as one line of Markdown, its special characters escaped."""
    return re.sub(r"([\\`*_{}\[\]<>#|!&])", r"\\\1", " ".join(text.split()))
