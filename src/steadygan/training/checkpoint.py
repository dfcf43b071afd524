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
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from steadygan.errors import CheckpointError, UserError
from steadygan.files import sync_folder
from steadygan.records import CheckpointRecord, misshapen, open_regular, parsed

#: `os.write`, or a stand-in for it.
Write = Callable[[int, bytes | memoryview], int]

FORMAT = "steadygan-1"
BLANK = "0" * 64
KEEP = 2
CHUNK = 1 << 22
#: Bytes of the longest header that is read; safetensors itself takes no longer one.
MOST_HEADER_BYTES = 100_000_000
#: The metadata that `Trainer.restore` and `resume` rely on.
OF_A_STATE = ("identity", "seconds")
#: Metadata that is plain text; all other is JSON.
PLAIN = ("format", "sha256")


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint file holds: tensors by name and metadata, read from its JSON text."""

    tensors: dict[str, Tensor]
    metadata: dict[str, Any]

    def info(self, key: str) -> Any:
        """A metadata value."""
        return self.metadata[key]


def path_of(folder: Path, step: int) -> Path:
    return folder / f"step-{step:06d}.safetensors"


def step_of(path: Path) -> int:
    return int(path.stem.removeprefix("step-"))


def listed(folder: Path) -> list[Path]:
    """The checkpoints of a folder, newest first; half-written ones are not among them."""
    found = [p for p in folder.glob("step-*.safetensors") if is_named(p)]
    return sorted(found, key=step_of, reverse=True)


def is_named(path: Path) -> bool:
    """Whether a file has a checkpoint's name, exactly as `path_of` gives it to a step."""
    digits = path.stem.removeprefix("step-")
    plain = digits.isascii() and digits.isdigit() and len(digits) < 19
    return plain and path.name == path_of(path.parent, int(digits)).name


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
    write: Write = os.write,
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


def _write_synced(path: Path, data: bytes, write: Write) -> None:
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


def load(path: Path, needs: Iterable[str] = ()) -> Checkpoint:
    """Read one checkpoint whole, with the metadata that it `needs`. Raises `CheckpointError` with
    the path if anything is off. Nothing is read that the header does not speak of."""
    try:
        data = _read_whole(path)
        texts = _object(_header(data).get("__metadata__", {}), "its metadata")
        if texts.get("format") != FORMAT:
            what = f"format {texts.get('format')!r}, expected {FORMAT!r}"
            raise CheckpointError(f"{path}: {what}")
        return Checkpoint(safetensors.torch.load(data), _metadata(texts, needs))
    except OSError as error:
        why = error.strerror or error
        raise CheckpointError(f"{path}: cannot be read: {why}") from None
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path}: damaged: {error}") from None


def _read_whole(path: Path) -> bytes:
    """The file's bytes, if it is as large as its header says and its digest is right."""
    handle, size = open_regular(path)
    with os.fdopen(handle, "rb") as file:
        described = _described(file, size)
        if described != size:
            raise ValueError(f"it is {size:,} bytes, its header describes {described:,}")
        file.seek(0)
        data = file.read()
    start = _digest_at(data)
    if start < 0:
        raise ValueError("no digest in its header")
    blank = b"".join([data[:start], BLANK.encode(), data[start + 64 :]])
    if hashlib.sha256(blank).hexdigest().encode() != data[start : start + 64]:
        raise ValueError("its bytes do not match its sha256")
    return data


def _described(file: BinaryIO, size: int) -> int:
    """How many bytes the file has by its own header, of which alone is read."""
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(size - 8, MOST_HEADER_BYTES):
        raise ValueError(f"its header cannot be {length:,} bytes of {size:,}")
    ends = [0]
    for name, entry in _object(parsed(file.read(length)), "its header").items():
        if name != "__metadata__":
            offsets = _object(entry, name).get("data_offsets")
            if not isinstance(offsets, list) or [type(each) for each in offsets] != [int, int]:
                raise ValueError(f"{name} has no place in it")
            ends.append(offsets[1])
    return 8 + length + max(ends)


def _header(data: bytes) -> dict[str, Any]:
    return parsed(data[8 : 8 + int.from_bytes(data[:8], "little")])


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} is no JSON object")
    return value


def _metadata(texts: dict[str, Any], needs: Iterable[str]) -> dict[str, Any]:
    """The metadata with its JSON read, checked by `CheckpointRecord`; ValueError where it is not
    so or lacks what it `needs`."""
    found = {k: text if k in PLAIN else _value(k, text) for k, text in texts.items()}
    if problem := misshapen(CheckpointRecord, found, complete=False):
        raise ValueError(f"metadata {problem}")
    if lacking := sorted(set(needs) - found.keys()):
        raise ValueError(f"its metadata has no {lacking[0]!r}")
    return found


def _value(key: str, text: Any) -> Any:
    try:
        return parsed(text)
    except (ValueError, TypeError) as error:
        raise ValueError(f"metadata {key}: {error}") from None


def load_newest(
    folder: Path, say: Callable[[str], None], needs: Iterable[str] = ()
) -> tuple[Path, Checkpoint]:
    """The newest whole checkpoint; damaged ones on the way are said. None whole: exit code 4."""
    for path in folder.glob("step-*.safetensors"):
        if not is_named(path):
            say(f"{path}: is no checkpoint's name, such as {path_of(folder, 100).name}: left alone")
    paths = listed(folder)
    for path in paths:
        try:
            found = load(path, needs)
            require_step(path, found)
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


def counters_of(tensors: dict[str, Tensor]) -> dict[str, int]:
    """The counters among a state's tensors. Raises `CheckpointError` for one that is no whole
    number from 0."""
    found = {}
    for name, value in tensors.items():
        if name.startswith("counters/"):
            if value.shape != () or value.dtype != torch.int64 or not 0 <= int(value) < 2**53:
                raise CheckpointError(f"the checkpoint's {name} is no whole number from 0")
            found[name.removeprefix("counters/")] = int(value)
    return found


def require_step(path: Path, found: Checkpoint) -> None:
    """Refuse a checkpoint whose name is not of the step that its counters say."""
    try:
        counters = counters_of(found.tensors)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    if not counters:  # the average alone, as in best/
        return
    inside = sum(n for k, n in counters.items() if k == "turn" or k.startswith("stage "))
    if inside != step_of(path):
        raise CheckpointError(
            f"{path}: is of step {inside} by its counters; rename it to "
            f"{path_of(path.parent, inside).name}"
        )
