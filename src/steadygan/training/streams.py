"""Random streams: one generator for each use, keyed by where it is used.

A stream is a pure function of (seed, rank, name, place): the latents of D's third step in
iteration 500 are the same in a resumed run, in a replay, and whatever was logged in between. So
nothing about randomness needs saving, and no stream can run ahead of a checkpoint.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Streams:
    """Generators of a run with `seed`; `rank` tells processes apart."""

    seed: int
    rank: int = 0

    def key(self, name: str, *place: int | str) -> int:
        """A 63-bit seed for stream `name` at `place`."""
        text = repr((self.seed, self.rank, name, place)).encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1

    def generator(self, name: str, *place: int | str) -> torch.Generator:
        """A CPU generator for stream `name` at `place` (iteration, player, step, ...)."""
        return torch.Generator().manual_seed(self.key(name, *place))

    def seed_global_rng(self, *place: int | str) -> None:
        """Seed torch's own generators (dropout layers draw from them) for the step at `place`."""
        torch.manual_seed(self.key("ambient", *place))
