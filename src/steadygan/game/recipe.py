"""Recipe: a method as data, and the turn that plays it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import torch
from pydantic import Field, model_validator
from torch import Tensor

from steadygan.errors import UserError, did_you_mean
from steadygan.game.averaging import EMA
from steadygan.game.objectives import Objective
from steadygan.game.optimizers import Adam, Optimizer
from steadygan.game.parts import Part
from steadygan.game.play import Hand, Play
from steadygan.game.players import BeforeStep, Player, Table, Update
from steadygan.game.priors import Normal, Prior
from steadygan.networks import Networks
from steadygan.spec import Spec, any_of

SIDES = ("on_d", "on_g", "tricks")

#: Deals the hand of update k of player `mover` in this turn.
Deal = Callable[[str, int], Hand]


class Recipe(Spec):
    """Networks + objective + parts + optimizers + steps a turn + EMA + schedules.

    Eight known methods do not fit a list of parts: those subclass Recipe in their own file and
    write `start`, `step` or `stages` themselves; their settings are fields like any other.
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
    batch: int = Field(64, ge=2, le=65536)
    #: G's first step of a turn uses the latents (and so the images) of D's last.
    shared_latents: bool = False
    ema: EMA = EMA()
    horizon_images: int = Field(2_000_000, ge=1)

    #: Pre-training stages that come before the first turn, by name; see `stage_step`.
    stages: ClassVar[tuple[str, ...]] = ()
    #: True where the method cannot do without class labels.
    needs_labels: ClassVar[bool] = False

    @model_validator(mode="before")
    @classmethod
    def _one_optimizer_for_both(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and "optimizer" in fields:
            fields = dict(fields)
            both = fields.pop("optimizer")
            fields = {"d_optimizer": both, "g_optimizer": both, **fields}
        return fields

    @model_validator(mode="after")
    def _parts_fit(self) -> Recipe:
        for side in SIDES:
            names = [part.name for part in getattr(self, side)]
            for part in getattr(self, side):
                if side not in part.sides:
                    raise ValueError(f"{part.name} belongs in {part.sides[0]}, not in {side}")
                if names.count(part.name) > 1:
                    raise ValueError(f"{part.name} stands twice in {side}")
        for part in self.parts():
            if problem := part.misfit(self):
                raise ValueError(problem)
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
            kept = changes.get(side, getattr(self, side))
            changes[side] = (*(p for p in kept if p.name not in new), *new.values())
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

    def start(self, shape: tuple[int, ...]) -> Table:
        """Build players, average and states for data of `shape`, drawing from torch's generator."""
        if problem := self.networks.misfit(shape):
            raise UserError(problem)
        built = self.networks.build(shape, self.prior.total_dim, self.prior.codes_in_latent)
        generator = built.pop("generator")
        states = {part.name: part.start() for part in self.parts()}
        return Table(
            players={
                "d": Player("d", built, self.d_optimizer),
                "g": Player("g", {"generator": generator}, self.g_optimizer),
            },
            average=self.ema.start(generator),
            states=torch.nn.ModuleDict({n: s for n, s in states.items() if s is not None}),
        )

    def stage_length(self, stage: str) -> int:
        """How many steps a pre-training stage takes."""
        raise NotImplementedError(f"{self.method} lists the stage '{stage}' without its length")

    def stage_step(
        self, stage: str, step: int, table: Table, hand: Hand, before_step: BeforeStep
    ) -> None:
        """Step number `step` of a pre-training stage. The loop counts, times and saves it."""
        raise NotImplementedError(f"{self.method} lists the stage '{stage}' but does not play it")

    def step(
        self, table: Table, deal: Deal, turn: int, images: int, before_step: BeforeStep
    ) -> dict[str, Update]:
        """One turn: all updates of D, then those of G. The last update of each, by player."""
        updates: dict[str, Update] = {}
        d_steps, shared = self.steps("d", turn), None
        for k in range(d_steps):
            shares = self.shared_latents and k == d_steps - 1
            play = Play(self, table, "d", deal("d", k), keeps_graph=shares)
            updates["d"] = self.update(play, images, before_step)
            shared = play if shares else None
        for k in range(self.steps("g", turn)):
            play = Play(self, table, "g", deal("g", k))
            if shared is not None:
                play.take_fake_of(shared)
                shared = None
            updates["g"] = self.update(play, images, before_step)
        seen = self.images_in(turn)
        self.ema.update(table.average, table.generator, images + seen, seen)
        return updates

    def images_in(self, turn: int) -> int:
        """Real images that D sees in turn `turn`: what the images counter advances by."""
        return self.batch * self.steps("d", turn)

    def update(self, play: Play, images: int, before_step: BeforeStep) -> Update:
        """One optimizer step of the player that moves, on the sum of its losses."""
        player = play.table.players[play.mover]
        losses = self.losses(play)
        total = torch.stack(list(losses.values())).sum()
        gradients = torch.autograd.grad(total, player.parameters, materialize_grads=True)
        norm = torch.nn.utils.get_total_norm(gradients)
        update = Update(player, play, losses, list(gradients), norm)
        before_step(update)
        player.step(update.gradients, player.spec.settings(images, self.horizon_images, self.batch))
        for part in self.on_side(play.mover):
            part.after_step(player)
        return update

    def losses(self, play: Play) -> dict[str, Tensor]:
        """The weighted losses of the player that moves, by part name; `adversarial` first."""
        if play.mover == "d":
            losses = {"adversarial": self.objective.d_loss(play.real_scores, play.fake_scores)}
        else:
            losses = {"adversarial": self.objective.g_loss(play.fake_scores)}
        for part in self.on_side(play.mover):
            if (loss := part.loss(play)) is not None:
                losses[part.name] = loss
        return losses

    def on_side(self, mover: str) -> tuple[Part, ...]:
        return self.on_d if mover == "d" else self.on_g
