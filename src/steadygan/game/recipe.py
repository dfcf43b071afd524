"""Recipe: a method as data, and the turn that plays it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn
from torch.nn.utils import parametrize

from steadygan.errors import UserError, did_you_mean
from steadygan.game.averaging import EMA
from steadygan.game.objectives import Objective
from steadygan.game.optimizers import Adam, Optimizer
from steadygan.game.parts import Part
from steadygan.game.play import Hand, Play, Told
from steadygan.game.players import BeforeStep, Player, Table, Update
from steadygan.game.priors import Classed, Normal, Prior
from steadygan.networks import Networks
from steadygan.networks.base import Built, Codes
from steadygan.networks.spectral import start_step
from steadygan.spec import Spec, any_of

SIDES = ("on_d", "on_g", "tricks")

#: Deals the hand of update k of player `mover` in this turn.
Deal = Callable[[str, int], Hand]


class Recipe(Spec):
    """Networks + objective + parts + optimizers + steps a turn + EMA + schedules.

    A game that is no list of parts subclasses Recipe in its method's file and writes `start`,
    `step`, `stages` or the losses itself; its settings are fields like any other.
    """

    method: str = ""
    networks: any_of(Networks)
    objective: any_of(Objective)
    prior: any_of(Prior) = Normal()
    on_d: tuple[any_of(Part), ...] = ()
    on_g: tuple[any_of(Part), ...] = ()
    tricks: tuple[any_of(Part), ...] = ()
    d_optimizer: any_of(Optimizer) = Adam()
    g_optimizer: any_of(Optimizer) = Adam()
    d_steps: int = Field(1, ge=1, le=1000)
    g_steps: int = Field(1, ge=1, le=1000)
    batch: int = Field(64, le=65536)
    #: G's first step of a turn uses the latents (and so the images) of D's last.
    shared_latents: bool = False
    #: D judges real and fake samples in one batch, so that they share its batch statistics.
    joint_batches: bool = False
    #: The weight of the objective in G's loss; 0 leaves it to the parts on G.
    g_adversarial: float = Field(1.0, ge=0)
    ema: EMA = EMA()
    horizon_images: int = Field(2_000_000, ge=1)

    #: Pre-training stages that come before the first turn, by name; see `stage_step`.
    stages: ClassVar[tuple[str, ...]] = ()
    #: Fields of a subclass that a run may change when it is resumed, beside those of every recipe.
    changeable: ClassVar[frozenset[str]] = frozenset()
    #: Modules that `build` makes for G's player; the others go to D's.
    of_g: ClassVar[tuple[str, ...]] = ("generator", "encoder")

    @model_validator(mode="before")
    @classmethod
    def _one_optimizer_for_both(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and "optimizer" in fields:
            fields = dict(fields)
            both = fields.pop("optimizer")
            fields = {"d_optimizer": both, "g_optimizer": both, **fields}
        return fields

    @field_validator("batch")
    @classmethod
    def _more_than_one(cls, batch: int) -> int:
        if batch < 2:
            raise ValueError(
                f"{batch} is too few: statistics of a batch (batch norm, means and spreads of "
                "scores) need two samples; give 2 or more"
            )
        return batch

    @model_validator(mode="after")
    def _parts_fit(self) -> Recipe:
        for side in SIDES:
            names = [part.name for part in getattr(self, side)]
            for part in getattr(self, side):
                if side not in part.sides:
                    raise ValueError(f"{part.name} belongs in {part.sides[0]}, not in {side}")
                if names.count(part.name) > 1:
                    raise ValueError(f"{part.name} stands twice in {side}")
        if problem := self.objective.misfit(self):
            raise ValueError(problem)
        for part in self.parts():
            if problem := part.misfit(self):
                raise ValueError(problem)
            if part.sets_targets and not self.objective.has_targets:
                raise ValueError(
                    f"{part.name} changes D's targets, and objective {self.objective.name} has "
                    "none: ns, minimax and lsgan have"
                )
        if self.g_adversarial == 0 and not self.on_g:
            raise ValueError("g_adversarial=0 leaves G nothing to learn from: add a part on G")
        return self

    # ---- composing ---------------------------------------------------------------------------

    def parts(self) -> list[Part]:
        """Every part once, in the order D, G, tricks."""
        found = {part.name: part for side in SIDES for part in getattr(self, side)}
        return list(found.values())

    def changed(self, **changes: Any) -> Recipe:
        """A validated copy with other fields."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        if "optimizer" in changes:
            del fields["d_optimizer"], fields["g_optimizer"]
        return type(self)(**{**fields, **changes})

    def with_(self, *parts: Part, **changes: Any) -> Recipe:
        """A copy with `parts` added on their sides (replacing those of the same name) and other
        fields: `sngan.with_(GeneratorL2(weight=0.05), batch=32)`."""
        for side in SIDES:
            new = {part.name: part for part in parts if side in part.sides}
            kept = [new.pop(p.name, p) for p in changes.get(side, getattr(self, side))]
            changes[side] = (*kept, *new.values())
        return self.changed(**changes)

    def without(self, *names: str) -> Recipe:
        """A copy without the parts of these names; a part that is not there is a `UserError`."""
        here = [part.name for part in self.parts()]
        names = tuple(name.lower().replace("_", "-") for name in names)
        for name in names:
            if name not in here:
                there = did_you_mean(name, here) if here else ": it has no parts"
                raise UserError(f"--drop {name}: {self.method or 'this recipe'} has none{there}")
        kept = {s: tuple(p for p in getattr(self, s) if p.name not in names) for s in SIDES}
        return self.changed(**kept)

    def advice(self) -> Iterator[str]:
        """Warnings in words about choices that are allowed but known to go wrong."""
        for part in self.parts():
            if text := part.advice(self):
                yield text

    # ---- playing -----------------------------------------------------------------------------

    def steps(self, side: str, turn: int) -> int:
        """How many steps player `side` ("d" or "g") takes in turn `turn` (from 0)."""
        steps = self.d_steps if side == "d" else self.g_steps
        for trick in self.tricks:
            steps = trick.steps(side, steps, turn)
        return steps

    @property
    def needs_labels(self) -> bool:
        """True where the method cannot do without class labels."""
        return self.networks.g_takes_classes or self.networks.d_takes_classes

    def drawn_prior(self, classes: int) -> Prior:
        """What whole latents are drawn from for pictures and samples: the prior, with a class at
        the end where the generator takes one of `classes`."""
        takes = self.networks.g_takes_classes
        return (
            Classed(dim=self.prior.dim, base=self.prior, classes=classes) if takes else self.prior
        )

    def build(self, shape: tuple[int, ...], classes: int) -> Built:
        """Fresh networks by name for data of `shape` with `classes` classes (0 for no labels)."""
        if problem := self.networks.misfit(shape) or self.misfit_data(shape):
            raise UserError(problem)
        if self.needs_labels and not classes:
            raise UserError(
                f"'{self.networks.name}' networks want class labels, and there are none"
            )
        codes = Codes(*self.prior.codes_in_latent, classes)
        built = self.networks.build(shape, self.prior.total_dim, codes)
        for part in sorted(self.parts(), key=lambda part: part.rebuilds_last):
            part.rebuild(built)
        self._require_features(built["discriminator"])
        return built

    def misfit_data(self, shape: tuple[int, ...]) -> str | None:
        """Why a part cannot play on samples of `shape`, in words, or None."""
        problems = (part.misfit_data(shape) for part in self.parts())
        return next((problem for problem in problems if problem), None)

    def _require_features(self, discriminator: nn.Module) -> None:
        """Refuse a part that reads features of a D (one's own) that shows none."""
        has = hasattr(discriminator, "features") and hasattr(discriminator, "head")
        reads = [part.name for part in self.parts() if part.reads_features]
        if reads and not has and not hasattr(discriminator, "judge"):
            raise UserError(
                f"{reads[0]} reads D's features: give the discriminator `features(x)` and "
                "`head(features)`"
            )

    def start(self, shape: tuple[int, ...], classes: int = 0) -> Table:
        """Build players, average and states for data of `shape` with `classes` classes, drawing
        from torch's generator."""
        built = self.build(shape, classes)
        of_g = {name: built.pop(name) for name in self.of_g if name in built}
        table = Table(
            players={
                "d": Player("d", built, self.d_optimizer),
                "g": Player("g", of_g, self.g_optimizer),
            },
            average=self.ema.start(of_g["generator"]),
            shape=tuple(shape),
        )
        states = {part.name: part.start(table) for part in self.parts()}
        table.states.update({name: state for name, state in states.items() if state is not None})
        return table

    def stage_length(self, stage: str) -> int:
        """How many steps a pre-training stage takes."""
        raise NotImplementedError(f"{self.method} lists the stage '{stage}' without its length")

    def stage_step(
        self, stage: str, step: int, table: Table, hand: Hand, before_step: BeforeStep
    ) -> Update | None:
        """Step number `step` of a pre-training stage. The loop counts, times and saves it, and
        shows the losses of the update that it gives."""
        raise NotImplementedError(f"{self.method} lists the stage '{stage}' but does not play it")

    def step(
        self, table: Table, deal: Deal, turn: int, images: int, before_step: BeforeStep
    ) -> dict[str, Update]:
        """One turn: all updates of D, then those of G. The last update of each, by player."""
        updates: dict[str, Update] = {}
        d_steps, shared = self.steps("d", turn), None
        for k in range(d_steps):
            shares = self.shared_latents and k == d_steps - 1
            play = Play(self, table, "d", deal("d", k), images, keeps_graph=shares)
            updates["d"] = self.update(play, before_step)
            shared = play if shares else None
        for k in range(self.steps("g", turn)):
            play = Play(self, table, "g", deal("g", k), images)
            if shared is not None:
                play.take_fake_of(shared)
                shared = None
            updates["g"] = self.update(play, before_step)
        seen = self.images_in(turn)
        self.ema.update(table.average, table.generator, images + seen, seen)
        return updates

    def images_in(self, turn: int) -> int:
        """Real images that D sees in turn `turn`: what the images counter advances by."""
        return self.batch * self.steps("d", turn)

    def update(self, play: Play, before_step: BeforeStep) -> Update:
        """One optimizer step of the player that moves, on the sum of its losses."""
        player = play.table.players[play.mover]
        if play.mover == "d":  # G's normalisations move with its own forward, in `Play`
            for module in player.modules.values():
                start_step(module)
        with parametrize.cached():  # a normalised weight is computed once an update
            losses = self.losses(play)
            total = torch.stack(list(losses.values())).sum()
            gradients = torch.autograd.grad(total, player.parameters, materialize_grads=True)
        norm = torch.nn.utils.get_total_norm(gradients)
        update = Update(player, play, losses, list(gradients), norm)
        before_step(update)
        for part in self.parts():
            part.adjust(update)
        player.step(update.gradients, self.settings(player, play))
        for part in self.on_side(play.mover):
            part.after_step(player, play.table)
        return update

    def settings(self, player: Player, play: Play) -> dict[str, Any]:
        """The optimizer's settings for a step of `player`: learning rate, momentum."""
        return player.spec.settings(play.images, self.horizon_images, self.batch)

    def losses(self, play: Play) -> dict[str, Tensor]:
        """The weighted losses of the player that moves, by part name; `adversarial` first."""
        losses = {}
        if play.mover == "d":
            losses["adversarial"] = self.d_loss(play)
        elif self.g_adversarial:
            losses["adversarial"] = self.g_adversarial * self.g_loss(play)
        for part in self.on_side(play.mover):
            if (loss := part.loss(play)) is not None:
                losses[part.name] = loss
        return losses

    def d_loss(self, play: Play) -> Tensor:
        """The objective in D's update, towards the targets that the parts set, if any do."""
        setters = [part for part in self.parts() if part.sets_targets]
        if not setters:
            return self.objective.d_loss_in(play)
        scores = play.real_scores, play.fake_scores
        targets = torch.ones_like(scores[0]), torch.zeros_like(scores[1])
        for part in setters:
            targets = part.targets(play, *targets)
        return self.objective.d_loss_to(*scores, *targets)

    def g_loss(self, play: Play) -> Tensor:
        """The objective in G's update."""
        return self.objective.g_loss_in(play)

    def told(
        self, play: Play, samples: Tensor, labels: Tensor | None, latent: Tensor | None
    ) -> Told:
        """What D is told beside `samples` (B, ...): their labels (B,) where its networks take them.
        `latent` is what fakes were made of, None for real samples."""
        return (labels,) if self.networks.d_takes_classes else ()

    def on_side(self, mover: str) -> tuple[Part, ...]:
        """The parts whose losses and constraints act in an update of `mover`."""
        return {"d": self.on_d, "g": self.on_g}.get(mover, ())
