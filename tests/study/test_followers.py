"""The other processes of a run: they end with the first one, and it says what became of them."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from tiny import run_facts

from steadygan.errors import SteadyGanError, UserError
from steadygan.game.processes import ProcessLostError
from steadygan.launch import rank_and_count
from steadygan.study import followers
from steadygan.study.followers import Followers, followed, following
from steadygan.training import Stopped
from steadygan.training.joining import device_of
from steadygan.training.runfolder import RunFolder
from steadygan.training.runs import kind_of_device
from tests.study.test_queue import until

# Python 3.12 warns of forks beside threads; these do nothing that could wait for one.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


@pytest.fixture
def program(monkeypatch, tmp_path):
    """Followers that run a shell script instead of training."""

    def use(script):
        path = tmp_path / "follower"
        path.write_text(f"#!/bin/sh\necho $$ >> {tmp_path}/pids\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(followers.sys, "executable", str(path))

    use.pids = lambda: [int(n) for n in (tmp_path / "pids").read_text().split()]
    return use


@pytest.fixture
def ready(monkeypatch):
    """All are taken to be ready at once."""
    monkeypatch.setattr(Followers, "wait_until_ready", lambda self, stop: None)


def never():
    return None


def alive(process):
    return Path(f"/proc/{process}").exists()


@pytest.mark.parametrize(
    ("script", "said"), [("kill -9 $$", "was killed by SIGKILL"), ("exit 3", "ended with 3")]
)
def test_one_that_ends_before_it_is_ready_is_no_reason_to_wait(program, tmp_path, script, said):
    program(script)
    with (
        pytest.raises(ProcessLostError, match=f"^process 1 of this run {said}$") as lost,
        followed(tmp_path, "gan-s0", 2, never),
    ):
        raise AssertionError("it never joined")
    assert lost.value.exit_code == 6


def test_within_this_is_the_first_of_them_and_then_they_are_gone(program, ready, tmp_path):
    program("cat > /dev/null")
    with followed(tmp_path, "gan-s0", 3, never, trust_code=True):
        assert rank_and_count() == (0, 3)
        until(lambda: (tmp_path / "pids").exists() and len(program.pids()) == 2, 20)
        assert all(map(alive, program.pids()))
    assert rank_and_count() == (0, 1)
    assert not any(map(alive, program.pids()))


def test_each_is_told_which_it_is_and_what_it_works_on(program, ready, tmp_path):
    said = tmp_path / "said"
    program(f'echo "$@" $RANK $LOCAL_RANK of $WORLD_SIZE > {said}; cat > /dev/null')
    with followed(tmp_path, "gan-s0", 2, never, trust_code=True):
        until(lambda: said.exists() and said.read_text(), 20)
    words = f"-m steadygan work {tmp_path} gan-s0 --follows --trust-code 1 1 of 2"
    assert said.read_text().strip() == words


def test_a_run_of_one_process_starts_none(program, tmp_path):
    program("exit 1")
    with followed(tmp_path, "gan-s0", 1, never):
        assert rank_and_count() == (0, 1)
    assert not (tmp_path / "pids").exists()


def test_a_stop_while_they_start_ends_all(program, tmp_path):
    program("cat > /dev/null")
    stop = lambda: Stopped("stopped", 143) if (tmp_path / "pids").exists() else None  # noqa: E731
    with pytest.raises(Stopped), followed(tmp_path, "gan-s0", 2, stop):
        raise AssertionError("it never joined")
    assert not any(map(alive, until(program.pids)))


def test_one_that_does_not_end_is_killed(program, ready, tmp_path, monkeypatch):
    monkeypatch.setattr(followers, "SOON_SECONDS", 0.2)
    program("exec sleep 60")
    with followed(tmp_path, "gan-s0", 2, never):
        until(lambda: (tmp_path / "pids").exists(), 20)
    assert not any(map(alive, program.pids()))


def test_the_error_of_a_lost_process_is_why_it_was_lost(program, ready, tmp_path):
    program("kill -9 $$")
    with (
        pytest.raises(ProcessLostError, match=r"^process 1 of this run was killed"),
        followed(tmp_path, "gan-s0", 2, never),
    ):
        raise ProcessLostError("another process of this run has ended")


def test_a_process_that_says_why_it_fails_is_believed_and_one_that_lost_another_is_no_cause(
    program,
):
    program("cat > /dev/null")
    group = Followers(4)
    group.start([followers.sys.executable])
    try:
        group.store.set("why 1", "6 another process of this run has ended")
        assert group.cause() is None
        group.store.set("why 3", "2 no such data")
        cause = group.cause()
        assert (str(cause), cause.exit_code) == ("process 3 of this run: no such data", 2)
        group.processes[2].kill()
        group.processes[2].wait()
        assert str(group.cause()) == "process 2 of this run was killed by SIGKILL"
    finally:
        group.end()


@pytest.mark.parametrize(
    ("told", "code"), [(None, 6), ("1 unexpected RuntimeError", 1), ("3 NaN in D", None)]
)
def test_a_process_that_waits_for_a_dead_one_for_good_ends(
    program, monkeypatch, capfd, told, code
):  # as with a GPU; NaN is found by all of them, and the first is busy with saving it
    ended = []
    monkeypatch.setattr(followers, "OFTEN", 0.01)
    monkeypatch.setattr(followers, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(followers.os, "_exit", ended.append)
    program("cat > /dev/null" if told else "kill -9 $$")
    group = Followers(2)
    if told:
        group.store.set("why 1", told)
    group.start([followers.sys.executable])
    try:
        if code is None:
            time.sleep(0.5)
            assert ended == []
        else:
            until(lambda: ended, 20)
            assert ended[0] == code
            assert capfd.readouterr().err.startswith("steadygan: process 1 of this run")
    finally:
        group.end()


# ---- the side of the others --------------------------------------------------------------------


@pytest.fixture
def group(monkeypatch):
    """The store of a run of two, for this process as the second one."""
    monkeypatch.setattr(followers, "_until_stdin_ends", lambda: None)
    group = Followers(2)
    with followers.environment(group.variables(1)):
        yield group


def test_a_follower_says_when_it_is_ready_and_why_it_fails(group):
    group.processes = {1: None}  # it is here

    def follow():
        with following() as is_ready:
            assert not group.store.check(["ready 1"])
            is_ready()
            group.wait_until_ready(never)
            raise UserError("no such data")

    with pytest.raises(UserError):
        follow()
    assert group.store.get("why 1") == b"2 no such data"


def test_a_follower_goes_on_when_the_store_has_its_word(group, monkeypatch):
    class Late(torch.distributed.TCPStore):
        def set(self, key, value):  # returns before the store has it, as the real one may
            threading.Timer(0.2, group.store.set, (key, value)).start()

    monkeypatch.setattr(followers.dist, "TCPStore", Late)
    with following() as is_ready:
        is_ready()
        assert group.store.check(["ready 1"])
        raise Stopped("stopped by SIGTERM, state saved", 143)


def test_a_follower_that_is_stopped_says_nothing(group):
    with following():
        raise Stopped("stopped by SIGTERM, state saved", 143)
    assert not group.store.check(["why 1"])


def test_a_follower_ends_with_the_process_that_holds_its_stdin():
    reads, writes = os.pipe()
    if not (process := os.fork()):
        os.close(writes)
        os.dup2(reads, 0)
        followers._until_stdin_ends()
    os.close(reads)
    assert os.waitpid(process, os.WNOHANG) == (0, 0)
    os.close(writes)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 128 + signal.SIGTERM


# ---- what they share -----------------------------------------------------------------------------


def test_each_process_has_a_gpu_of_its_own_and_keeps_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: True)
    assert [device_of("auto", rank) for rank in range(2)] == ["cuda:0", "cuda:1"]
    assert device_of(device_of("cuda", 1), 1) == "cuda:1", "asked twice, as by train"
    assert device_of("cpu", 5) == "cpu"
    with pytest.raises(UserError, match="this machine has 2"):
        device_of("auto", 2)
    with pytest.raises(SteadyGanError, match="each takes a GPU of its own"):
        device_of("cuda:0", 1)


def test_a_run_goes_on_with_the_kind_of_device_that_it_had(tmp_path):
    for device, kind in (("cpu", "cpu"), ("cuda:3", "cuda")):
        with RunFolder.create(tmp_path / kind) as folder:
            folder.write_facts(run_facts(device=device))
        assert kind_of_device(tmp_path / kind) == kind
