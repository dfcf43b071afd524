"""What a step is given: real batches in the order of who draws them, and random streams."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from steadygan.data import Dataset
from steadygan.data.mapped import Items
from steadygan.errors import UserError
from steadygan.game.draws import Stream, uniform
from steadygan.game.inputs import RealBatch, StepInputs
from steadygan.game.processes import ALONE, Processes
from steadygan.game.repeating import Turn
from steadygan.training.precision import DeviceConfig

#: An iteration (or a step of a stage), a player or stage, and a step of it.
Place = tuple[int, str, int]


@dataclass(frozen=True)
class Streams:
    """Generators of a run with `seed`.

    A stream is a pure function of (seed, name, place): the latents of D's third step in iteration
    500 are the same in a resumed run, in a replayed failure, and whatever was logged in between. So
    nothing about randomness needs saving, and no stream can run ahead of a checkpoint.
    """

    seed: int

    def key(self, name: str, *place: int | str, rank: int = 0) -> int:
        """A 63-bit seed for stream `name` at `place`; the same in all processes but for `rank`."""
        text = repr((self.seed, rank, name, place)).encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1

    def generator(self, name: str, *place: int | str) -> torch.Generator:
        """A CPU generator for stream `name` at `place` (iteration, player, step, ...)."""
        return torch.Generator().manual_seed(self.key(name, *place))

    def seed_global_rng(self, *place: int | str, rank: int = 0) -> None:
        """Seed torch's own generators (dropout layers draw from them) for the step at `place`."""
        seed = self.key("ambient", *place, rank=rank)
        torch.default_generator.manual_seed(seed)
        if torch.cuda.is_initialized():  # torch.manual_seed asks for every kind of device
            torch.cuda.manual_seed_all(seed)


#: The share of a device's free memory that images may take there, and how many go there at a time.
SHARE_FOR_IMAGES = 0.25
CHUNK = 4096


def fits(items: Items, device: torch.device) -> bool:
    """Whether items are to be held on the device: a GPU with memory enough. For a CPU the file in
    its memory is as near as a copy would be."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return items.nbytes <= SHARE_FOR_IMAGES * free


def held_on(device: torch.device, items: Items) -> Tensor:
    """All items (N, ...) on the device, as they are at rest; never all in the host's memory."""
    kind = torch.from_numpy(np.array(items[:0])).dtype
    held = torch.empty(items.shape, dtype=kind, device=device)
    for start in range(0, len(held), CHUNK):
        held[start : start + CHUNK] = torch.from_numpy(np.array(items[start : start + CHUNK]))
    return held


@dataclass
class Requests:
    """What the steps of an iteration have asked for: real batches and streams by player, step and
    name (how often), and whether it is the turn of what acts seldom."""

    batches: set[tuple[str, int]] = field(default_factory=set)
    streams: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    turns: set[Turn] = field(default_factory=set)


