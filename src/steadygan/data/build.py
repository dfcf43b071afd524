"""A data set of one's own out of a folder of pictures: cleaned, made square, split, described.

OUT holds `train/` and `test/` with a folder a class (which `folder:OUT` and other programs read),
`card.md`, `card.json`, `duplicates.csv` and `contact-sheet.png`. It appears when it is whole.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from steadygan.data.card import write_card
from steadygan.data.dataset import Progress
from steadygan.data.duplicates import Pair, near_duplicates, thumb
from steadygan.data.folder import read_file
from steadygan.data.images import RESAMPLE, BadImage, picture
from steadygan.data.imageset import ImageSet, decode_all, split_as_given, split_by_content
from steadygan.data.scan import SHEET, Found, given_split, printable, scan
from steadygan.data.sheet import chosen_rows, contact_sheet
from steadygan.errors import UserError

SPLIT = 0.9
MARGIN = 1 / 32  # of the longer side, left about a trimmed picture
EMPTY = 16  # of 255: what differs less from the background is background


@dataclass(frozen=True)
class Options:
    """`size`: side of the images, 8 to 512. `grey`: one channel. `trim`: cut empty margins off.
    `dedupe`: remove near duplicates. `pad`: fill up to a square with the background; crop the
    centre square otherwise. `split`: share to train on; none for that of the source, or 0.9.
    `licence`: of the pictures, as the card states it."""

    size: int = 64
    grey: bool = False
    trim: bool = False
    dedupe: bool = False
    pad: bool = True
    split: float | None = None
    licence: str | None = None


@dataclass
class Made:
    """What a build made. `kept`: the images, by the name they have in OUT, with class and part."""

    options: Options
    found: int = 0
    bad: list[dict[str, str]] = field(default_factory=list)
    pairs: list[tuple[str, str, Pair]] = field(default_factory=list)
    kept: list[tuple[str, str | None, str]] = field(default_factory=list)
    class_names: list[str] = field(default_factory=list)
    sha256: str = ""


def build_folder(
    source: Path, out: Path, options: Options = Options(), progress: Progress | None = None
) -> Made:
    """Make a data set of the pictures under `source` in the new folder `out`.

    Files that cannot be decoded are left out and listed. Classes are the first-level subfolders;
    where those are `train` and `test`, they are the split. Raises UserError for settings out of
    range, an `out` that is there, fewer than two different pictures, and a disk that is full.
    """
    _require(options, source, out)
    spec = f"folder:{source}"
    found, held = given_split(scan(source), spec)
    if held is not None and options.split is not None:
        raise UserError(f"--split: {source} has train/ and test/ of its own; leave it out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{out.name}-building-", dir=out.parent))
        try:
            made = _build(source, spec, found, held, building, options, progress)
            write_card(building, out.name, source.name, made)
            umask = os.umask(0)
            os.umask(umask)
            building.chmod(0o777 & ~umask)  # mkdtemp's are for their owner alone
            os.rename(building, out)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}") from error
    return made


def _require(options: Options, source: Path, out: Path) -> None:
    if not 8 <= options.size <= 512:
        raise UserError(f"--size {options.size}: wants 8 to 512")
    if options.split is not None and not 0 < options.split < 1:
        raise UserError(f"--split {options.split}: wants a share to train on, between 0 and 1")
    if os.path.lexists(out):
        raise UserError(f"{out} is there already; give the name of a new folder")
    inside = out.absolute().parent.resolve()
    if source.resolve() in (inside, *inside.parents):
        raise UserError(f"{out} lies inside {source}; give a folder elsewhere")


def _build(
    source: Path,
    spec: str,
    found: list[Found],
    held: frozenset[str] | None,
    home: Path,
    options: Options,
    progress: Progress | None,
) -> Made:
    made = Made(options, len(found))
    staged = home / "staged"
    staged.mkdir()
    good, digests, thumbs = [], [], []
    # The larger file of two that are alike is kept.
    found = sorted(found, key=lambda each: (-(each.stamp or (0,))[0], each.name))
    for each, pixels in _prepared(source, spec, found, options, made, progress):
        _image(pixels).save(staged / f"{len(good)}.png", "PNG")
        good.append(each)
        digests.append(hashlib.sha256(pixels.tobytes()).digest())
        thumbs += [thumb(pixels)] if options.dedupe else []
    made.bad.sort(key=lambda each: each["path"])
    pairs = near_duplicates(np.stack(thumbs)) if thumbs else []
    gone = {pair.other for pair in pairs}
    names = [printable(each.name) for each in good]
    made.pairs = [(names[pair.kept], names[pair.other], pair) for pair in pairs]
    rows = [row for row in range(len(good)) if row not in gone]
    if len({digests[row] for row in rows}) < 2:
        reason = (
            f"; first bad one: {made.bad[0]['path']}: {made.bad[0]['reason']}" if made.bad else ""
        )
        raise UserError(f"{spec}: fewer than two different pictures are left{reason}")
    _place(home, staged, [good[r] for r in rows], [digests[r] for r in rows], rows, held, made)
    _write_pairs(home / "duplicates.csv", made)
    shutil.rmtree(staged)
    return made


def _prepared(
    source: Path,
    spec: str,
    found: list[Found],
    options: Options,
    made: Made,
    progress: Progress | None,
) -> Iterator[tuple[Found, np.ndarray]]:
    """Each picture that can be decoded, trimmed, squared and resized; the others into made.bad."""

    def ready(data: bytes, size: int, channels: int, large: bool) -> np.ndarray:
        with picture(data, large) as image:
            return squared(image, size, channels, options)

    def read(each: Found) -> bytes:
        return read_file(source / each.name, each.stamp)

    images = ImageSet(spec, found, read, ready)
    channels = 1 if options.grey else 3
    for each, (_, pixels, reason) in decode_all(images, options.size, channels, progress):
        if pixels is None:
            made.bad.append({"path": printable(each.name), "reason": reason})
        else:
            yield each, pixels


def squared(image: Image.Image, size: int, channels: int, options: Options) -> np.ndarray:
    """An opaque 8-bit picture as uint8 (channels, size, size). Raises BadImage for one that is
    empty, where it is to be trimmed."""
    image = image.convert("L" if channels == 1 else "RGB")
    ground = background(image)
    if options.trim:
        image = trimmed(image, ground)
    width, height = image.size
    side = max(width, height) if options.pad else min(width, height)
    if width != height:
        square = Image.new(image.mode, (side, side), ground)
        square.paste(image, ((side - width) // 2, (side - height) // 2))
        image = square
    pixels = np.asarray(image.resize((size, size), RESAMPLE))
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def background(image: Image.Image) -> int | tuple[int, ...]:
    """The median colour of a picture's outermost pixels, channel by channel."""
    pixels = np.asarray(image)
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    ground = np.median(edges, axis=0).astype(int)
    return int(ground) if ground.ndim == 0 else tuple(ground.tolist())


