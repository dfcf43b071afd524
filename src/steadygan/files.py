"""Atomic file writes: to a temporary file in the same folder, synced, then renamed.

Every file that the program writes goes through here (tests/test_imports.py checks it), except
checkpoints, which count their own writes, lines appended to a history, and files in a folder that
is itself renamed when complete.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from steadygan.errors import UserError


@contextmanager
def writing(path: Path, mode: str = "wb") -> Iterator[IO]:
    """A new file to write, `wb` or `w` (UTF-8, \\n), which replaces `path` at the end of `with`. A
    lone surrogate in a text, as a path of other bytes has, is written as an escape.

    Whatever ends the block early leaves `path` as it was and nothing beside it. A link is followed.
    Raises `UserError` in one line where the disk is full, read-only, or otherwise not writable.
    """
    of_text = ("utf-8", "backslashreplace", "\n")
    encoding, errors, newline = (None, None, None) if "b" in mode else of_text
    try:
        path = Path(os.path.realpath(path))
        beside = _beside(path)
        try:
            with beside.open(mode, encoding=encoding, errors=errors, newline=newline) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            with suppress(OSError):  # on a disk gone read-only it stays, and is never read
                beside.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise UserError(why(error, path)) from None


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A hidden folder to write in, which becomes `out` at the end of `with`.

    Whatever ends the block early leaves nothing behind. `out` must not be there, unless it is an
    empty folder. Raises `UserError` in one line where the disk is full or not writable.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{out.name}-building-", dir=out.parent))
        try:
            yield building
            umask = os.umask(0)
            os.umask(umask)
            building.chmod(0o777 & ~umask)  # mkdtemp's are for their owner alone
            os.rename(building, out)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    except OSError as error:
        raise UserError(why(error, out)) from error


def write_whole(path: Path, content: str | bytes) -> None:
    """Replace a file so that a reader sees the old or the new one, never a torn one."""
    with writing(path, "w" if isinstance(content, str) else "wb") as file:
        file.write(content)


def json_text(value: Any) -> str:
    """JSON for a UTF-8 file; lone surrogates, which UTF-8 cannot encode, are escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, indent=1)
    return text


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def why(error: OSError, path: Path) -> str:
    """Why `path` cannot be written, in one line."""
    if error.errno == errno.EROFS:
        return f"{path}: is on a read-only file system; give a folder that can be written"
    short = error.errno is None and "requested and" in str(error)  # numpy's message
    if error.errno in (errno.ENOSPC, errno.EDQUOT) or short:
        return f"{path}: the disk is full; make room and run again"
    if error.errno == errno.ENAMETOOLONG:
        return f"{_shortened(path)}: the name is too long; give a shorter one"
    return f"{path}: cannot be written: {error.strerror or error}"


def _beside(path: Path) -> Path:
    """A hidden temporary name in the same folder, for this process, within the length limit."""
    end = f".{os.getpid()}.part"
    kept = path.name.encode()[: 254 - len(end)].decode(errors="ignore")
    return path.with_name(f".{kept}{end}")


def _shortened(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 60 else f"{text[:40]}...{text[-10:]}"
