"""Which method and settings for which data: a table of rules, the first that holds and those that
add to it.

Each rule says why, in words that name its evidence. What was not measured is not recommended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from steadygan.data import Dataset
from steadygan.diagnosis.features import raw_features
from steadygan.errors import UserError
from steadygan.training.inputs import as_played

#: Fewer images than this are refused, and up to the second number a warning is given.
LEAST, FEW = 50, 500
#: Images that near-duplicates are counted among, and the distance up to which two are one: of
#: features that are about 1 in size.
LOOKED_AT, SAME = 512, 1e-3


@dataclass(frozen=True)
class Facts:
    """What rules ask of data: numbers of training items and classes (0 for none), side and channels
    of images (0 for vectors), and the share of images that are near-duplicates of another one."""

    count: int
    classes: int
    side: int
    channels: int
    repeated: float = 0.0

    @property
    def vectors(self) -> bool:
        return self.side == 0

    def __str__(self) -> str:
        if self.vectors:
            return f"{self.count:,} points"
        colour = "in colour" if self.channels == 3 else "in grey"
        classes = f"{self.classes} classes" if self.classes > 1 else "no classes"
        repeated = f", {self.repeated:.0%} near-duplicates" if self.repeated >= 0.005 else ""
        return f"{self.count:,} images of {self.side} px {colour}, {classes}{repeated}"


@dataclass(frozen=True)
class Rule:
    """`words` as they are typed, where `when` holds, and why."""

    when: Callable[[Facts], bool]
    words: tuple[str, ...]
    why: str


METHODS = (
    Rule(lambda data: data.vectors, ("gan",),
         "points want fully connected networks, which the plain game has"),
    Rule(lambda data: 2 <= data.classes <= 100 and data.count >= 100 * data.classes,
         ("cgan", "preset=light"),
         "labels tell both networks what to draw: in the same steps a classifier recognises more "
         "of its samples than of dcgan's (docs/diagnosis.md, healthy runs)"),
    Rule(lambda data: data.classes > 100 and data.count >= 5 * data.classes,
         ("multiclass-lsgan", "preset=light"),
         "made for thousands of classes (docs/studies/characters.md)"),
    Rule(lambda data: True, ("dcgan", "preset=light"),
         "few weights, for a short time on a CPU; it needs no classes"),
)  # fmt: skip
HELPERS = (
    Rule(lambda data: not data.vectors and data.count < 5000, ("--add", "diffaugment"),
         "with few images D knows them by heart, and augmenting what it sees holds that off (Zhao "
         "et al. 2020)"),
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """The words after `steadygan train`, and the reasons one by one."""

    method: str
    settings: tuple[str, ...]
    parts: tuple[str, ...]
    why: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        added = tuple(word for part in self.parts for word in ("--add", part))
        return (self.method, *self.settings, *added)


def facts_of(data: Dataset) -> Facts:
    """What the rules ask, from a look at up to `LOOKED_AT` images."""
    items, count = data.train.items, len(data.train.items)
    if len(data.shape) != 3:
        return Facts(count, data.classes, 0, 0)
    rows = np.unique(np.linspace(0, count - 1, min(LOOKED_AT, count)).astype(int))
    features = raw_features(as_played(torch.from_numpy(items[rows])))
    exact = "donot_use_mm_for_euclid_dist"  # products would leave rounding between equal images
    apart = torch.cdist(features, features, compute_mode=exact)
    apart.fill_diagonal_(float("inf"))
    repeated = float((apart.amin(1) < SAME).float().mean()) if len(rows) > 1 else 0.0
    return Facts(count, data.classes, data.shape[-1], data.shape[0], repeated)


def choose(facts: Facts) -> Choice:
    """The first method that holds, with every helper that does. Raises `UserError` for too few
    images."""
    if facts.count < LEAST:
        raise UserError(
            f"{facts.count} training images are too few for any method here: {LEAST} is the least, "
            f"{FEW} and more give other pictures than those they learn from"
        )
    method = next(rule for rule in METHODS if rule.when(facts))
    helpers = [rule for rule in HELPERS if rule.when(facts)]
    parts = tuple(word for rule in helpers for word in rule.words if word != "--add")
    name, *settings = method.words
    reasons = [f"{name}: {method.why}"]
    reasons += [f"{' '.join(rule.words)}: {rule.why}" for rule in helpers]
    return Choice(name, tuple(settings), parts, tuple(reasons))


def warnings(facts: Facts) -> Iterator[str]:
    """What to know before training on such data."""
    if facts.count < FEW:
        yield (
            f"{facts.count} images are few: expect copies of them, and look at "
            "samples/twins.png, which shows samples beside their nearest training images"
        )
    if facts.repeated >= 0.05:
        yield (
            f"{facts.repeated:.0%} of the images repeat another one: "
            "`steadygan data build folder SRC OUT --dedupe` leaves repeats out"
        )
