"""What every test starts from: one thread, and a cache that is not the user's own."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # for tests/tiny.py


@pytest.fixture(autouse=True, scope="session")
def session_cache(tmp_path_factory):
    """Decoded images of tests go to a folder of the session, never under HOME."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEADYGAN_CACHE", str(tmp_path_factory.mktemp("steadygan-cache")))
        yield


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny tensors are faster on one thread, and two workers share two cores."""
    torch.set_num_threads(1)
