"""R6 to R9b: damaged checkpoints, the order of a save, full and read-only disks, two writers."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
import torch

from steadygan.errors import CheckpointError, UserError
from steadygan.training import checkpoint, resume, train
from tests.reliability import games

Tick = Callable[[], None]
PAGE = 4096


def content(run: Path) -> dict[str, bytes]:
    """Every file under a folder with its bytes."""
    return {str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*") if p.is_file()}


# ---- R6: mutated checkpoints ------------------------------------------------------------------


def mutants(data: bytes, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Damage of every kind, without end: (what was done, other bytes than `data`)."""
    header = 8 + int.from_bytes(data[:8], "little")

    def flip(at: int) -> bytes:
        return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]

    def zero(start: int, size: int) -> bytes:
        return data[:start] + bytes(len(data[start : start + size])) + data[start + size :]

    while True:
        at, page = chance.randrange(len(data)), chance.randrange(0, len(data), PAGE)
        other = chance.randrange(0, len(data), PAGE)
        kinds = {
            "bit flipped": flip(at),
            "bit of the header flipped": flip(chance.randrange(header)),
            "bit of the length flipped": flip(chance.randrange(8)),
            "cut": data[:at],
            "cut in the header": data[: chance.randrange(header)],
            "page zeroed": zero(page, PAGE),
            "tail zeroed": zero(at, len(data)),
            "header byte replaced": flip(at % header)[:header] + data[header:],
            "pages exchanged": data[:page] + data[other : other + PAGE] + data[page + PAGE :],
            "bytes appended": data + chance.randbytes(1 + at % 64),
            "byte left out": data[:at] + data[at + 1 :],
        }
        for what, damaged in kinds.items():
            if damaged != data:
                yield what, damaged


def mutated(count: int, folder: Path, method: str = "gan", tick: Tick = lambda: None,
            seed: int = 0) -> str:  # fmt: skip
    """R6: each of `count` damaged files raises with its path; the one before it is used, and that
    is said; with none whole it is exit code 4 and the run is left as it is."""
    run = train(games.small(method), games.images(), out=folder / method, steps=4, device="cpu",
                precision="fp32")  # fmt: skip
    newest, previous = checkpoint.listed(run / "checkpoints")
    good = {path: path.read_bytes() for path in (newest, previous)}
    expected = checkpoint.load(previous).tensors
    source = mutants(good[newest], random.Random(f"{method} {seed}"))
    older = mutants(good[previous], random.Random(f"{method} {seed} older"))
    for n in range(count):
        what, damaged = next(source)
        newest.write_bytes(damaged)
        with pytest.raises(CheckpointError) as caught:
            checkpoint.load(newest)
        assert str(newest) in str(caught.value), what
        assert "\n" not in str(caught.value), what
        said: list[str] = []
        path, found = checkpoint.load_newest(run / "checkpoints", said.append)
        assert path == previous, what
        assert games.unlike(found.tensors, expected) == []
        assert str(newest) in said[0], what
        assert "previous whole checkpoint" in said[-1], what
        if n % 25 == 0:
            previous.write_bytes(next(older)[1])
            nothing_whole(run, what)
            previous.write_bytes(good[previous])
        tick()
    return f"{count} damaged files, 0 loaded"


def nothing_whole(run: Path, what: str) -> None:
    before = content(run)
    with pytest.raises(CheckpointError, match="no whole checkpoint") as caught:
        resume(run, data=games.images(), say=games.quiet)
    assert caught.value.exit_code == 4
    assert content(run) == before, f"{what}: a run without a whole checkpoint was changed"


# ---- R7: the order of a save ------------------------------------------------------------------


@contextlib.contextmanager
def recorded() -> Iterator[list[tuple[str, str]]]:
    """The system calls that matter, in order: (call, the name it was about)."""
    calls: list[tuple[str, str]] = []
    named: dict[int, str] = {}
    real = {n: getattr(os, n) for n in ("open", "write", "fsync", "replace", "unlink", "close")}

    def opened(path: object, flags: int, *more: object, **rest: object) -> int:
        handle = real["open"](path, flags, *more, **rest)
        named[handle] = "folder" if os.path.isdir(path) else Path(path).name
        return handle

    def about(call: str) -> Callable:
        def does(what: object, *more: object, **rest: object) -> object:
            name = named.get(what, "?") if isinstance(what, int) else Path(what).name
            to = f" -> {Path(more[0]).name}" if call == "replace" else ""
            calls.append((call, name + to))
            return real[call](what, *more, **rest)

        return does

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(os, "open", opened))
        for call in ("fsync", "replace", "unlink"):
            stack.enter_context(mock.patch.object(os, call, about(call)))
        calls.append(("write", ""))
        calls.clear()
        yield calls


