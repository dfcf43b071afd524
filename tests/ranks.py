"""Threads of a test that stand for the processes of a machine, over shared memory."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from steadygan.training import meeting


def in_all(count, call):
    """What `call(rank, tell)` gives in each of `count` processes."""
    said, barrier = [""] * count, threading.Barrier(count, timeout=20)

    def telling(rank):
        def tell(text):
            said[rank] = text
            barrier.wait()
            found = list(said)
            barrier.wait()
            return found

        return tell

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda rank: call(rank, telling(rank)), range(count)))


def met(count, patience=20.0):
    return in_all(count, lambda rank, tell: meeting.meet(rank, count, tell, patience))


@contextmanager
def memories(count, patience=20.0):
    found = met(count, patience)
    try:
        yield found
    finally:
        for memory in filter(None, found):
            memory.close()


def each(memories, call):
    with ThreadPoolExecutor(len(memories)) as pool:
        return list(pool.map(call, range(len(memories)), memories))
