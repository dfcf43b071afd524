"""A zip of images, read in place and never unpacked; malicious archives are refused as a whole.

Nothing of an archive is written to disk, so its names can do no harm; a name, link or size that
only an attack (or a broken tool) writes is refused nevertheless, since the rest of such a file is
not worth reading. A single damaged image is left out with its reason.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import BinaryIO

from steadygan.data.dataset import Dataset, DataSettings, Progress
from steadygan.data.decoding import ImageSet
from steadygan.data.images import SUFFIXES, BadImage
from steadygan.data.labels import LABELS, arranged, parse_labels
from steadygan.data.scan import Found, left_out, printable, require_images
from steadygan.data.sources.imageset import open_images
from steadygan.errors import UserError

MAX_ENTRIES = 250_000  # CelebA has 202,599; each takes some 500 bytes of memory
MAX_DIRECTORY = 2**25  # bytes of the list of entries; CelebA's takes 22 MB
MAX_ENTRY = 2**26  # bytes of one image unpacked; 64 MiB hold any PNG or JPEG within the pixel limit
MAX_RATIO, FREE = 200, 2**20  # unpacked over packed, checked for images beyond FREE bytes
_END, _END_SIZE = b"PK\x05\x06", 22
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, LookupError, RuntimeError,
    NotImplementedError, struct.error, MemoryError,
)  # fmt: skip


def open_zip(path: Path | None, settings: DataSettings, progress: Progress | None) -> Dataset:
    """The images in the zip at `path`, as `open_folder` takes those of a folder.

    A single folder at the top that holds everything is the archive's own and no class. Raises
    UserError for what is no zip, for hostile archives, and as `open_images` does.
    """
    if path is None:
        raise UserError("--data zip needs a path: zip:FILE")
    spec = f"zip:{path}"
    stamp = _stamp(path, spec)
    if progress is not None:
        progress("scanning", 0, None)
    _require_small_directory(path, stamp[0], spec)
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGE as error:
        raise UserError(f"{spec}: no whole zip file: {_words(error)}") from error
    with archive:
        files = _checked(archive, stamp[0], spec)
        infos = {info.filename: info for info in files if _is_image(info)}
        others = Counter(_ending(info) for info in files if not _is_image(info))
        prefix = _own_folder(list(infos))
        found = _found(infos, prefix, others, spec)
        labels = _labels(archive, files, prefix, spec)
        chosen = arranged(found, labels, spec)
        others[".json"] -= labels is not None

        def read(each: Found) -> bytes:
            if chosen.class_names and each.label is None:
                raise BadImage(f"has no label in {LABELS}")
            return _read(archive, infos[prefix + each.name])

        def settled() -> None:
            if _stamp(path, spec) != stamp:
                raise UserError(f"{spec}: has changed while it was read; run again")

        notes = (*chosen.notes, *([left_out(+others)] if +others else []))
        images = ImageSet(
            spec, chosen.found, read, held=chosen.held, class_names=chosen.class_names,
            notes=notes, settled=settled,
        )  # fmt: skip
        content = hashlib.sha256(repr(stamp).encode()).hexdigest()
        slot = {"path": printable(str(path))}
        return open_images(spec, lambda: images, slot, content, settings, progress)


def _stamp(path: Path, spec: str) -> tuple[int, int, int]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise UserError(f"{spec}: cannot be read: {error.strerror or error}") from None
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder; write it as folder:DIR" if path.is_dir() else "no regular file"
        raise UserError(f"{spec}: {kind}")
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _require_small_directory(path: Path, size: int, spec: str) -> None:
    """Refuse a list of entries that would fill the memory, before zipfile reads it whole.

    The end record says how long the list is; zipfile trusts that length, and checks neither the
    count beside it nor any limit.
    """
    try:
        with open(path, "rb") as file:
            start = max(0, size - _END_SIZE - 2**16)
            file.seek(start)
            tail = file.read()
            at = tail.rfind(_END)
            if at < 0 or at + _END_SIZE > len(tail):
                raise UserError(f"{spec}: no whole zip file: its end is missing")
            disk, entries, length, comment = struct.unpack_from("<H4xHI4xH", tail, at + 4)
            if disk not in (0, 0xFFFF):
                raise UserError(f"{spec}: one part of a split archive; join its parts first")
            if at + _END_SIZE + comment != len(tail):
                raise UserError(f"{spec}: no whole zip file: other bytes follow its end")
            end = start + at
            locator = tail[max(0, at - 20) : at]
            if len(locator) == 20 and locator.startswith(b"PK\x06\x07"):
                entries, length = _zip64_directory(file, locator, spec)
                end -= 76
            if length > min(MAX_DIRECTORY, end):
                raise UserError(
                    f"{spec}: its list of entries says it has {length:,} bytes; at most "
                    f"{MAX_DIRECTORY:,} are read: split it, or unpack it and use folder:DIR"
                )
            file.seek(end - length)
            counted = _count(file.read(length))
    except OSError as error:
        raise UserError(f"{spec}: cannot be read: {error.strerror or error}") from error
    if counted > MAX_ENTRIES:
        raise UserError(
            f"{spec}: more than {MAX_ENTRIES:,} entries; split it, or unpack it and use folder:DIR"
        )
    if counted != entries:
        raise UserError(f"{spec}: lists {counted:,} entries where its end says {entries:,}")


def _zip64_directory(file: BinaryIO, locator: bytes, spec: str) -> tuple[int, int]:
    """Count of entries and length of their list, from the record that the locator points at."""
    (where,) = struct.unpack_from("<Q", locator, 8)
    file.seek(min(where, 2**62))
    record = file.read(56)
    if len(record) < 56 or not record.startswith(b"PK\x06\x06"):
        raise UserError(f"{spec}: no whole zip file: its zip64 record is missing")
    return struct.unpack_from("<QQ", record, 32)


def _count(listing: bytes) -> int:
    """How many entries a list has; no further than one above the limit."""
    at = count = 0
    while at + 46 <= len(listing) and count <= MAX_ENTRIES:
        at += 46 + sum(struct.unpack_from("<3H", listing, at + 28))
        count += 1
    return count


def _checked(archive: zipfile.ZipFile, size: int, spec: str) -> list[zipfile.ZipInfo]:
    """The files of an archive, without hidden ones; UserError, with the reason, for a malicious
    archive."""
    infos = archive.infolist()
    names = set()
    for info in infos:
        if reason := _wrong_name(info) or _wrong_kind(info):
            raise UserError(f"{spec}: {printable(info.filename)!r} {reason}; not read")
        if info.filename in names:
            raise UserError(f"{spec}: {printable(info.filename)!r} is in it twice; not read")
        names.add(info.filename)
    # Files that share bytes: 10 MB of them once unpacked to 281 TB.
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end or (end := _end(info)) > size:
            raise UserError(
                f"{spec}: {printable(info.filename)!r} lies over another file or beyond the "
                "archive's end; not read"
            )
    for info in infos:
        if (_is_image(info) or _is_labels(info)) and (reason := _wrong_size(info)):
            raise UserError(f"{spec}: {printable(info.filename)!r} {reason}; not read")
    return [info for info in infos if not info.is_dir() and not _is_hidden(info)]


def _wrong_name(info: zipfile.ZipInfo) -> str:
    name = info.orig_filename  # zipfile cuts its own at a NUL
    if "\0" in name:
        return "has a NUL byte in its name"
    if "\\" in name or name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "is no relative path with /"
    if not name or ".." in name.split("/"):
        return "leads out of the archive" if name else "has no name"
    return ""


def _wrong_kind(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & 0x41:  # encrypted, or strongly so
        return "is encrypted; unpack it with its password and use folder:DIR"
    mode = info.external_attr >> 16
    if info.create_system == 3 and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link" if stat.S_ISLNK(mode) else "is a device or a pipe"
    return ""


def _wrong_size(info: zipfile.ZipInfo) -> str:
    if info.compress_type not in _METHODS:
        return f"is packed by method {info.compress_type}, where deflate is read"
    if info.file_size > MAX_ENTRY:
        return f"says it unpacks to {info.file_size:,} bytes, more than {MAX_ENTRY:,}"
    if info.file_size > max(FREE, MAX_RATIO * info.compress_size):
        return f"says it unpacks to {info.file_size:,} bytes out of {info.compress_size:,}"
    return ""


def _end(info: zipfile.ZipInfo) -> int:
    """The first byte that another file may start at; the local header takes 30 and the name."""
    return info.header_offset + 30 + len(info.orig_filename) + info.compress_size


def _is_image(info: zipfile.ZipInfo) -> bool:
    return not _is_hidden(info) and _ending(info) in SUFFIXES


def _is_hidden(info: zipfile.ZipInfo) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in info.filename.split("/"))


def _is_labels(info: zipfile.ZipInfo) -> bool:
    return info.filename.split("/")[-1] == LABELS


def _ending(info: zipfile.ZipInfo) -> str:
    return os.path.splitext(info.filename.split("/")[-1])[1].lower()


def _labels(
    archive: zipfile.ZipFile, files: list[zipfile.ZipInfo], prefix: str, spec: str
) -> dict[str, int] | None:
    """The labels of the outermost dataset.json beside or above all images, by the names that those
    have below `prefix`; none where there is no such file."""
    above = [info for info in files if _is_labels(info) and prefix.startswith(_home(info))]
    if not above:
        return None
    info = min(above, key=lambda info: len(info.filename))
    try:
        labels = parse_labels(_read(archive, info), spec)
    except BadImage as error:
        raise UserError(f"{spec}: {info.filename}: {error}") from error
    if labels is None:
        return None
    home = _home(info)
    return {(home + name).removeprefix(prefix): label for name, label in labels.items()}


def _home(info: zipfile.ZipInfo) -> str:
    """The folder that a file lies in, with / at its end; empty at the top."""
    return info.filename[: info.filename.rfind("/") + 1]


def _own_folder(names: list[str]) -> str:
    """The folders that all `names` lie in: the archive's own, with / at the end, or empty."""
    folders = [name.split("/")[:-1] for name in names]
    pairs = zip(min(folders, default=[]), max(folders, default=[]), strict=False)
    shared = itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)
    return "".join(f"{folder}/" for folder, _ in shared)


def _found(
    infos: dict[str, zipfile.ZipInfo], prefix: str, others: Counter[str], spec: str
) -> list[Found]:
    found = []
    for name in sorted(infos):
        below = name[len(prefix) :]
        folder, slash, _ = below.partition("/")
        found.append(Found(below, folder if slash else None, (infos[name].file_size,)))
    require_images(len(found), others, spec)
    return found


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """An image's bytes, checked against its CRC. Never reads more than the listed size."""
    try:
        with archive.open(info) as file:
            data = file.read(info.file_size + 1)
    except _DAMAGE as error:
        raise BadImage(f"cannot be unpacked: {_words(error)}") from error
    if len(data) != info.file_size:
        raise BadImage(f"unpacks to {len(data):,} bytes where {info.file_size:,} are listed")
    return data


def _words(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
