"""Messages through shared memory: each thread here stands for a process of a machine."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import torch
from ranks import each, memories, met

from steadygan.game import shared_memory
from steadygan.game.processes import Processes, ProcessLostError
from steadygan.game.shared_memory import SharedMemory
from steadygan.training import meeting


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(shared_memory, "PIECE", 64)
    monkeypatch.setattr(meeting, "PIECE", 64)
    monkeypatch.setattr(meeting, "MEETING_SECONDS", 2.0)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.uint8])
@pytest.mark.parametrize("shape", [(), (3,), (5, 4), (7, 0), (2, 3, 67)])
def test_all_have_what_each_has_said_and_its_sum(count, dtype, shape):
    torch.manual_seed(0)
    own = [torch.randint(0, 50, shape).to(dtype) for _ in range(count)]
    with memories(count) as there:
        gathered = each(there, lambda rank, memory: memory.gathered(own[rank]))
        summed = each(there, lambda rank, memory: memory.summed(own[rank].clone()))
    for found in gathered:
        assert torch.equal(found, torch.stack(own))
    for found in summed:
        assert found.dtype == dtype
        assert torch.equal(found, sum(own[1:], own[0]))


def test_sums_have_the_same_bits_in_all():
    torch.manual_seed(0)
    own = [torch.randn(1000) for _ in range(3)]
    with memories(3) as there:
        first, *others = each(there, lambda rank, memory: memory.summed(own[rank].clone()))
    assert torch.allclose(first, own[0] + own[1] + own[2], atol=1e-5)
    assert all(torch.equal(first, other) for other in others)


def test_a_message_stays_until_all_have_read_it():
    """One process is quick: it writes its next message while the other still reads the last."""
    with memories(2) as (quick, slow):
        pool = ThreadPoolExecutor(1)
        messages = [torch.full((4,), i, dtype=torch.uint8) for i in range(3)]
        ahead = pool.submit(lambda: [quick.gathered(m) for m in messages])
        for i in range(3):
            exchange = slow._exchanged(messages[i])
            _, pieces = next(exchange)
            before = pieces.clone()
            threading.Event().wait(0.1)  # the quick one goes on as far as it can
            assert torch.equal(pieces, before)
            assert pieces.tolist() == [[i] * 4] * 2
            assert list(exchange) == []
        assert [m.tolist() for m in ahead.result(20)] == [[[i] * 4] * 2 for i in range(3)]
        pool.shutdown()


def test_one_that_ends_or_is_silent_is_lost_to_the_others():
    with memories(2, patience=0.2) as (memory, other):
        processes = Processes(0, 2)
        processes.memory = memory
        with pytest.raises(ProcessLostError, match=r"does not answer \(timed out\)"):
            processes.most(1.0)
        other.close()
        with pytest.raises(ProcessLostError, match="another process of this run has ended"):
            processes.most(1.0)


def test_one_that_ends_while_another_waits_for_it_is_lost():
    own, other = socket.socketpair()
    memory = SharedMemory(0, torch.zeros(2, 2, 64, dtype=torch.uint8), [own], 60)
    with closing(memory), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: memory.gathered(torch.zeros(3)))
        other.recv(1)
        other.close()
        with pytest.raises(ConnectionError, match="connection closed"):
            waiting.result(20)


@pytest.mark.parametrize("seconds", [0, 0.2])
def test_a_message_that_comes_at_once_or_late(seconds):
    own, other = socket.socketpair()
    memory = SharedMemory(0, torch.zeros(2, 2, 64, dtype=torch.uint8), [own], 60)
    with closing(memory), other, ThreadPoolExecutor(1) as pool:
        if not seconds:
            other.sendall(b"\0")
        waiting = pool.submit(lambda: memory.summed(torch.ones(3)))
        if seconds:
            time.sleep(seconds)
            other.sendall(b"\0")
        assert waiting.result(20).tolist() == [1, 1, 1]


def test_one_that_is_silent_is_lost():
    own, other = socket.socketpair()
    memory = SharedMemory(0, torch.zeros(2, 2, 64, dtype=torch.uint8), [own], 0.1)
    with closing(memory), other, pytest.raises(TimeoutError):
        memory.gathered(torch.zeros(3))


def test_nothing_is_left_on_disk_and_no_one_else_can_enter(monkeypatch, tmp_path):
    monkeypatch.setattr(meeting, "MEMORY", tmp_path)
    modes = []
    opened = meeting._opened
    monkeypatch.setattr(
        meeting, "_opened",
        lambda folder, *more: modes.append(folder.stat().st_mode & 0o777) or opened(folder, *more),
    )  # fmt: skip
    with memories(2) as found:
        assert None not in found
    assert modes == [0o700] * 2
    assert list(tmp_path.iterdir()) == []


def no_room(monkeypatch):
    def full(path, data):
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)


def another_machine(monkeypatch):
    opened = meeting._opened
    monkeypatch.setattr(
        meeting, "_opened",
        lambda folder, rank, *more: opened(folder if rank == 0 else folder / "no", rank, *more),
    )  # fmt: skip


def a_file_and_no_memory(monkeypatch):
    """A folder that another machine sees too: no process listens where its sockets are."""
    connect = meeting._connect
    monkeypatch.setattr(
        meeting, "_connect",
        lambda folder, *more: connect(folder / "elsewhere", *more),
    )  # fmt: skip


@pytest.mark.parametrize("why", [no_room, another_machine, a_file_and_no_memory])
def test_processes_that_cannot_share_memory_all_know_it(why, monkeypatch, tmp_path):
    monkeypatch.setattr(meeting, "MEMORY", tmp_path)
    why(monkeypatch)
    assert met(2) == [None, None]
    assert list(tmp_path.iterdir()) == []
