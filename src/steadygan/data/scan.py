"""The image files under a folder: names, classes, and a stamp that changes when a file does. Other
files are counted too, so that pictures that are not read can be reported."""

from __future__ import annotations

import gc
import os
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from steadygan.data.dataset import Progress
from steadygan.data.images import SUFFIXES
from steadygan.data.stamping import stamp_of
from steadygan.errors import UserError


class Found(NamedTuple):
    """One image file. `name`: path below the root, with /. `label`: its first-level folder, none
    for a loose file. `stamp`: size, mtime and ctime in ns; empty where it is no regular file (in an
    archive the size alone; in a table nothing)."""

    name: str
    label: str | None
    stamp: tuple[int, ...]


class Listing(NamedTuple):
    """The images under a folder, sorted by name, and how many other files have which ending
    (lower case, with its dot; empty where there is none)."""

    found: list[Found]
    others: Counter[str]


_UNREAD = (
    ".ai .apng .arw .avif .bpg .cdr .cr2 .cr3 .cur .dcm .dds .djvu .dng .emf .eps .exr .fits .hdr"
    " .heic .heif .icns .ico .j2k .jp2 .jpx .jxl .jxr .kra .nef .orf .ora .pbm .pcx .pdf .pef .pgm"
    " .pnm .ppm .ps .psb .psd .qoi .raf .raw .rw2 .sgi .svg .svgz .tga .wmf .xbm .xcf .xpm"
)
#: Endings of pictures that are not read.
PICTURES = frozenset(_UNREAD.split()) - SUFFIXES
#: What `steadygan data build` puts beside the images, two of four files.
SHEET, CARD = "contact-sheet.png", "card.json"
#: What a card says that it is of.
BUILT = "steadygan data set"
_BUILT = frozenset((SHEET, CARD, "card.md", "duplicates.csv"))
SPLIT = frozenset(("train", "test"))
_SHOWN = 6  # endings
_OFTEN = 1000  # files between two calls of progress


def scan(root: Path, kind: str = "folder", progress: Progress | None = None) -> Listing:
    """Every file under `root` with an image's suffix, and the endings of the others; hidden files,
    and those at the top that `steadygan data build` puts beside the images, count as neither.

    `kind` is what messages call it. Links are followed, each folder is read once: a loop ends, and
    a folder that is reached both directly and by a link counts at its own place. Raises UserError
    for a root that is missing, no folder, or has no image, and for a folder that cannot be read.
    """
    found: list[Found] = []
    others: Counter[str] = Counter()
    with uncollected():
        for below, entries, rest in folders(root, kind, progress):
            label = below.partition("/")[0] or None
            before = f"{below}/" if below else ""
            found += [Found(before + each.name, label, _stamp(each)) for each in entries]
            others += rest
        require_images(len(found), others, f"{kind}:{root}")
        return Listing(sorted(found), others)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without searches for garbage in cycles: here is none, and the more files there are the longer
    each takes, half of the time for a million."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def require_images(count: int, others: Counter[str], where: str) -> None:
    """Raise UserError, which starts with `where`, where there is no image."""
    if not count:
        rest = f"; {left_out(others)}" if others else ""
        raise UserError(
            f"{where}: no images in it or below; known endings: {' '.join(sorted(SUFFIXES))}; "
            f"archives inside it are not opened{rest}"
        )


def left_out(others: Counter[str]) -> str:
    """Files that are not read in words, by kind and count: "left out: 12 .heic, 3 .svg ..."."""
    pictures = [f"{count:,} {end}" for end, count in sorted(others.items()) if end in PICTURES]
    rest = {end: count for end, count in others.items() if end not in PICTURES}
    words = []
    if pictures:
        words.append(f"{', '.join(pictures)} (convert them to PNG)")
    if rest:
        ends = sorted(end or "no ending" for end in rest)
        shown = ", ".join(printable(end) for end in ends[:_SHOWN]) + ", ..." * (len(ends) > _SHOWN)
        words.append(f"{sum(rest.values()):,} files of other kinds ({shown})")
    return f"left out: {', '.join(words)}"