def ordered_save(count: int, folder: Path, tick: Tick = lambda: None) -> str:
    """R7: write, sync the file, rename, sync the folder, only then delete; two are kept."""
    tensors = {"a": torch.randn(4000), "b": torch.arange(9)}
    write = os.write
    for step in range(count):
        with recorded() as calls:

            def noted(handle: int, data: bytes, calls: list = calls) -> int:
                calls.append(("write", ""))
                return write(handle, data)

            checkpoint.save(folder, step, tensors, {"step": step}, write=noted)
        beside, name = f".step-{step:06d}.safetensors.{os.getpid()}.part", f"step-{step:06d}"
        order = [c for i, c in enumerate(calls) if c[0] != "write" or calls[i - 1][0] != "write"]
        expected = [
            ("write", ""),
            ("fsync", beside),
            ("replace", f"{beside} -> {name}.safetensors"),
            ("fsync", "folder"),
        ]
        if step >= 2:
            expected.append(("unlink", f"step-{step - 2:06d}.safetensors"))
        assert order == expected, order
        assert len(checkpoint.listed(folder)) == min(2, step + 1)
        for path in checkpoint.listed(folder):
            checkpoint.load(path)
        assert len(list(folder.iterdir())) == min(2, step + 1)
        tick()
    return f"{count} saves in order"


# ---- R8: disk full ----------------------------------------------------------------------------


def full_at_each_write(count: int, folder: Path, tick: Tick = lambda: None) -> str:
    """R8: ENOSPC at each of the first `count` write calls (after some bytes of it): the old
    checkpoint is whole, nothing is left beside it, and the message says how much was needed."""
    tensors = {"a": torch.randn(count * 300)}
    checkpoint.save(folder, 1, tensors, {"step": 1})
    before = content(folder)
    size = len(checkpoint.to_bytes(tensors, {"step": 2}))
    for broken in range(count):
        calls = {"n": 0}

        def write(handle: int, data: bytes, broken: int = broken, calls: dict = calls) -> int:
            if calls["n"] == broken:
                if len(data) > 1 and not calls.get("short"):
                    calls["short"] = True  # a full disk first takes a part of what it is given
                    return os.write(handle, data[: len(data) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
            calls["n"] += 1
            return os.write(handle, data)

        with (
            mock.patch.object(checkpoint, "CHUNK", -(-size // count)),
            pytest.raises(UserError) as caught,
        ):
            checkpoint.save(folder, 2, tensors, {"step": 2}, write=write)
        assert calls["n"] == broken, "there were fewer write calls"
        assert f"needs {size / 1e6:.1f} MB" in str(caught.value), caught.value
        assert "\n" not in str(caught.value)
        assert content(folder) == before
        checkpoint.load(checkpoint.path_of(folder, 1))
        tick()
    return f"{count} write calls refused"


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small file system of its own in `folder`; skips the test where one cannot be mounted."""
    folder.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", options, "steadygan-test", str(folder)]
    try:
        done = subprocess.run(words, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount command")
    if done.returncode:
        pytest.skip("cannot mount here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def really_full(folder: Path, method: str = "gan") -> str:
    """R8 on a real full disk: the run ends in one line, its checkpoints whole; with room made it
    goes on to the end of a run that never saw a full disk."""
    recipe, data = games.small(method), games.images()
    whole = train(recipe, data, out=folder / "whole", steps=12, device="cpu", precision="fp32",
                  schedule=games.LogSchedule(save_every=2))  # fmt: skip
    with mounted(folder / "disk", "size=16m") as disk:
        out, filler = disk / "run", disk / "filler"

        def fill(trainer: object) -> None:
            if trainer.iteration == 5:
                with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                    while file.write(bytes(4096)):
                        pass

        with pytest.raises(UserError) as caught:
            train(recipe, data, out=out, steps=12, device="cpu", precision="fp32",
                  schedule=games.LogSchedule(save_every=2, log_every=0),
                  hooks=games.Hooks(on_iteration=fill))  # fmt: skip
        assert "disk full" in str(caught.value), caught.value
        assert "MB" in str(caught.value), caught.value
        assert "\n" not in str(caught.value)
        before = sum(recipe.stage_length(stage) for stage in recipe.stages)  # names count these
        found = checkpoint.listed(out / "checkpoints")
        assert [checkpoint.step_of(p) - before for p in found] == [4, 2]
        for path in found:
            checkpoint.load(path)
        with pytest.raises(UserError):  # still no room: nothing is lost by trying
            resume(out, data=data, say=games.quiet)
        assert checkpoint.listed(out / "checkpoints") == found
        filler.unlink()
        resume(out, data=data, say=games.quiet)
        assert games.unlike(games.whole_state(out)[1], games.whole_state(whole)[1]) == []
    return "1 real full disk"
