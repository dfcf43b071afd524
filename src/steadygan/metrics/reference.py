"""The real side: features of the data's images, computed once and cached, and what follows from
them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from steadygan.data import Dataset, Split
from steadygan.data.mapped import Items
from steadygan.errors import UserError, did_you_mean
from steadygan.features.cached import Made, cached, cached_facts
from steadygan.features.extract import Extractor, Features, Progress, extract, quiet
from steadygan.metrics.birthday import nearest_distance
from steadygan.metrics.energy_distance import energy_distance, mean_distance
from steadygan.metrics.frechet import Moments, frechet_distance, moments, too_few
from steadygan.metrics.inception_score import inception_score
from steadygan.metrics.nearest import among_real
from steadygan.metrics.prdc import BOUND, COVERAGE_K, prdc, prdc_at, real_balls
from steadygan.metrics.sharpness import sharpness

#: Real images at most: all of MNIST's and Fashion-MNIST's train part.
MOST = 60_000
#: Images a side that nearest neighbours and sharpness are taken over, at most.
NEIGHBOURS = 10_000
#: Raise when what is cached of the real side changes.
VERSION = 1
SPLITS = ("train", "test")


@dataclass(frozen=True)
class Reference:
    """The real images of one part of a data set, evenly spread, with their features.

    Build with `reference_of`. `rows`: their indices in the part.
    """

    data: Dataset
    split: str
    extractor: Extractor
    rows: np.ndarray
    features: Features

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def part(self) -> Split:
        return part_of(self.data, self.split)

    @cached_property
    def moments(self) -> Moments:
        return moments(self.features.values)

    @cached_property
    def _within(self) -> dict[int, float]:
        """The mean distance of two real features, by how many there are."""
        return {}

    def some(self, count: int) -> np.ndarray:
        """`count` places among the images, evenly spread; all where there are no more."""
        return evenly(len(self), count)

    def images(self, places: np.ndarray) -> np.ndarray:
        """uint8 images (n, C, H, W) at these places."""
        return np.asarray(self.part.items[self.rows[places]])

    def labels(self) -> np.ndarray | None:
        return None if self.part.labels is None else self.part.labels[self.rows]

    def sharpness(self, kind: str) -> float:
        """The mean over at most 10,000 of the images."""
        return float(sharpness(self.images(self.some(NEIGHBOURS)), kind).mean())

    def inception_score(self, count: int) -> tuple[float, float]:
        """That of `count` of the images, evenly spread, in a random order: data sets are sorted by
        class, and splits of one class each would score 1."""
        order = torch.randperm(min(count, len(self)), generator=torch.Generator().manual_seed(0))
        chosen = self.some(count)[order.numpy()]
        return inception_score(self.features.rows(chosen).probabilities)

    def known(
        self,
        kind: str,
        count: int,
        make: Callable[[int], dict[str, Any]],
        say: Callable[[str], None],
    ) -> dict[str, Any]:
        """`make(count)`, a fact of the real side alone, from the cache or made now."""
        return cached_facts(kind, self._key(count), say, lambda: make(count))

    def _key(self, count: int) -> dict[str, Any]:
        return {"version": VERSION, "data": self.data.fingerprint, "features": self.extractor.hash,
                "split": self.split, "of": len(self), "count": count,
                "ball_bound": BOUND}  # fmt: skip

    def prdc(
        self,
        fake: Tensor,
        say: Callable[[str], None],
        bounds: Sequence[float | None] = (BOUND, None),
    ) -> list[dict[str, float]]:
        """Precision, recall, density and coverage for each of `bounds`: with bounded balls, and as
        published. As many images as samples are compared, evenly spread: with more samples than
        images each ball would get more chances, and coverage rise by that alone. The radii of the
        real side are computed once and cached."""
        fake = fake[evenly(len(fake), len(self))]
        real = self.features.rows(self.some(len(fake))).values

        def make() -> Made:
            return dict(zip(("near", "wide"), real_balls(real), strict=True)), {}

        balls, _ = cached("real-balls", self._key(len(fake)), say, make)
        return prdc_at(real, fake, bounds, balls=(balls["near"], balls["wide"]))

    def nearest_two(self, count: int) -> dict[str, Any]:
        """The distance of the two nearest among `count` different images, by features (at most
        10,000, evenly spread), and how many there were."""
        near = self.some(min(count, NEIGHBOURS))
        different = distinct(self.images(near), self.features.values[near])
        return {"distance": nearest_distance(different), "count": len(different)}

    def nearest_other(self, count: int) -> dict[str, Any]:
        """The median distance of `among_real` over the first `count` images."""
        return {"among_real": among_real(self.features.values[:count])}

    def against_itself(self, count: int) -> dict[str, Any]:
        """The values of real images: a part of them, drawn at random, against the others.

        `fid` is the Frechet distance between equal distributions: its bias at `count` samples
        against this reference. It falls as 1/N + 1/M; where `count` is more than half of the
        images, the distance of two halves (`of` images each) is scaled by that law. Precision,
        recall, density and coverage are of `neighbours` images a side. None where there are too few
        images.
        """
        drawn, others = self._split(count, 0)
        found: dict[str, Any] = {"fid": self._bias(count, drawn, others), "of": len(drawn)}
        near = min(len(drawn), NEIGHBOURS)
        if near > COVERAGE_K:
            found |= {"neighbours": near, **prdc(others[:near], drawn[:near], bound=BOUND)}
        return found

    def fid_of_draws(
        self, count: int, draws: int, progress: Progress = quiet
    ) -> list[float] | None:
        """`fid` of `against_itself` for this many draws: their spread is the effect of the choice
        of samples on a distance at `count`. None where there are too few images. `progress` counts
        draws."""
        found = []
        for seed in range(draws):
            if (fid := self._bias(count, *self._split(count, seed))) is None:
                return None
            found.append(fid)
            progress(seed + 1, draws)
        return found

    def energy_of_draws(self, count: int, draws: int, progress: Progress = quiet) -> list[float]:
        """The energy distance of equal distributions at `count`, for this many draws: that of two
        parts of the images, which there is of however few, scaled by its law. It is (1/N + 1/M)
        times the mean distance of two images, since each counts itself too."""
        found = []
        for seed in range(draws):
            drawn, others = self._split(count, seed)
            others = others[: len(drawn)]
            scale = (1 / count + 1 / min(count, len(self))) / (1 / len(drawn) + 1 / len(others))
            found.append(scale * energy_distance(drawn, others, exact=False))
            progress(seed + 1, draws)
        return found

    def energy_distance(self, features: Tensor) -> float:
        """That of samples' features (n, d) from those of as many of the images, evenly spread: the
        distance where there are too few of either for FID, or for that of real images. Unlike KID
        it grows with how far samples are off, also where that is far."""
        real = self.features.rows(self.some(len(features))).values
        if len(real) not in self._within:
            self._within[len(real)] = mean_distance(real, real, exact=False)
        return energy_distance(features, real, self._within[len(real)], exact=False)

    def too_few(self, count: int) -> str:
        """Why so many samples have no FID against these images; empty where they have."""
        return too_few(min(count, len(self)), self.extractor.dimension)

    def no_level(self, count: int) -> str:
        """Why there is no FID of so many real images against these, by which that of samples could
        be read; empty where there is one."""
        images, wanted = len(self), 2 * self.extractor.dimension + 2
        if images < wanted:
            return f"{images:,} real images; FID, and to know that of real ones, wants {wanted:,}"
        return self.too_few(count)

    def _split(self, count: int, seed: int) -> tuple[Tensor, Tensor]:
        """The features of `count` images drawn at random (half of all at most), and of the rest."""
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        part = min(count, len(self) // 2)
        return self.features.values[order[:part]], self.features.values[order[part:]]

    def _bias(self, count: int, drawn: Tensor, others: Tensor) -> float | None:
        """The Frechet distance of two parts, scaled to `count` against all; None of too few."""
        if too_few(len(drawn), self.extractor.dimension):
            return None
        scale = (1 / count + 1 / len(self)) / (1 / len(drawn) + 1 / len(others))
        return scale * frechet_distance(moments(others), moments(drawn))


def part_of(data: Dataset, split: str) -> Split:
    """The part of a data set called `split`."""
    if split not in SPLITS:
        raise UserError(f"--split {split}: unknown{did_you_mean(split, SPLITS)}")
    return data.train if split == "train" else data.test


def evenly(every: int, count: int) -> np.ndarray:
    """`count` of `every` rows, evenly spread, in order; all of them where there are no more."""
    return np.arange(every) if count >= every else np.linspace(0, every - 1, count).astype(np.int64)


def reference_of(
    data: Dataset,
    extractor: Extractor,
    *,
    split: str = "train",
    most: int = MOST,
    say: Callable[[str], None] = print,
    progress: Progress = quiet,
) -> Reference:
    """The real side of `split`, at most `most` images, from the cache or made now.

    The cache key is the data's fingerprint, the hash of the features, the part and the count:
    entries of other data or weights are never used. `progress` counts images.
    """
    part = part_of(data, split)
    rows = evenly(len(part), most)
    key = {
        "version": VERSION,
        "data": data.fingerprint,
        "features": extractor.hash,
        "split": split,
        "count": len(rows),
    }

    def make() -> Made:
        found = extract(extractor, _Rows(part.items, rows), progress)
        return {"values": found.values, "probabilities": found.probabilities}, {}

    tensors, _ = cached("real-features", key, say, make)
    features = Features(tensors["values"], tensors["probabilities"])
    return Reference(data, split, extractor, rows, features)


class _Rows:
    """Some rows of a memory-mapped array, read a slice at a time."""

    def __init__(self, items: Items, rows: np.ndarray) -> None:
        self.items, self.rows = items, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> np.ndarray:
        return self.items[self.rows[part]]


def distinct(images: np.ndarray, features: Tensor) -> Tensor:
    """The features of the images without repetitions: of equal ones, the first."""
    _, first = np.unique(images.reshape(len(images), -1), axis=0, return_index=True)
    return features[torch.from_numpy(np.sort(first))]
