"""Which method and settings for which data: a table of rules, the first that holds and those that
add to it.

Each rule says why, in words that name its evidence. What was not measured is not recommended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import torch

from steadygan.data import Dataset
from steadygan.diagnosis.probe import share_repeated
from steadygan.errors import UserError
from steadygan.methods import find
from steadygan.study.compose import compose
from steadygan.study.request import Request, pairs
from steadygan.training.goals import Goal
from steadygan.training.horizon import images_to
from steadygan.training.inputs import as_played

#: Fewer images than this are refused, and up to the second number a warning is given.
LEAST, FEW = 50, 500
#: Images that repeats are counted among.
LOOKED_AT = 512


@dataclass(frozen=True)
class Facts:
    """What rules ask of data: numbers of training items and classes (0 for none), side and channels
    of images (0 for vectors), and the share of images that repeat another one."""

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
        repeated = f", {self.repeated:.0%} repeats" if self.repeated >= 0.005 else ""
        return f"{self.count:,} images of {self.side} px {colour}, {classes}{repeated}"


@dataclass(frozen=True)
class Rule:
    """What is taken where `when` holds, and why: a method with its settings and `parts`, or a
    part. `least`: images that D must see for it to pay; fewer, and the next rule is asked, with
    `gain` said of what was passed over."""

    when: Callable[[Facts], bool]
    words: tuple[str, ...]
    why: str
    parts: tuple[str, ...] = ()
    least: int = 0
    gain: str = ""


METHODS = (
    Rule(lambda data: data.vectors, ("gan",),
         "points want fully connected networks, which the plain game has"),
    Rule(lambda data: 2 <= data.classes <= 100 and data.count >= 100 * data.classes,
         ("cgan", "preset=light"),
         "labels tell both networks what to draw: nearer to real images of 28 px than any other "
         "light recipe in the same minutes (docs/studies/small-images.md)"),
    Rule(lambda data: data.classes > 100 and data.count >= 5 * data.classes,
         ("multiclass-lsgan", "preset=light"),
         "made for thousands of classes (docs/studies/characters.md)"),
    Rule(lambda data: data.side <= 32 and data.count < 64, ("dcgan", "preset=tiny", "batch=16"),
         "as for more images of that size, in batches that so few images fill"),
    Rule(lambda data: data.side <= 32, ("dcgan", "preset=tiny"),
         "two stages behind a hidden layer, and a D with a third of G's rate: nearer to real "
         "images of 28 px in the same minutes than preset=light (docs/studies/small-images.md)"),
    Rule(lambda data: 64 <= data.count < 5000, ("dcgan", "preset=light"),
         "from 400,000 images on nearer than the recipe of small batches: to icons, and to emoji "
         "by FID and KID of a classifier, which sees these as near as those of `projected` "
         "(docs/studies/own-pictures.md)",
         least=400_000, gain="nearer than small batches"),
    Rule(lambda data: True, ("dcgan", "preset=small", "horizon=budget"),
         "small batches, spectral norm in place of D's batch norm, and rates that end at 0 with "
         "the budget: where D sees some 100,000 images, nearer to real colour pictures in the same "
         "minutes than preset=light, to grey line drawings about as near "
         "(docs/studies/own-pictures.md)", ("spectral-norm",)),
)  # fmt: skip
HELPERS = (
    Rule(lambda data: not data.vectors and data.count < 5000, ("diffaugment",),
         "with few images D knows them by heart, and augmenting what it sees holds that off (Zhao "
         "et al. 2020)"),
)  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """A method, its settings (`key=value`), parts to add, and the reasons one by one. `seen`: the
    images that D sees in the time that there is, where that decided."""

    method: str
    settings: tuple[str, ...]
    parts: tuple[str, ...]
    why: tuple[str, ...]
    seen: float | None = None

    def keys(self, own: Mapping[str, str]) -> dict[str, str]:
        """The settings of the recipe by key, with the `own` ones of a user in their place."""
        return {**self._pairs, **own}

    @property
    def fits_horizon(self) -> bool:
        """Whether schedules are to follow the run's own length."""
        return "horizon=budget" in self.settings

    @property
    def _pairs(self) -> dict[str, str]:
        """The settings but for that of the run, the horizon."""
        found = pairs(self.settings)
        return {key: value for key, value in found.items() if key != "horizon"}

    def words(self, own: Mapping[str, str] = MappingProxyType({})) -> tuple[str, ...]:
        """What is typed after `steadygan train`, but for settings that are among the `own` ones."""
        kept = (word for key, word in zip(pairs(self.settings), self.settings, strict=True)
                if key not in own)  # fmt: skip
        return (self.method, *kept, *(w for part in self.parts for w in ("--add", part)))


def facts_of(data: Dataset) -> Facts:
    """What the rules ask, from a look at up to `LOOKED_AT` images."""
    items, count = data.train.items, len(data.train.items)
    if len(data.shape) != 3:
        return Facts(count, data.classes, 0, 0)
    rows = np.unique(np.linspace(0, count - 1, min(LOOKED_AT, count)).astype(int))
    repeated = share_repeated(as_played(torch.from_numpy(items[rows])))
    return Facts(count, data.classes, data.shape[-1], data.shape[0], repeated)


def choose(facts: Facts, seen: Callable[[Choice], float]) -> Choice:
    """The first method that holds, with every helper that does. `seen` says how many images D would
    see by a choice in the time that there is; it is called only where that decides, and the reasons
    then say what it found. Raises `UserError` for too few images."""
    if facts.count < LEAST:
        raise UserError(
            f"{facts.count} training images (beside those held out, a tenth if holdout= does not "
            f"say otherwise) are too few for any method here: {LEAST} is the least, {FEW} and more "
            "give other pictures than those they learn from"
        )
    passed: list[str] = []
    for rule in METHODS:
        if not rule.when(facts):
            continue
        choice = _choice(rule, facts)
        if not rule.least:
            break
        if (images := seen(choice)) >= rule.least:
            choice = replace(choice, seen=images)
            break
        passed.append(
            f"{' '.join(rule.words)}: {rule.gain} from {rule.least:,} images on, which are "
            f"{images:,.0f} here"
        )
    return replace(choice, why=(*choice.why, *passed))


def choose_for(
    data: Dataset,
    goal: Goal,
    request: Request | None = None,
    device: str = "auto",
    add: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> Choice:
    """`choose` for a run to `goal` with a user's own settings and parts, at this machine's
    speed."""
    asked = request or Request()

    def seen(choice: Choice) -> float:
        keys, parts = choice.keys(asked.recipe), [*choice.parts, *add]
        recipe = compose(find(choice.method), data.shape, keys, parts, drop)
        run = asked.run.precision, asked.run.exact, asked.run.graphs
        return images_to(goal, recipe, data, device, *run)[0]

    return choose(facts_of(data), seen)


def _choice(rule: Rule, facts: Facts) -> Choice:
    """What a rule names, with the helpers that the method has not by itself."""
    name, *settings = rule.words
    own = {part.name for part in find(name).recipe.parts()}
    helpers = [each for each in HELPERS if each.when(facts) and each.words[0] not in own]
    parts = (*rule.parts, *(each.words[0] for each in helpers))
    why = tuple(f"{each.words[0]}: {each.why}" for each in (rule, *helpers))
    return Choice(name, tuple(settings), parts, why)


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
