"""What every test starts from: one thread, and a cache that is not the user's own."""

import os
import sys
from pathlib import Path

import pytest
import torch

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]  # tests.*, tiny

from tests.reliability import children  # noqa: E402

#: The longest tests, which start first, so that no worker is left alone with one at the end.
LONGEST = (
    "test_whatever_ends_a_studys_processes", "test_a_cut_run_ends_bit_for_bit", "test_a_killed_run",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not any(name in item.nodeid for name in LONGEST))


@pytest.fixture(autouse=True, scope="session")
def session_cache(tmp_path_factory):
    """Decoded images of tests go to a folder of the session, never under HOME."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEADYGAN_CACHE", str(tmp_path_factory.mktemp("steadygan-cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_disks():
    """No test pulls a plug, so none waits until the disk has it; that files and folders are synced,
    and in which order, is a test of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: None)
        patch.setenv(children.NO_SYNC, "1")
        yield


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors are faster on one thread, and two workers share two cores."""
    torch.set_num_threads(1)