def trimmed(image: Image.Image, ground: int | tuple[int, ...]) -> Image.Image:
    """A picture without its margins of background, but for 1/32 of the longer side about it.

    Raises BadImage where there is nothing but background.
    """
    difference = np.abs(np.asarray(image).astype(int) - np.array(ground))
    ink = difference > EMPTY if difference.ndim == 2 else (difference > EMPTY).any(axis=2)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        raise BadImage("nothing but its background")
    left, right, top, bottom = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
    margin = -int(-max(right - left, bottom - top) * MARGIN // 1)
    box = (left - margin, top - margin, right + margin, bottom + margin)
    about = Image.new(image.mode, (int(box[2] - box[0]), int(box[3] - box[1])), ground)
    about.paste(image.crop(tuple(map(int, (left, top, right, bottom)))), (margin, margin))
    return about


def _place(
    home: Path,
    staged: Path,
    good: list[Found],
    digests: list[bytes],
    rows: list[int],
    held: frozenset[str] | None,
    made: Made,
) -> None:
    """Move the staged images to train/ and test/, and draw the contact sheet."""
    names = sorted({each.label for each in good if each.label is not None})
    position = {name: index for index, name in enumerate(names)}
    made.class_names = [printable(name) for name in names]
    labels = [position.get(each.label, 0) for each in good]
    if held is None:
        share = 1 - (made.options.split or SPLIT)
        train, test = split_by_content(digests, labels, share)
    else:
        train, test = split_as_given(digests, labels, [each.name in held for each in good])
        if not len(train) or not len(test):
            raise UserError("no picture is left of train/ or of test/; mend them")
    taken: set[str] = set()
    whole = hashlib.sha256()
    for part, chosen in (("train", train), ("test", test)):
        for index in sorted(chosen.tolist(), key=lambda index: good[index].name):
            each = good[index]
            name = _free(f"{part}/{_below(each, held is not None)}", taken)
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            os.rename(staged / f"{rows[index]}.png", home / name)
            label = None if each.label is None else printable(each.label)
            made.kept.append((name, label, part))
            whole.update(f"{name}\0".encode() + digests[index])
    made.sha256 = whole.hexdigest()
    _draw_sheet(home, made)


def _below(each: Found, parted: bool) -> str:
    """The path of an image below its part: without the part's folder, printable, without suffix."""
    name = each.name.split("/", 1)[1] if parted else each.name
    return os.path.splitext(printable(name))[0]


def _free(stem: str, taken: set[str]) -> str:
    """`stem.png`, or the first of `stem-2.png` ... that no image has: x.jpg and x.png are two."""
    number = 1
    name = f"{stem}.png"
    while name.casefold() in taken:
        number += 1
        name = f"{stem}-{number}.png"
    taken.add(name.casefold())
    return name


def _draw_sheet(home: Path, made: Made) -> None:
    train = [(name, label) for name, label, part in made.kept if part == "train"]
    labels = None
    if made.class_names:
        labels = np.array([made.class_names.index(label) for _, label in train])
    rows = chosen_rows(labels, len(train))
    pixels = [[_pixels(home / train[i][0]) for i in row] for row in rows]
    contact_sheet(pixels).save(home / SHEET, "PNG")


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def _write_pairs(path: Path, made: Made) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["kept", "removed", "RMS difference of 255"])
        for kept, removed, pair in made.pairs:
            writer.writerow([kept, removed, f"{pair.rms:.2f}"])