class InputSource:
    """Real batches and random streams of a run. `draws` counts the real batches by who drew them;
    it is all that must be saved. Each of several processes gets its share of the same batches.

    On a GPU the images are held as they are at rest (uint8), where they fit in a quarter of its
    free memory. Else each batch comes from their file, to a GPU through pinned memory, at one byte
    a pixel, while the host goes on. Labels are held there, and streams draw there.

    `requests` is told what steps ask for, and may be replaced between iterations.
    """

    def __init__(
        self, data: Dataset, batch: int, seed: int, device_config: DeviceConfig,
        processes: Processes = ALONE,
    ) -> None:  # fmt: skip
        self.data, self.batch, self.processes = data, batch, processes
        self.streams = Streams(seed)
        self.draws: dict[str, int] = {}
        self.device = device_config.device
        self.requests = Requests()
        items, labels = data.train.items, data.train.labels
        self._held = held_on(self.device, items) if fits(items, self.device) else None
        self._labels: Tensor | None = None
        if labels is not None and self.device.type == "cuda":
            self._labels = held_on(self.device, labels)
        self._memory_format = device_config.memory_format
        self.autocast: Callable[[], AbstractContextManager] = device_config.autocast()

    def at(self, place: Place) -> StepInputs:
        """The inputs of the step at `place`; torch's own generators, which dropout layers draw
        from, are seeded for it."""
        self.streams.seed_global_rng(*place, rank=self.processes.rank)
        _, player, k = place
        requests = self.requests

        def real() -> RealBatch:
            requests.batches.add((player, k))
            return self.next_batch(place)

        def generator(name: str) -> Stream:
            requests.streams[player, k, name] += 1
            return self.seeded(self.stream(), name, place)

        return StepInputs(
            real=real,
            generator=generator,
            autocast=self.autocast,
            device=self.device,
            processes=self.processes,
            asks=requests.turns.add,
        )

    def stream(self) -> Stream:
        """A stream on the device of the networks, to be `seeded`."""
        stream = Stream(self.device)
        stream.processes = self.processes
        return stream

    def seeded(self, stream: Stream, name: str, place: Place) -> Stream:
        """`stream`, from here on that of `name` at `place`."""
        stream.manual_seed(self.streams.key(name, *place))
        return stream

    def next_batch(self, place: Place) -> RealBatch:
        """The next batch of the train part in the order of the player or stage that draws it."""
        train, (_, player, _) = self.data.train, place
        order = self.streams.key("data order", player)
        draw = self.draws.get(player, 0)
        drawn = torch.from_numpy(batch_indices(len(train.items), self.batch, order, draw))
        rows = self.processes.share_of(drawn)
        self.draws[player] = draw + 1
        there = rows.to(self.device, non_blocking=True)
        images = as_played(self._held[there] if self._held is not None else self._read(rows))
        if self.data.settings.flip and images.dim() == 4:
            stream = self.seeded(self.stream(), "augmentation", place)
            chosen = uniform((len(images), 1, 1, 1), stream) < 0.5
            images = torch.where(chosen, images.flip(3), images)
        labels = None if self._labels is None else self._labels[there]
        if train.labels is not None and labels is None:
            labels = torch.from_numpy(train.labels[rows.numpy()])
        return self.on_device(images, labels, rows)

    def _read(self, rows: Tensor) -> Tensor:
        """The training items `rows` (B,) int64 from their file, at rest, on the device."""
        found = torch.from_numpy(self.data.train.items[rows.numpy()])
        if self.device.type == "cpu":
            return found
        return found.pin_memory().to(self.device, non_blocking=True)

    def held_out(self, iteration: int) -> RealBatch | None:
        """A batch of data that training never sees, chosen by the iteration."""
        test = self.data.test
        batch = min(self.batch, len(test)) // self.processes.size * self.processes.size
        if batch < 2:  # no statistics of a batch
            return None
        generator = self.streams.generator("heldout", iteration)
        order = torch.randperm(len(test), generator=generator)[:batch]
        rows = self.processes.share_of(order).numpy()
        labels = None if test.labels is None else torch.from_numpy(test.labels[rows])
        images = as_played(torch.from_numpy(test.items[rows]))
        return self.on_device(images, labels, torch.from_numpy(rows))

    def on_device(
        self, images: Tensor, labels: Tensor | None = None, rows: Tensor | None = None
    ) -> RealBatch:
        """The batch on the device of the networks, images (4-D) in their memory format."""
        laid_out = self._memory_format if images.dim() == 4 else torch.preserve_format
        images = images.to(self.device, memory_format=laid_out)
        return RealBatch(images, None if labels is None else labels.to(self.device), rows)


def batch_indices(count: int, batch: int, seed: int, draw: int) -> np.ndarray:
    """Indices of the `draw`-th batch out of `count` items: int64 (batch,), each in 0..count-1.

    Every epoch of `count // batch` draws is a fresh permutation without its last partial batch.
    `seed` and `draw` are 0 or more: the order is a function of them, so that a resumed run needs no
    state. Raises UserError where `count < batch`, or `batch < 1`.
    """
    if batch < 1:
        raise UserError(f"batch={batch} is no batch; give 1 or more")
    if count < batch:
        raise UserError(
            f"fewer images than one batch: {count} for batch={batch}; "
            f"lower batch= to at most {count}, or add images"
        )
    epoch, step = divmod(draw, count // batch)
    # A copy: the order is cached, and torch.from_numpy warns about read-only arrays.
    return _order(count, seed, epoch)[step * batch : (step + 1) * batch].copy()


@lru_cache(maxsize=8)  # D's and G's draws, the held-out ones, and both sides of an epoch's end
def _order(count: int, seed: int, epoch: int) -> np.ndarray:
    # numpy promises that the raw words of a bit generator never change between versions; for
    # Generator.permutation it does not, and a resumed run must see the same order.
    words = np.random.Philox(np.random.SeedSequence((seed, epoch, 0))).random_raw(count)
    order = np.argsort(words, kind="stable").astype(np.int64, copy=False)
    order.flags.writeable = False
    return order


def as_played(items: Tensor) -> Tensor:
    """Data at rest as networks take it: uint8 images become float32 in [-1, 1]."""
    return items.float() / 127.5 - 1.0 if items.dtype == torch.uint8 else items
