"""Recipe: a method as data, and the iteration that trains it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, cast, get_args

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn
from torch.nn.utils import parametrize

from steadygan.errors import UserError, did_you_mean
from steadygan.game.context import Condition, Iteration, StepContext
from steadygan.game.microbatches import Computed, accumulated
from steadygan.game.objective import Objective
from steadygan.game.optimizers import EMA, Adam, Optimizer
from steadygan.game.part import Part, Side
from steadygan.game.player import Player
from steadygan.game.state import GameState, Guard, StepResult
from steadygan.networks import Networks
from steadygan.networks.base import Built, Codes
from steadygan.networks.spectral import power_iteration
from steadygan.priors import ClassConditionalPrior, Normal, Prior
from steadygan.spec import Member, Spec

SIDES: tuple[Side, ...] = get_args(Side)


def named_now(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a recipe that was recorded when `shared` was called `tricks`."""
    return {"shared" if name == "tricks" else name: value for name, value in fields.items()}


class Recipe(Spec):
    """Networks + objective + parts + optimizers + steps an iteration + EMA + schedules.

    A method that is no list of parts subclasses Recipe in its own file and overrides `start`,
    `iterate`, `stages` or the losses; its settings are fields like any other.
    """

    method: str = ""
    networks: Member[Networks]
    objective: Member[Objective]
    prior: Member[Prior] = Normal()
    on_d: tuple[Member[Part], ...] = ()
    on_g: tuple[Member[Part], ...] = ()
    shared: tuple[Member[Part], ...] = ()
    d_optimizer: Member[Optimizer] = Adam()
    g_optimizer: Member[Optimizer] = Adam()
    d_steps: int = Field(1, ge=1, le=1000)
    g_steps: int = Field(1, ge=1, le=1000)
    batch: int = Field(64, le=65536)
    #: How many samples of a batch are computed at a time, to save memory; null: all. The gradient
    #: is that of the whole batch.
    microbatch: int | None = Field(None, ge=1)
    #: The backward makes activations again instead of keeping them, to save memory: the same step,
    #: bit for bit, for another forward (docs/scale.md).
    recompute: bool = False
    #: G's first step of an iteration uses the latents (and so the images) of D's last.
    shared_latents: bool = False
    #: D judges real and fake samples in one batch, so that they share its batch statistics.
    joint_batches: bool = False
    #: With several processes, batch norm takes statistics of the whole batch; false: each process
    #: those of its share, which saves two messages a layer and step and is another game.
    sync_batchnorm: bool = True
    #: The weight of the objective in G's loss; 0 leaves it to the parts on G.
    g_adversarial: float = Field(1.0, ge=0)
    ema: EMA = EMA()
    horizon_images: int = Field(2_000_000, ge=1)

    #: Pre-training stages that come before the first iteration, by name; see `stage_step`.
    stages: ClassVar[tuple[str, ...]] = ()
    #: Fields of a subclass that a run may change when it is resumed, beside those of every recipe.
    changeable: ClassVar[frozenset[str]] = frozenset()
    #: What signals of a subclass are called in reports, by key.
    signal_titles: ClassVar[Mapping[str, str]] = MappingProxyType({})
    #: How many discriminators its networks give D, for objectives that want two.
    discriminators: ClassVar[int] = 1
    #: Modules that `build` makes for G's player; the others go to D's.
    of_g: ClassVar[tuple[str, ...]] = ("generator", "encoder")

    if TYPE_CHECKING:
        # A recipe takes more than its fields: `optimizer` for both players.
        def __init__(self, /, **fields: Any) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _one_optimizer_for_both(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and "optimizer" in fields:
            fields = dict(fields)
            both = fields.pop("optimizer")
            fields = {"d_optimizer": both, "g_optimizer": both, **fields}
        return fields

    @model_validator(mode="before")
    @classmethod
    def _named_before(cls, fields: Any) -> Any:
        return named_now(fields) if isinstance(fields, dict) else fields

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
    def _batch_has_pieces(self) -> Recipe:
        if self.microbatch and self.batch % self.microbatch:
            raise ValueError(
                f"batch={self.batch} has no pieces of microbatch={self.microbatch}: give a divisor"
            )
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> Recipe:
        for side in SIDES:
            names = [part.name for part in getattr(self, side)]
            for part in getattr(self, side):
                if side not in part.sides:
                    raise ValueError(f"{part.name} belongs in {part.sides[0]}, not in {side}")
                if names.count(part.name) > 1:
                    raise ValueError(f"{part.name} stands twice in {side}")
        if problem := self.objective.incompatibility(self):
            raise ValueError(problem)
        for part in self.parts():
            if problem := part.incompatibility(self):
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
        """Every part once, in the order D, G, shared."""
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

    def titles_of_signals(self) -> dict[str, str]:
        """What the signals of objective, parts and the method itself are called, by key."""
        titles = {**self.signal_titles, **self.objective.signal_titles}
        for part in self.parts():
            titles |= part.signal_titles
        return titles

    # ---- training -----------------------------------------------------------------------------

    def steps(self, side: str, iteration: int) -> int:
        """How many steps player `side` ("d" or "g") takes in iteration `iteration` (from 0)."""
        steps = self.d_steps if side == "d" else self.g_steps
        for part in self.shared:
            steps = part.steps(side, steps, iteration)
        return steps

    @property
    def needs_labels(self) -> bool:
        """True where the method cannot do without class labels."""
        return self.networks.g_takes_classes or self.networks.d_takes_classes

    @property
    def has_encoder(self) -> bool:
        """True where the method learns what latents images are made from: see `latents_of`."""
        return False

    def latents_of(self, state: GameState, images: Tensor) -> Tensor:
        """Latents (B, dim) float32, without a class, from which G makes images (B, C, H, W) in [-1,
        1] again, by the method's encoder, without a graph."""
        raise NotImplementedError(f"{self.method or 'this recipe'} has no encoder")

    def sampling_prior(self, classes: int) -> Prior:
        """What whole latents are drawn from for pictures and samples: the prior, with a class at
        the end where the generator takes one of `classes`."""
        takes = self.networks.g_takes_classes
        return (
            ClassConditionalPrior(dim=self.prior.dim, base=self.prior, classes=classes)
            if takes
            else self.prior
        )

    def build(self, shape: tuple[int, ...], classes: int) -> Built:
        """Fresh networks by name for data of `shape` with `classes` classes (0 for no labels)."""
        if problem := self.networks.incompatibility(shape) or self.incompatibility_with_data(shape):
            raise UserError(problem)
        if self.needs_labels and not classes:
            raise UserError(
                f"'{self.networks.name}' networks want class labels, and there are none"
            )
        codes = Codes(*self.prior.codes_in_latent, classes)
        built = self.networks.build(shape, self.prior.total_dim, codes)
        for part in sorted(self.parts(), key=lambda part: part.modify_order):
            part.modify_networks(built)
        self._require_features(built["discriminator"])
        return built

    def incompatibility_with_data(self, shape: tuple[int, ...]) -> str | None:
        """Why a part cannot be trained on samples of `shape`, in words, or None."""
        problems = (part.incompatibility_with_data(shape) for part in self.parts())
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

    def start(self, shape: tuple[int, ...], classes: int = 0) -> GameState:
        """Build players, EMA generator and states of parts for data of `shape` with `classes`
        classes, drawing from torch's generator."""
        built = self.build(shape, classes)
        of_g = {name: built.pop(name) for name in self.of_g if name in built}
        state = GameState(
            players={
                "d": Player("d", built, self.d_optimizer),
                "g": Player("g", of_g, self.g_optimizer),
            },
            g_ema=self.ema.start(of_g["generator"]),
            shape=tuple(shape),
        )
        for part in self.parts():
            if (own := part.start(state)) is not None:
                state.part_states[part.name] = own
        return state

    def averaged(self, shape: tuple[int, ...], classes: int = 0) -> nn.Module:
        """The averaged generator of a fresh game alone: what samples are drawn from. Overridden
        beside a `start` that builds another one. No optimizer: a process's first takes seconds."""
        return self.ema.start(self.build(shape, classes)["generator"])

    def stage_length(self, stage: str) -> int:
        """How many steps a pre-training stage takes."""
        raise NotImplementedError(f"{self.method} lists the stage '{stage}' without its length")

    def stage_step(self, stage: str, state: GameState, iteration: Iteration) -> StepResult | None:
        """Step number `iteration.index` of a pre-training stage. The loop counts, times and saves
        it, and shows the losses of the result."""
        raise NotImplementedError(
            f"{self.method} lists the stage '{stage}' but has no steps for it"
        )

    def iterate(self, state: GameState, iteration: Iteration) -> dict[str, StepResult]:
        """One iteration: all steps of D, then those of G, then the moving average. The last result
        of each, by player."""
        repeat = iteration.repeat
        results = self.play(state, iteration) if repeat is None else repeat(iteration)
        seen, g = self.batch * self.steps("d", iteration.index), state.players["g"]
        self.ema.follow(state.averaged, iteration.images + seen, seen)
        if g.normalised["generator"]:
            power_iteration(state.g_ema)  # averaged singular vectors then fit the averaged weights
        return results

    def play(self, state: GameState, iteration: Iteration) -> dict[str, StepResult]:
        """The steps of an iteration."""
        results: dict[str, StepResult] = {}
        d_steps, shared = self.steps("d", iteration.index), None
        for k in range(d_steps):
            shares = self.shared_latents and k == d_steps - 1
            context = iteration.context(self, state, "d", k, keeps_graph=shares)
            results["d"] = self.step(context, iteration.guard)
            shared = context if shares else None
        for k in range(self.steps("g", iteration.index)):
            context = iteration.context(self, state, "g", k)
            if shared is not None:
                context.take_fake_of(shared)
                shared = None
            results["g"] = self.step(context, iteration.guard)
        return results

    def images_in(self, iteration: int) -> int:
        """Real images that D sees in iteration `iteration`: what the images counter advances by."""
        return self.batch * self.steps("d", iteration)

    def step(self, context: StepContext, guard: Guard) -> StepResult:
        """One optimizer step of the context's player, on the sum of its losses. `guard` is called
        with the result before the optimizer moves a weight."""
        player = context.state.players[context.player]
        if self.microbatch in (None, self.batch):
            losses, gradients = self.computed(context)
        else:
            losses, gradients = accumulated(context, self.computed)
        drawn = None
        if context.inputs.processes.size > 1:
            losses, gradients, drawn = averaged(context, losses, gradients)
        norm = torch.nn.utils.get_total_norm(gradients)
        result = StepResult(player, context, losses, gradients, norm, drawn)
        guard(result)
        for part in context.parts:
            part.adjust(result)
        # A captured step is given its settings before each repetition.
        settings = None if context.captured else self.settings(player, context)
        player.step(result.gradients, settings)
        for part in self.on_side(context.player):
            part.after_step(player, context.state)
        return result

    def computed(self, context: StepContext) -> Computed:
        """The losses of the context's player, and their gradients, one a parameter."""
        parameters = context.state.players[context.player].parameters
        with parametrize.cached():  # a normalised weight is computed once
            losses = self.losses(context)
            require_scalars(losses)
            total = torch.stack(list(losses.values())).sum()
            gradients = torch.autograd.grad(total, parameters, materialize_grads=True)
        return losses, list(gradients)

    def settings(self, player: Player, context: StepContext) -> dict[str, Any]:
        """The optimizer's settings for a step of `player`: learning rate, momentum."""
        return player.spec.settings(context.images, self.horizon_images, self.batch)

    def losses(self, context: StepContext) -> dict[str, Tensor]:
        """The weighted losses of the context's player, by part name; `adversarial` first."""
        losses = {}
        if context.player == "d":
            losses["adversarial"] = self.d_loss(context)
        elif self.g_adversarial:
            losses["adversarial"] = self.g_adversarial * self.g_loss(context)
        for part in self.on_side(context.player):
            if (loss := part.loss(context)) is not None:
                losses[part.name] = loss
        return losses

    def d_loss(self, context: StepContext) -> Tensor:
        """The objective in D's step, towards the targets that the parts set, if any do."""
        setters = [part for part in context.parts if part.sets_targets]
        if "d" in self.objective.in_context:
            return self.objective.d_loss_in(context)
        real, fake = self.gathered(context, context.real_scores, context.fake_scores)
        if not setters:
            return self.objective.d_loss(real, fake)
        targets = torch.ones_like(real), torch.zeros_like(fake)
        for part in setters:
            targets = part.targets(context, *targets)
        return self.objective.d_loss_to(real, fake, *targets)

    def g_loss(self, context: StepContext) -> Tensor:
        """The objective in G's step."""
        if "g" in self.objective.in_context:
            return self.objective.g_loss_in(context)
        return self.objective.g_loss(self.gathered(context, context.fake_scores)[0])

    def reads_batch(self) -> str | None:
        """What of this recipe reads a batch as a whole, by name, or None: the gradient is then no
        mean of those of its pieces."""
        if self.objective.reads_batch:
            return f"objective {self.objective.name}"
        return next((part.name for part in self.parts() if part.reads_batch), None)

    def gathered(self, context: StepContext, *scores: Tensor) -> list[Tensor]:
        """Scores as the objective wants them: of the whole batch where it reads that, else of what
        this process holds of it."""
        return [context.whole(each) if self.objective.reads_batch else each for each in scores]

    def condition(
        self, context: StepContext, samples: Tensor, labels: Tensor | None, latent: Tensor | None
    ) -> Condition:
        """What D is conditioned on beside `samples` (B, ...): their labels (B,) where its networks
        take them. `latent` is what fakes were made of, None for real samples."""
        # `build` refuses data without labels.
        return (cast(Tensor, labels),) if self.networks.d_takes_classes else ()

    def on_side(self, player: str) -> tuple[Part, ...]:
        """The parts whose losses and constraints act in a step of `player`."""
        return {"d": self.on_d, "g": self.on_g}.get(player, ())


def averaged(
    context: StepContext, losses: dict[str, Tensor], gradients: list[Tensor]
) -> tuple[dict[str, Tensor], list[Tensor], Tensor]:
    """Losses and gradients of the whole batch from those of this process's share, in one message;
    and a number that is finite only where all that the processes drew and made is. Running
    statistics of shares become their means."""
    drawn = [t.detach().float().sum() for t in context.used(with_fake=True).values()]
    of_losses = torch.stack([loss.detach().float() for loss in losses.values()])
    moved = [] if context.recipe.sync_batchnorm else context.state.running_statistics
    here = [of_losses, torch.stack(drawn).sum(), *gradients, *moved]
    whole, all_drawn, *rest = context.inputs.processes.averaged(here)
    means, statistics = rest[: len(gradients)], rest[len(gradients) :]
    for buffer, mean in zip(moved, statistics, strict=True):
        buffer.data.copy_(mean)  # a graph that waits for G's step has seen it, and does not read it
    return dict(zip(losses, whole.unbind(), strict=True)), means, all_drawn


def require_scalars(losses: Mapping[str, Tensor]) -> None:
    """Refuse a loss of several numbers, which a part of a user's own may give."""
    for name, loss in losses.items():
        if loss.dim():
            shape = tuple(loss.shape)
            raise UserError(f"the loss '{name}' has the shape {shape}: give its mean or sum")
