"""R6 to R9b in small counts; `python -m benchmarks.reliability` runs the long ones."""

import contextlib
import errno
import os
import shutil
import time
from collections import namedtuple
from pathlib import Path
from unittest import mock

import pytest

from steadygan.errors import UserError
from steadygan.training import Hooks, LogSchedule, Stopped, checkpoint, resume, runfolder, train
from tests.reliability import files, games


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of 4 turns; copy it before changing it."""
    out = tmp_path_factory.mktemp("run") / "finished"
    return train(games.small("gan"), games.images(), out=out, steps=4, device="cpu")


def start(out, **more):
    return train(games.small("gan"), games.images(), out=out, steps=2, device="cpu", **more)


def refused(call, code=2):
    """The one line of a refusal, within a second."""
    began = time.monotonic()
    with pytest.raises(UserError) as caught:
        call()
    assert time.monotonic() - began < 1.0
    assert caught.value.exit_code == code
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_r6_a_damaged_checkpoint_never_loads(tmp_path):
    files.mutated(150, tmp_path)


def test_r6_a_folder_or_an_empty_file_in_place_of_a_checkpoint(finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    checkpoint.path_of(run / "checkpoints", 9).write_bytes(b"")
    checkpoint.path_of(run / "checkpoints", 10).mkdir()
    said = []
    path, _ = checkpoint.load_newest(run / "checkpoints", said.append)
    assert checkpoint.step_of(path) == 4
    assert len(said) == 3


def test_r6_a_damaged_checkpoint_takes_no_whole_ones_place(tmp_path):
    schedule = LogSchedule(save_every=2)
    run = train(games.small("gan"), games.images(), out=tmp_path / "run", steps=6, device="cpu",
                schedule=schedule)  # fmt: skip
    newest, before = checkpoint.listed(run / "checkpoints")
    newest.write_bytes(newest.read_bytes()[:-1])
    said = []

    def stop():
        return Stopped("one turn", 75)

    with pytest.raises(Stopped):
        resume(run, data=games.images(), hooks=Hooks(stop=stop), say=said.append)
    assert said[-1] == "step-000006.safetensors is now step-000006.safetensors.damaged"
    kept = checkpoint.listed(run / "checkpoints")
    assert [checkpoint.step_of(path) for path in kept] == [5, 4]
    assert kept[1] == before
    for path in kept:
        checkpoint.load(path)


def test_r7_order_of_a_save(tmp_path):
    files.ordered_save(4, tmp_path)


def test_r8_full_disk_at_each_of_64_write_calls(tmp_path):
    files.full_at_each_write(64, tmp_path)


def test_r8_a_really_full_disk(tmp_path):
    files.really_full(tmp_path)


def test_r8_no_room_for_three_checkpoints(tmp_path):
    usage = namedtuple("usage", "total used free")
    trainer = games.trainer_of(games.small("gan"), tmp_path / "size")
    for _ in range(2):
        trainer.iterate()
    needed = 3 * sum(t.numel() * t.element_size() for t in trainer.gathered().values())
    needed += 5_000_000 + 27 * 64 * (16 + 2) ** 2 * 7 // 3
    with mock.patch.object(shutil, "disk_usage", return_value=usage(10**9, 0, int(0.99 * needed))):
        said = refused(lambda: start(tmp_path / "run"))
    assert "three checkpoints" in said
    assert "MB free" in said
    assert not (tmp_path / "run" / "run.json").exists()
    with mock.patch.object(shutil, "disk_usage", return_value=usage(10**9, 0, int(1.01 * needed))):
        start(tmp_path / "run")


def test_r8_a_full_disk_for_a_picture_or_a_history_line_is_one_line(tmp_path):
    full = OSError(errno.ENOSPC, "No space left on device")
    with mock.patch("PIL.Image.Image.save", side_effect=full):
        assert "disk is full" in refused(lambda: start(tmp_path / "a"))
    assert checkpoint.load(checkpoint.listed(tmp_path / "a" / "checkpoints")[0])
    real = Path.open

    def history_is_full(path, *words, **more):
        if path.name == "history.jsonl":
            raise full
        return real(path, *words, **more)

    with mock.patch.object(Path, "open", history_is_full):
        assert "disk is full" in refused(lambda: start(tmp_path / "b"))


def test_r9_a_read_only_mount(finished, tmp_path):
    with files.mounted(tmp_path / "disk", "size=16m") as disk:
        run = shutil.copytree(finished, disk / "run")
        os.system(f"mount -o remount,ro {disk}")
        before = files.content(disk)
        for call in (
            lambda: start(disk / "new" / "run"),
            lambda: start(run),
            lambda: resume(run, data=games.images(), steps=8, say=games.quiet),
        ):
            assert str(disk) in refused(call)
        assert files.content(disk) == before


@pytest.mark.parametrize("call", ["mkdir", "open"])
def test_r9_an_injected_erofs(call, tmp_path):
    def broken(path, *_rest, **_more):
        raise OSError(errno.EROFS, "Read-only file system", path)

    with mock.patch.object(os, call, broken):
        assert "read-only" in refused(lambda: start(tmp_path / "run"))
    assert not (tmp_path / "run" / "run.json").exists()


def test_r9_a_disk_that_goes_read_only_under_a_run(tmp_path):
    def broken(*_words):
        raise OSError(errno.EROFS, "Read-only file system")

    files_before = {"a": games.torch.zeros(3)}
    checkpoint.save(tmp_path, 1, files_before, {})
    with mock.patch.object(os, "unlink", broken):  # the half-written file cannot be removed either
        said = refused(lambda: checkpoint.save(tmp_path, 2, files_before, {}, write=broken))
    assert "Read-only" in said
    assert "previous checkpoint is whole" in said
    checkpoint.load(checkpoint.path_of(tmp_path, 1))


def test_r9_a_folder_that_holds_another_run_or_anything_else(finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    (run / ".lock").unlink()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("the only copy")
    a_file = tmp_path / "file"
    a_file.write_text("x")
    before = files.content(tmp_path)
    assert "holds another run" in refused(lambda: start(run))
    assert "not empty (thesis.txt)" in refused(lambda: start(mine))
    assert "file" in refused(lambda: start(a_file))
    assert "no run.json" in refused(lambda: resume(mine))
    assert "no such folder" in refused(lambda: resume(tmp_path / "none"))
    assert files.content(tmp_path) == before


def test_r9b_one_writer_a_run(tmp_path):
    out = tmp_path / "run"
    said = []

    def second(trainer):
        if trainer.iteration == 1:
            before = files.content(out)
            said.append(refused(lambda: start(out)))
            said.append(refused(lambda: resume(out, data=games.images(), say=games.quiet)))
            assert files.content(out) == before

    start(out, hooks=Hooks(on_iteration=second))
    assert len(said) == 2
    assert all("another process is writing" in line for line in said)
    resume(out, data=games.images(), steps=3, say=games.quiet)  # the lock went with its holder


def test_r9b_the_lock_of_a_killed_writer_is_free(finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    holder = os.fork()
    if holder == 0:
        with contextlib.suppress(BaseException):
            runfolder.RunFolder.open(run)
            os.kill(os.getpid(), 9)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(holder, 0)[1]) == -9
    resume(run, data=games.images(), steps=5, say=games.quiet)
