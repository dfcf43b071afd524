"""Checkpoints: one safetensors file that is whole or not there.

The file's metadata carries the sha256 of the whole file, taken with that field blank, so that one
flipped bit anywhere, header included, is found. It is written beside its place, synced, renamed
over, and only then are older ones deleted: whatever happens on the way, the last whole one stays.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from steadygan.errors import CheckpointError, UserError
from steadygan.files import sync_folder

FORMAT = "steadygan-1"
BLANK = "0" * 64
KEEP = 2
CHUNK = 1 << 22


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds: tensors by name and text metadata."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]

    def info(self, key: str) -> object:
        """A metadata value, which is JSON text."""
        return json.loads(self.metadata[key])


def path_of(folder: Path, step: int) -> Path:
    return folder / f"step-{step:06d}.safetensors"


def step_of(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))


def listed(folder: Path) -> list[Path]:
    """The checkpoints of a folder, newest first; half-written ones are not among them."""
    found = [p for p in folder.glob("step-*.safetensors") if p.stem[5:].isdigit()]
    return sorted(found, key=step_of, reverse=True)


def to_bytes(tensors: dict[str, Tensor], info: dict[str, object]) -> bytes:
    """The file's bytes, with the digest of all of them in place."""
    metadata = {key: json.dumps(value, ensure_ascii=False) for key, value in info.items()}
    whole = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    data = safetensors.torch.save(whole, {"format": FORMAT, "sha256": BLANK, **metadata})
    start = _digest_at(data)
    digest = hashlib.sha256(data).hexdigest().encode()
    return b"".join([data[:start], digest, data[start + 64 :]])


def _digest_at(data: bytes) -> int:
    """Where the digest's 64 characters stand, in the header alone; -1 where there are none."""
    header_end = 8 + int.from_bytes(data[:8], "little")
    field = b'"sha256":"'
    at = data.find(field, 8, header_end)
    return at + len(field) if at >= 0 else -1


def save(
    folder: Path,
    step: int,
    tensors: dict[str, Tensor],
    info: dict[str, object],
    write: Callable[[int, bytes], int] = os.write,
    keep: int = KEEP,
) -> Path:
    """Write the checkpoint of `step` into `folder`, then delete all but the newest `keep`.

    The order is R7: write, sync file, rename, sync folder, then delete. Raises `UserError` when
    the disk is full or read-only, saying how much was needed; what was there before is untouched.
    """
    data = to_bytes(tensors, info)
    path = path_of(folder, step)
    beside = folder / f".{path.name}.{os.getpid()}.part"
    try:
        _write_synced(beside, data, write)
        os.replace(beside, path)
        sync_folder(folder)
    except OSError as error:
        with suppress(OSError):  # on a disk gone read-only it stays, and is never read
            beside.unlink(missing_ok=True)
        raise UserError(_why(error, path, len(data))) from error
    for old in listed(folder)[keep:]:
        old.unlink(missing_ok=True)
    for part in folder.glob(".step-*.part"):
        part.unlink(missing_ok=True)
    return path


def _write_synced(path: Path, data: bytes, write: Callable[[int, bytes], int]) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[write(handle, view[:CHUNK]) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _why(error: OSError, path: Path, needed: int) -> str:
    if error.errno == errno.ENOSPC:
        return (
            f"disk full: {path} needs {needed / 1e6:.1f} MB; the previous checkpoint is whole: "
            "make room and `steadygan resume`"
        )
    return f"cannot write {path}: {error.strerror or error}; the previous checkpoint is whole"


def require_room(folder: Path, checkpoint_bytes: int, other_bytes: int = 0) -> None:
    """Refuse to start where three checkpoints and `other_bytes` do not fit; `folder` need not
    exist yet."""
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free
    needed = 3 * checkpoint_bytes + other_bytes
    if free < needed:
        raise UserError(
            f"{folder}: {free / 1e6:.1f} MB free, but three checkpoints of this game, samples and "
            f"a report need {needed / 1e6:.1f} MB: make room or choose another --out"
        )


def set_aside(folder: Path, whole: Path, say: Callable[[str], None]) -> None:
    """Rename the checkpoints newer than `whole`, which are damaged: by their numbers they would
    take the places of whole ones among those that are kept."""
    for path in listed(folder):
        if path == whole:
            return
        aside = path.with_name(f"{path.name}.damaged")
        try:
            os.replace(path, aside)
        except OSError as error:
            raise UserError(f"{path}: cannot be renamed: {error.strerror or error}") from None
        say(f"{path.name} is now {aside.name}")


def load(path: Path) -> Checkpoint:
    """Read one checkpoint whole. Raises `CheckpointError` with the path if anything is off."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from None
    start = _digest_at(data) if len(data) > 8 else -1
    if start < 0:
        raise CheckpointError(f"{path}: damaged: no digest in its header")
    blank = b"".join([data[:start], BLANK.encode(), data[start + 64 :]])
    if hashlib.sha256(blank).hexdigest().encode() != data[start : start + 64]:
        raise CheckpointError(f"{path}: damaged: its bytes do not match its sha256")
    try:
        tensors = safetensors.torch.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except (safetensors.SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged: {error}") from None
    metadata = header.get("__metadata__", {})
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path}: format {metadata.get('format')!r}, expected {FORMAT!r}")
    return Checkpoint(tensors, metadata)


def load_newest(folder: Path, say: Callable[[str], None]) -> tuple[Path, Checkpoint]:
    """The newest whole checkpoint; damaged ones on the way are said. None whole: exit code 4."""
    paths = listed(folder)
    for path in paths:
        try:
            found = load(path)
        except CheckpointError as error:
            say(str(error))
            continue
        if path != paths[0]:
            say(f"going on from the previous whole checkpoint, {path.name}")
        return path, found
    what = "none of them is whole" if paths else "there are none"
    raise CheckpointError(
        f"{folder}: no whole checkpoint ({what}); start again with `steadygan train --out` "
        "another folder"
    )
