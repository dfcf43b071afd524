"""`steadygan data build hanzi`: draws a set of handwritten characters into a folder of its own."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from steadygan.data.build.brush import draw, outline
from steadygan.data.cache import write_rows
from steadygan.data.dataset import Progress, fingerprint
from steadygan.data.sources.hanzi import FORMAT, RECORD, writers_of
from steadygan.data.sources.hanzi_strokes import (
    LICENCE,
    Character,
    gb2312_level_1,
    read_characters,
    require_package,
)
from steadygan.errors import UserError
from steadygan.files import new_folder

CLASSES, WRITERS, SIZE = 3740, 60, 28
HELD_OUT = 0.1  # of the writers
_BLOCK = 32  # writers drawn at a time: what they need stays in the processor's cache
_SHEET = 24  # characters and writers on the contact sheet, at most


def chosen_characters(classes: int = CLASSES, characters: str | None = None) -> tuple[str, ...]:
    """The classes of a set: the first `classes` of GB2312 level 1, or those of a text, each once,
    in its order. Raises UserError for less than one class or more than there are."""
    if characters is not None:
        names = tuple(dict.fromkeys(each for each in characters if not each.isspace()))
        if not names:
            raise UserError("--characters: no character in it")
        return names
    level = gb2312_level_1()
    if not 1 <= classes <= len(level):
        raise UserError(f"--classes {classes}: wants 1 to {len(level):,} (GB2312 level 1)")
    return level[:classes]


def build_hanzi(
    package: Path,
    out: Path,
    *,
    classes: int = CLASSES,
    characters: str | None = None,
    writers: int = WRITERS,
    size: int = SIZE,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Draw every class by every writer into the new folder `out`, renamed into place when complete.

    `package` is the unpacked npm package. The last tenth of the writers (one at least) is held out.
    An image depends on seed, character, writer and size only. Raises UserError for an existing
    `out`, a folder that is not the package, and arguments out of range.
    """
    if not 2 <= writers <= 100_000:
        raise UserError(f"--writers {writers}: wants 2 to 100,000, one of them held out")
    if not 8 <= size <= 512:
        raise UserError(f"--size {size}: wants 8 to 512")
    if not 0 <= seed < 2**63:
        raise UserError(f"--seed {seed}: wants 0 or more")
    names = chosen_characters(classes, characters)
    require_package(package)
    if out.exists():
        raise UserError(f"{out} is there already; give the name of a new folder")
    found, strokes_sha256 = read_characters(package, names)
    with new_folder(out) as building:
        facts = _draw_all(found, building, writers, size, seed, progress)
        facts |= _origin(package, strokes_sha256)
        shutil.copyfile(package / LICENCE, building / LICENCE)
        text = json.dumps(facts, ensure_ascii=False, indent=1)
        (building / RECORD).write_text(text + "\n", encoding="utf-8")
    return out


def _draw_all(
    found: Sequence[Character],
    folder: Path,
    writers: int,
    size: int,
    seed: int,
    progress: Progress | None,
) -> dict:
    """Write images, labels, writers and the sheet; the facts of the set."""
    held = max(1, round(HELD_OUT * writers))
    parts = (np.arange(writers - held), np.arange(writers - held, writers))
    shapes = [outline(each) for each in found]
    total = len(found) * writers
    sheet: dict[tuple[int, int], np.ndarray] = {}

    def blocks() -> Iterator[np.ndarray]:
        done = 0
        for part in parts:
            for at, shape in enumerate(shapes):
                for start in range(0, len(part), _BLOCK):
                    hands = part[start : start + _BLOCK]
                    images = draw(shape, hands, size, seed)
                    if at < _SHEET:
                        kept = zip(hands[:_SHEET].tolist(), images, strict=False)
                        sheet.update({(hand, at): image for hand, image in kept if hand < _SHEET})
                    yield images[:, None]
                    done += len(hands)
                    if progress is not None:
                        progress("drawing", done, total)

    digest = write_rows(folder / "images.npy", (total, 1, size, size), blocks())
    order = np.arange(len(found), dtype=np.int64)
    labels = np.concatenate([np.repeat(order, len(part)) for part in parts])
    np.save(folder / "labels.npy", labels)
    np.save(folder / "writers.npy", writers_of(len(found), writers, held))
    across, down = min(len(found), _SHEET), min(writers, _SHEET)
    rows = [np.hstack([sheet[hand, at] for at in range(across)]) for hand in range(down)]
    Image.fromarray(np.vstack(rows)).save(folder / "sheet.png")
    names = [each.name for each in found]
    train = len(found) * len(parts[0])
    return {
        "format": FORMAT,
        "fingerprint": fingerprint(digest, (1, size, size), train, labels, names),
        "size": size,
        "writers": writers,
        "held_out_writers": held,
        "train": train,
        "seed": seed,
        "classes": names,
    }


def _origin(package: Path, strokes_sha256: str) -> dict:
    """Where the strokes come from, and the notice that their licence requires."""
    try:
        version = json.loads((package / "package.json").read_bytes())["version"]
    except (OSError, ValueError, LookupError, TypeError):
        version = "unknown"
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    return {
        "source": f"npm hanzi-writer-data {version} (Make Me a Hanzi, from fonts by Arphic)",
        "strokes_sha256": strokes_sha256,
        "licence": f"Arphic Public License: {LICENCE}, which goes with every copy",
        "notice": f"changed on {today}: stroke medians drawn as handwriting by steadygan",
    }
