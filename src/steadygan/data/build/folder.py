"""Builds a data set from a folder of pictures: cleaned, made square, split, described.

OUT holds `train/` and `test/` with a folder a class (which `folder:OUT` and other programs read),
`card.md`, `card.json`, `duplicates.csv` and `contact-sheet.png`. It is renamed into place when
complete.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor

from steadygan.data.build.card import write_card
from steadygan.data.build.duplicates import Pair, near_duplicates, thumb
from steadygan.data.build.look import Suggestion, suggestions, unusual
from steadygan.data.build.sheet import chosen_rows, contact_sheet
from steadygan.data.dataset import Progress
from steadygan.data.decoding import ImageSet, decode_all
from steadygan.data.framing import is_even, squared
from steadygan.data.images import Traits, picture
from steadygan.data.scan import SHEET, Found, printable
from steadygan.data.sources.folder import images_under
from steadygan.data.split import split_as_given, split_by_content, without_trained
from steadygan.data.tally import Tally
from steadygan.errors import UserError
from steadygan.files import new_folder

SPLIT = 0.9
#: Images, evenly spread, that are looked at for what they would gain from and what is unusual.
MOST_LOOKED_AT = 20_000
#: uint8 (N, C, H, W) -> features (N, d).
Features = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Options:
    """`size`: side of the images, 8 to 512. `grey`: one channel. `trim`: cut empty margins off.
    `dedupe`: remove near duplicates. `pad`: pad to a square with the background; crop the centre
    square otherwise. `split`: share to train on; None for the source's own split, or 0.9.
    `licence`: of the pictures, as the card states it. `background`: the colour under transparent
    parts, as Pillow names colours."""

    size: int = 64
    grey: bool = False
    trim: bool = False
    dedupe: bool = False
    pad: bool = True
    split: float | None = None
    licence: str | None = None
    background: str = "white"


@dataclass
class Made:
    """What a build made. `kept`: the images, by the name they have in OUT, with class and part;
    `places`: their names by number among those that could be decoded. `notes`: what to report about
    the files, a line each. `advised`: flags that the images would gain from, with the reason.
    `unusual`: the images, by their name in OUT, that lie far from all others, the farthest first:
    the last row of the contact sheet.
    """

    options: Options
    found: int = 0
    bad: list[dict[str, str]] = field(default_factory=list)
    pairs: list[tuple[str, str, Pair]] = field(default_factory=list)
    kept: list[tuple[str, str | None, str]] = field(default_factory=list)
    class_names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    advised: list[Suggestion] = field(default_factory=list)
    unusual: list[str] = field(default_factory=list)
    places: dict[int, str] = field(default_factory=dict)
    sha256: str = ""


def build_folder(
    source: Path,
    out: Path,
    options: Options = Options(),
    progress: Progress | None = None,
    features: Features | None = None,
) -> Made:
    """Make a data set of the pictures under `source` in the new folder `out`. With `features`
    (uint8 (N, C, H, W) -> (N, d)) images that lie far from all others are pointed out.

    Files that cannot be decoded are left out and listed. Classes and a given split are found as in
    `open_folder`; held-out images of a given split that are also training images are left out.
    Raises UserError for settings out of range, an existing `out`, fewer than two different
    pictures, and a full disk.
    """
    _require(options, source, out)
    spec = f"folder:{source}"
    images, notes = images_under(source, spec, progress)
    images = replace(images, notes=(*images.notes, *notes))
    if images.held is not None and options.split is not None:
        raise UserError(f"--split: {source} has train/ and test/ of its own; leave it out")
    with new_folder(out) as building:
        made = _build(images, building, options, progress, features)
        write_card(building, out.name, source.name, made)
    return made


def _require(options: Options, source: Path, out: Path) -> None:
    if not 8 <= options.size <= 512:
        raise UserError(f"--size {options.size}: wants 8 to 512")
    if options.split is not None and not 0 < options.split < 1:
        raise UserError(f"--split {options.split}: wants a share to train on, between 0 and 1")
    try:
        ImageColor.getrgb(options.background)
    except ValueError:
        raise UserError(
            f"--background {options.background}: wants a colour such as black or '#808080'"
        ) from None
    if os.path.lexists(out):
        raise UserError(f"{out} is there already; give the name of a new folder")
    inside = out.absolute().parent.resolve()
    if source.resolve() in (inside, *inside.parents):
        raise UserError(f"{out} lies inside {source}; give a folder elsewhere")


def _build(
    images: ImageSet,
    home: Path,
    options: Options,
    progress: Progress | None,
    features: Features | None,
) -> Made:
    made = Made(options, len(images.found))
    staged = home / "staged"
    staged.mkdir()
    good: list[Found] = []
    digests: list[bytes] = []
    thumbs: dict[int, np.ndarray] = {}
    every = 1 if options.dedupe else -(-len(images.found) // MOST_LOOKED_AT)
    for each, pixels in _prepared(images, options, made, progress):
        _image(pixels).save(staged / f"{len(good)}.png", "PNG")
        if len(good) % every == 0:
            thumbs[len(good)] = thumb(pixels)
        good.append(each)
        digests.append(hashlib.sha256(pixels.tobytes()).digest())
    pairs = _pairs(good, list(thumbs.values()), progress) if options.dedupe and good else []
    gone = {pair.other for pair in pairs}
    names = [printable(each.name) for each in good]
    made.pairs = [(names[pair.kept], names[pair.other], pair) for pair in pairs]
    rows = [row for row in range(len(good)) if row not in gone]
    if len({digests[row] for row in rows}) < 2:
        reason = (
            f"; first bad one: {made.bad[0]['path']}: {made.bad[0]['reason']}" if made.bad else ""
        )
        raise UserError(f"{images.spec}: fewer than two different pictures are left{reason}")
    strange = _look(made, {row: thumbs[row] for row in rows if row in thumbs}, features)
    _place(
        home, staged, [good[r] for r in rows], [digests[r] for r in rows], rows, images.held, made
    )
    made.unusual = [made.places[row] for row in strange if row in made.places]
    _draw_sheet(home, made)
    made.bad.sort(key=lambda each: each["path"])
    _write_pairs(home / "duplicates.csv", made)
    shutil.rmtree(staged)
    return made


def _look(made: Made, thumbs: dict[int, np.ndarray], features: Features | None) -> list[int]:
    """Put into `made` what the pictures would gain from; the rows of those far from all others."""
    rows = list(thumbs)[:: -(-len(thumbs) // MOST_LOOKED_AT)]
    some, options = np.stack([thumbs[row] for row in rows]), made.options
    typed = {"--trim": options.trim, "--grey": options.grey, "--dedupe": options.dedupe}
    made.advised += [each for each in suggestions(some) if not typed[each.flag]]
    return [rows[place] for place in unusual(features(some))] if features else []


def _prepared(
    images: ImageSet, options: Options, made: Made, progress: Progress | None
) -> Iterator[tuple[Found, np.ndarray]]:
    """Each picture that can be decoded, trimmed, squared and resized; the others into made.bad."""

    def ready(
        data: bytes, size: int, channels: int, large: bool, white: int
    ) -> tuple[np.ndarray, Traits]:
        with picture(data, large, white, options.background) as (image, traits):
            uneven = image.width != image.height and not is_even(image)
            most = max(image.size)
            side = most if options.pad else min(image.size)
            traits = traits._replace(uneven=uneven, longest=most, side=side)
            return squared(image, size, channels, options.trim, options.pad), traits

    tally = Tally()
    channels = 1 if options.grey else 3
    images = replace(images, decode=ready)
    for each, got in decode_all(images, options.size, channels, progress):
        if got.pixels is None:
            made.bad.append({"path": printable(each.name), "reason": got.reason})
        else:
            tally.add(got.traits)
            yield each, got.pixels
    made.notes = [*images.notes, *tally.notes(options.background)]
    if enlarged := tally.enlarged(options.size):
        made.notes.append(f"{enlarged} (--size)")
    if options.pad and 2 * tally.uneven > tally.images:
        made.advised.append(Suggestion("--crop", "most are photographs that are not square, and "
                                                 "bars at their edges are drawn, too"))  # fmt: skip


def _pairs(good: list[Found], thumbs: list[np.ndarray], progress: Progress | None) -> list[Pair]:
    """Near duplicates among `good`; of two the larger file is kept."""
    order = sorted(
        range(len(good)), key=lambda row: (-(good[row].stamp or (0,))[0], good[row].name)
    )
    pairs = near_duplicates(np.stack([thumbs[row] for row in order]), progress)
    return [Pair(order[pair.kept], order[pair.other], pair.rms) for pair in pairs]


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
    labels = [0 if each.label is None else position.get(each.label, 0) for each in good]
    if held is None:
        share = 1 - (made.options.split or SPLIT)
        train, test = split_by_content(digests, labels, share)
    else:
        train, test = split_as_given(digests, labels, [each.name in held for each in good])
        test, known = without_trained(train, test, digests)
        for row, other in known:
            paths = printable(good[row].name), printable(good[other].name)
            reason = f"held out, with the pixels of {paths[1]}, trained on"
            made.bad.append({"path": paths[0], "reason": reason})
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
            made.places[rows[index]] = name
            whole.update(f"{name}\0".encode() + digests[index])
    made.sha256 = whole.hexdigest()


def _below(each: Found, parted: bool) -> str:
    """The path of an image below its part: without the part's folder, printable, without suffix.
    Its folder is its class and no other, since the new set is read by folders: where dataset.json
    had the labels, the folders of the source are not those."""
    name = each.name.split("/", 1)[1] if parted else each.name
    stem = os.path.splitext(printable(name))[0]
    folder = None if each.label is None else printable(each.label)
    if folder == (stem.split("/", 1)[0] if "/" in stem else None):
        return stem
    stem = stem.replace("/", "-")
    return stem if folder is None else f"{folder}/{stem}"


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
        labels = np.array([made.class_names.index(label or "") for _, label in train])
    rows = chosen_rows(labels, len(train))
    pixels = [[_pixels(home / train[i][0]) for i in row] for row in rows]
    if made.unusual:
        pixels.append([_pixels(home / name) for name in made.unusual])
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
