"""The image files under a folder: names, classes, and a stamp that moves when a file does."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import deque
from pathlib import Path
from typing import NamedTuple

from steadygan.data.images import SUFFIXES
from steadygan.errors import UserError


class Found(NamedTuple):
    """One image file. `name`: path below the root, with /. `label`: its first-level folder, none
    for a loose file. `stamp`: size, mtime and ctime in ns; empty where it is no regular file (in an
    archive the size alone; in a table nothing)."""

    name: str
    label: str | None
    stamp: tuple[int, ...]


#: The picture that `steadygan data build` puts beside its card.json: no image of the set.
SHEET, CARD = "contact-sheet.png", "card.json"
SPLIT = frozenset(("train", "test"))


def scan(root: Path, kind: str = "folder") -> list[Found]:
    """Every file under `root` with an image's suffix, sorted by name; hidden ones are left out.

    `kind` is what messages call it. `SHEET` at the top beside `CARD` is left out too.

    Links are followed, each folder is read once: a loop ends, and a folder that is reached both
    directly and by a link counts at its own place. Raises UserError for a root that is missing,
    no folder, or has no image, for a folder that cannot be read, and for images that lie loose
    beside class folders, since those have no class.
    """
    if not _exists(root, kind):
        raise UserError(f"{kind}:{root}: no such folder; give the path of a folder of images")
    if not root.is_dir():
        raise UserError(f"{kind}:{root}: not a folder; give the folder that the images are in")
    found = sorted(_walk(root, kind))
    if (root / CARD).is_file():
        found = [each for each in found if each.name != SHEET]
    require_classes_for_all(found, f"{kind}:{root}")
    return found


def require_classes_for_all(found: list[Found], where: str) -> None:
    """Raise UserError, which starts with `where`, where there is no image, or where some have a
    class and some have none."""
    if not found:
        raise UserError(
            f"{where}: no images in it or below; known endings: {' '.join(sorted(SUFFIXES))}"
        )
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
    folder below, and the names of those in `test`. As they are, and none, otherwise.

    Raises UserError as `require_classes_for_all`.
    """
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


def listing_digest(found: list[Found]) -> str:
    """Hex sha256 of names and stamps: moves when a file comes, goes, or is written.

    The stamp holds ctime, which no program can set back as it can mtime.
    """
    digest = hashlib.sha256()
    for each in found:
        digest.update(os.fsencode(each.name) + b"\0" + repr(each.stamp).encode() + b"\n")
    return digest.hexdigest()


def printable(name: str) -> str:
    """A file name as text that JSON and a terminal take, bytes that are no UTF-8 as \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _walk(root: Path, kind: str) -> list[Found]:
    found: list[Found] = []
    seen: set[tuple[int, int]] = set()
    # Links wait until all real folders are read, so that a link never takes another's images.
    real, links = deque([""]), deque()
    while real or links:
        below = real.popleft() if real else links.popleft()
        folder = root / below
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise UserError(
                f"{kind}:{root}: cannot read {printable(str(folder))}: {error.strerror}; "
                "mend its permissions or move it away"
            ) from error
        for entry in inside:
            if entry.name.startswith("."):
                continue
            name = f"{below}/{entry.name}" if below else entry.name
            if entry.is_dir():
                (links if entry.is_symlink() else real).append(name)
            elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:
                label = name.partition("/")[0] if below else None
                found.append(Found(name, label, _stamp(entry)))
    return found


def _stamp(entry: os.DirEntry[str]) -> tuple[int, ...]:
    try:
        status = entry.stat()
    except OSError:  # a dead link, or gone since: its reading says so
        return ()
    if not stat.S_ISREG(status.st_mode):
        return ()  # reading a pipe would hang
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