def require_classes_for_all(found: list[Found], where: str) -> None:
    """Raise UserError, which starts with `where`, where some images have a class and some none."""
    loose = [each.name for each in found if each.label is None]
    classes = sorted({each.label for each in found if each.label is not None})
    if loose and classes:
        raise UserError(
            f"{where}: {len(loose)} images (first: {printable(loose[0])}) lie beside "
            f"{len(classes)} class folders (first: {printable(classes[0])}) and have no class; "
            "move them into a class folder or away"
        )


def given_split(found: list[Found], where: str) -> tuple[list[Found], frozenset[str] | None]:
    """Where the first-level folders are `train` and `test`: the images with the class that is the
    folder below, and the names of those in `test`. Otherwise the images as they are, and None.

    Raises UserError as `require_classes_for_all`.
    """
    require_classes_for_all(found, where)
    if {each.label for each in found} != SPLIT:
        return found, None
    relabelled = [each._replace(label=_folder_at(each.name, 1)) for each in found]
    require_classes_for_all(relabelled, where)
    return relabelled, frozenset(each.name for each in found if each.label == "test")


def _folder_at(name: str, level: int) -> str | None:
    """The folder of that level in a path with /; none where the file itself is there."""
    parts = name.split("/")
    return parts[level] if level < len(parts) - 1 else None


def _exists(root: Path, kind: str) -> bool:
    try:
        return root.exists()
    except OSError as error:
        raise UserError(f"{kind}:{root}: cannot be read: {error.strerror or error}") from None


def printable(name: str) -> str:
    """A file name as text that JSON and a terminal take, bytes that are no UTF-8 as \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def folders(
    root: Path, kind: str = "folder", progress: Progress | None = None
) -> Iterator[tuple[str, list[os.DirEntry[str]], Counter[str]]]:
    """Each folder under `root` as `scan` reads it: its path below the root, with /, its images
    sorted by name, and the endings of its other files. Raises UserError as `scan`."""
    if not _exists(root, kind):
        raise UserError(f"{kind}:{root}: no such folder; give the path of a folder of images")
    if not root.is_dir():
        raise UserError(f"{kind}:{root}: not a folder; give the folder that the images are in")
    built = (root / CARD).is_file()
    seen: set[tuple[int, int]] = set()
    files = 0
    # Links wait until all real folders are read, so that a link never takes another's images.
    real, links = deque([""]), deque[str]()
    while real or links:
        below = real.popleft() if real else links.popleft()
        images: list[os.DirEntry[str]] = []
        others: Counter[str] = Counter()
        for entry in _inside(root, below, kind, seen):
            own = entry.name
            if _is_folder(entry):
                (links if entry.is_symlink() else real).append(f"{below}/{own}" if below else own)
                continue
            if built and not below and own in _BUILT:
                continue
            files += 1
            if progress is not None and files % _OFTEN == 0:
                progress("scanning", files, None)
            _, dot, after = own.rpartition(".")
            ending = (dot + after).lower() if dot else ""
            if ending in SUFFIXES:
                images.append(entry)
            else:
                others[ending] += 1
        yield below, images, others


def _inside(
    root: Path, below: str, kind: str, seen: set[tuple[int, int]]
) -> list[os.DirEntry[str]]:
    """What is in a folder, sorted, without hidden names; nothing where it was `seen` before."""
    folder = root / below
    try:
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            return []
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            return sorted(
                (entry for entry in entries if not entry.name.startswith(".")),
                key=lambda entry: entry.name,
            )
    except OSError as error:
        raise unreadable(folder, root, kind, error) from error


def unreadable(folder: Path, root: Path, kind: str, error: OSError) -> UserError:
    """Why `folder` under `root` cannot be read, to be raised."""
    where = printable(str(folder))
    if isinstance(error, FileNotFoundError):
        return UserError(f"{kind}:{root}: {where} went away while it was read; run again")
    return UserError(
        f"{kind}:{root}: cannot read {where}: {error.strerror}; "
        "mend its permissions or move it away"
    )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or through a folder that cannot be read
        return False


def _stamp(entry: os.DirEntry[str]) -> tuple[int, ...]:
    try:
        return stamp_of(entry.stat())
    except OSError:  # a dead link, or gone since: reading it reports that
        return ()
