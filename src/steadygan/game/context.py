"""What one step of one player is made of: its tensors, each computed once and on demand."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from steadygan.errors import UserError
from steadygan.game.inputs import BATCH, RealBatch, StepInputs
from steadygan.game.recomputation import recomputed
from steadygan.game.repeating import Turn, Varying
from steadygan.game.state import GameState, Guard, StepResult
from steadygan.networks.labels import split_class, with_class

if TYPE_CHECKING:
    from steadygan.game.part import Part
    from steadygan.game.recipe import Recipe

Kind = Literal["real", "fake", "heldout"]
#: D's features of a batch (None where D has none), its scores (B,) float32, and what its `judge`
#: shows beside them: maps (B, ...), mostly none.
DOutput = tuple[Tensor | None, Tensor, tuple[Tensor, ...]]
#: What D is conditioned on beside the samples: nothing, or labels (B,), or a latent (B, n).
Condition = tuple[Tensor, ...]


@dataclass(frozen=True)
class Iteration:
    """An iteration of the game, all steps of D and then those of G, as the training loop hands it
    down.

    `index` counts from 0 (in a pre-training stage, its steps); `images` is how many real images D
    had seen before. `inputs(player, k)` gives those of step `k` of a player; asking draws nothing.
    `guard` is called with each step's result before the optimizer moves a weight, and raises to
    stop training with all weights as they are. `repeat`, if there is one, takes the iteration in
    the place of `Recipe.play` (`training/graphs.py`). An iteration that is `captured` is played
    once to be repeated: nothing in it may follow its counts.
    """

    index: int
    images: int
    inputs: Callable[[str, int], StepInputs]
    guard: Guard
    repeat: Callable[[Iteration], dict[str, StepResult]] | None = None
    captured: bool = False

    def context(
        self, recipe: Recipe, state: GameState, player: str, k: int = 0, keeps_graph: bool = False
    ) -> StepContext:
        """The context of step `k` of `player`, with its real batch. G's is drawn only where a loss
        of G asks for real samples."""
        images: Any = self.images
        index: Any = self.index
        if self.captured:
            images, index = Varying(images), Varying(index)
        given = self.inputs(player, k), images, index, k
        context = StepContext(recipe, state, player, *given, keeps_graph, captured=self.captured)
        if player != "g":
            context.batch = context.inputs.real()
        return context


@dataclass
class StepContext:
    """A step of `player` ("d" or "g"). Parts ask for what they need; nothing is computed twice.

    B is the recipe's batch; in a run of several processes each holds a share of it, and `whole`
    gathers one. Scores are float32 (B,) whatever the precision of the forwards. In a step of D,
    `fake` has no graph; in one of G, D's weights get no gradient (only G's are asked for). The
    network that is not updated keeps its running statistics. With `keeps_graph`, D's step makes
    `fake` with a graph, so that G's step may `take_fake_of` it: the two then share one forward of
    G.

    `images` is how many real images D had seen before this iteration, the `iteration`-th (from 0),
    of which this is the `k`-th step of the player.
    """

    recipe: Recipe
    state: GameState
    player: str
    inputs: StepInputs
    images: int = 0
    iteration: int = 0
    k: int = 0
    keeps_graph: bool = False
    #: These fakes were made before, in D's step, which has moved G's running statistics.
    makes_again: bool = False
    captured: bool = False
    signals: dict[str, Tensor] = field(default_factory=dict)
    parts: list[Part] = field(init=False, repr=False)
    #: The modules whose spectral norm has taken its power iteration in this step.
    iterated: set[tuple[str, str]] = field(default_factory=set, repr=False)

    def __post_init__(self) -> None:
        self.parts = self.recipe.parts()
        self.generator = self.inputs.generator
        self._once: dict[str, Tensor] = {}
        self._leaves: dict[str, Tensor] = {}
        self._input_gradients: dict[str, Tensor] = {}

    @property
    def index(self) -> int:
        """The number of this step among those of its player, from 0, at the recipe's steps an
        iteration (a warm-up with more of them aside)."""
        return self.iteration * self._steps + self.k

    @property
    def _steps(self) -> int:
        return self.recipe.d_steps if self.player == "d" else self.recipe.g_steps

    def is_turn(self, every: int) -> bool:
        """Whether this is the player's step `every`, 2 `every`, ...: for what acts seldom."""
        turn = Turn(self._steps, self.k, every)
        self.inputs.asks(turn)
        iteration: Any = self.iteration
        return turn.is_now(iteration.now if self.captured else iteration)

    def follow(self, schedule: Callable[[float], float]) -> float | Tensor:
        """`schedule(progress)`: a number, or in a captured step a tensor () that follows it."""
        if self.captured and self.inputs.holds is not None:
            return self.inputs.holds(schedule)
        return schedule(self.progress)

    # ---- forwards ----------------------------------------------------------------------------

    def forward(
        self,
        player: str,
        name: str,
        *inputs: Tensor,
        own: bool,
        statistics: bool | None = None,
        by: Callable[..., Any] = nn.Module.__call__,
    ) -> Any:
        """What module `name` of a player gives for `inputs`, `by(module, *inputs)`, under autocast.

        `own` says that the forward is made to update the module: spectral norm then takes its power
        iteration, once a step, and running statistics move (unless `statistics` says otherwise).
        Any other forward leaves both as they are.
        """
        owner = self.state.players[player]
        module = owner.modules[name]
        if own and (player, name) not in self.iterated:
            self.iterated.add((player, name))
            for normalisation, weight in owner.normalised[name]:
                normalisation.iterate(weight)
        moves = own if statistics is None else statistics
        # Normalised weights are kept for a step. A graph that outlives it (G's, in D's step) would
        # not find them to make its activations again.
        outlives = self.keeps_graph and own and player != self.player and owner.parametrised[name]
        again = self.recipe.recompute and not outlives
        with (
            nullcontext() if moves else owner.frozen[name],
            recomputed(owner, name, moves) if again else nullcontext(),
            self.inputs.autocast(),
        ):
            return by(module, *inputs)

    def once(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """What `make()` gives, computed once in this step."""
        if name not in self._once:
            self._once[name] = make()
        return self._once[name]

    def whole(self, share: Tensor) -> Tensor:
        """The whole batch (B, ...) of a tensor of this step with one entry a sample,
        differentiable: for what is no mean over samples. It is `share` itself in a run of one
        process."""
        return self.inputs.processes.whole(share)

    def used(self, with_fake: bool = False) -> dict[str, Tensor]:
        """What this step has drawn so far: `real`, `labels`, `rows`, `latents`; and its `fake`."""
        here = vars(self)
        found = {} if "batch" not in here else dict(zip(BATCH, self.batch, strict=True))
        found["latents"] = here.get("latent")
        if with_fake:
            found["fake"] = here.get("fake")
        return {name: tensor for name, tensor in found.items() if tensor is not None}

    @property
    def progress(self) -> float:
        """The share of the recipe's horizon that is done, 0 to 1: what schedules follow."""
        return min(self.images / self.recipe.horizon_images, 1.0)

    # ---- samples -----------------------------------------------------------------------------

    @cached_property
    def batch(self) -> RealBatch:
        """The player's next batch of the data; asking draws it."""
        return self.inputs.real()

    @property
    def real(self) -> Tensor:
        """Real samples (B, ...): images in [-1, 1]."""
        return self.batch.samples

    @property
    def labels(self) -> Tensor | None:
        """Classes (B,) int64 of `real`, or None where the data has none."""
        return self.batch.labels

    @property
    def classes(self) -> Tensor:
        """`labels`, for what a recipe starts only on data with labels."""
        assert self.labels is not None
        return self.labels

    @cached_property
    def latent(self) -> Tensor:
        """z (B, n) with any codes at its end, and the class of `real` where G takes classes."""
        whole = self.recipe.prior.sample(self.recipe.batch, self.generator("latents"))
        drawn = self.inputs.processes.share_of(whole).to(self.inputs.device)
        return with_class(drawn, self.classes) if self.recipe.networks.g_takes_classes else drawn

    @property
    def fake_labels(self) -> Tensor | None:
        """Classes (B,) int64 that `fake` was asked for, or None where G takes none."""
        return split_class(self.latent)[1] if self.recipe.networks.g_takes_classes else None

    def take_fake_of(self, other: StepContext) -> None:
        """Use the latents and fakes of D's step `other`, made by the same G. Those that it has made
        in pieces have no graph: they are made again, which moves nothing again."""
        self.latent = other.latent
        self.makes_again = "fake" in vars(other) and "fake_with_graph" not in vars(other)
        if self.makes_again:
            self.iterated.add(("g", "generator"))
        else:
            self.fake_with_graph = other.fake_with_graph

    @cached_property
    def fake_with_graph(self) -> Tensor:
        """G(z) with a graph to G's weights, moving G's running statistics: G's own forward."""
        statistics = False if self.makes_again else None
        return self.forward("g", "generator", self.latent, own=True, statistics=statistics).float()

    @cached_property
    def fake(self) -> Tensor:
        """G(z), shape of `real`: with a graph in a step of G, without one in a step of D."""
        if self.player == "g":
            return self.fake_with_graph
        if self.keeps_graph:
            return self.fake_with_graph.detach()
        with torch.no_grad():
            return self.forward("g", "generator", self.latent, own=False).float()

    @cached_property
    def d_fake_input(self) -> Tensor:
        """The fakes that D is given: `fake`, or in D's step what a part puts in its place."""
        fake = self.fake
        if self.player == "d":
            for part in self.parts:
                fake = part.fakes_for_d(self, fake)
        return fake

    # ---- D's outputs -------------------------------------------------------------------------

    @cached_property
    def _real_output(self) -> DOutput:
        if self._joint:
            return self._both_outputs[0]
        return self.judge(self.d_input("real"), self.condition("real"))

    @cached_property
    def _fake_output(self) -> DOutput:
        if self._joint:
            return self._both_outputs[1]
        return self.judge(self.d_input("fake"), self.condition("fake"))

    @property
    def _joint(self) -> bool:
        return self.recipe.joint_batches and self.player == "d"

    @cached_property
    def _both_outputs(self) -> tuple[DOutput, DOutput]:
        """Real and fake through D in one batch: they share its batch statistics."""
        samples = torch.cat([self.d_input("real"), self.d_input("fake")])
        condition = zip(self.condition("real"), self.condition("fake"), strict=True)
        features, scores, maps = self.judge(samples, tuple(torch.cat(pair) for pair in condition))
        count = len(self.real)
        real = None if features is None else features[:count]
        fake = None if features is None else features[count:]
        real_maps, fake_maps = tuple(m[:count] for m in maps), tuple(m[count:] for m in maps)
        return (real, scores[:count], real_maps), (fake, scores[count:], fake_maps)

    def d_input(self, kind: Kind) -> Tensor:
        """The samples of a kind as D is given them: augmented and noised by the recipe's parts."""
        samples = self.real if kind == "real" else self.d_fake_input
        if self.player == "d" and any(kind in part.input_gradients for part in self.parts):
            samples = self._leaves[kind] = samples.detach().requires_grad_(True)
        return self._augmented(samples, kind)

    def _augmented(self, samples: Tensor, kind: Kind) -> Tensor:
        """`samples` after every part's `augment`."""
        for part in self.parts:
            samples = part.augment(self, samples, kind)
        return samples

    def condition(self, kind: Kind) -> Condition:
        """What D is conditioned on beside the samples of a kind; see `Recipe.condition`."""
        if kind == "real":
            return self.recipe.condition(self, self.real, self.labels, None)
        return self.recipe.condition(self, self.fake, self.fake_labels, self.latent)

    @property
    def real_scores(self) -> Tensor:
        """C(x), (B,) float32."""
        return self._real_output[1]

    @property
    def fake_scores(self) -> Tensor:
        """C(G(z)), (B,) float32."""
        return self._fake_output[1]

    def input_gradient(self, kind: Kind) -> Tensor:
        """grad_x C(x), shape of the samples of a kind, with a graph to D's weights: in D's step,
        for parts that list the kind in `input_gradients`. It comes from the forward that gives the
        scores, and is taken at the samples before any part augments them."""
        if kind not in self._input_gradients:
            scores = self.real_scores if kind == "real" else self.fake_scores
            (gradient,) = torch.autograd.grad(scores.sum(), self._leaves[kind], create_graph=True)
            self._input_gradients[kind] = gradient
        return self._input_gradients[kind]

    @property
    def real_features(self) -> Tensor:
        """D's features of `real`, from the same forward as the scores."""
        return self._features(self._real_output)

    @property
    def fake_features(self) -> Tensor:
        """D's features of `fake`, from the same forward as the scores."""
        return self._features(self._fake_output)

    @property
    def real_maps(self) -> tuple[Tensor, ...]:
        """What D's `judge` shows of `real` beside features and scores, from the same forward."""
        return self._real_output[2]

    def head(self, name: str, features: Tensor) -> Any:
        """What module `name` of player D (InfoGAN's Q, a class head) reads from D's features or
        maps. Its running statistics move only in D's step."""
        return self.forward("d", name, features, own=self.player == "d")

    def judge(self, samples: Tensor, condition: Condition = ()) -> DOutput:
        """D's features (or None), scores and maps of `samples`; D's running statistics move only
        in D's step."""
        return self._judged(samples, condition, own=self.player == "d")

    def critic(self, samples: Tensor, condition: Condition | None = None) -> Tensor:
        """D's scores (B,) of `samples`, its running statistics unmoved: the forward for penalties.
        Conditioned as on this step's real batch, unless `condition` says otherwise."""
        condition = self.condition("real") if condition is None else condition
        return self._judged(samples, condition, own=False)[1]

    def held_out_scores(self, batch: RealBatch) -> Tensor:
        """D's scores (B,) of data that training never sees, given to D as the real batch was:
        noised and augmented by the recipe's parts (from streams of its own), and in one batch with
        the fakes where the recipe gives D both in one. Else the difference from `real_scores`,
        which is read as overfitting, would be that of the augmentation. D's running statistics
        stay."""
        samples = self._augmented(batch.samples, "heldout")
        condition = self.recipe.condition(self, batch.samples, batch.labels, None)
        if self._joint:
            samples = torch.cat([samples, self.d_input("fake")])
            pairs = zip(condition, self.condition("fake"), strict=True)
            condition = tuple(torch.cat(pair) for pair in pairs)
        return self.critic(samples, condition)[: len(batch.samples)]

    def _judged(self, samples: Tensor, condition: Condition, own: bool) -> DOutput:
        inputs = (samples, *condition)
        features, scores, *maps = self.forward(
            "d", "discriminator", *inputs, own=own, by=features_and_scores
        )
        if scores.numel() != len(samples):
            raise UserError(
                f"the discriminator gives {tuple(scores.shape)} for {len(samples)} samples: it "
                "must give one raw score each, (B,) or (B, 1)"
            )
        return features, scores.float().flatten(), tuple(maps)

    def _features(self, output: DOutput) -> Tensor:
        if output[0] is None:
            raise UserError(
                "this part reads D's features: give the discriminator `features(x)` and "
                "`head(features)`"
            )
        return output[0]


def features_and_scores(
    discriminator: Any, samples: Tensor, *condition: Tensor
) -> tuple[Tensor | None, ...]:
    """D's features (None where it shows none), raw scores and any maps, of one forward. `Networks`
    says what a discriminator may have beside `forward`."""
    if hasattr(discriminator, "judge"):
        return discriminator.judge(samples, *condition)
    if hasattr(discriminator, "features") and hasattr(discriminator, "head"):
        features = discriminator.features(samples, *condition)
        return features, discriminator.head(features)
    return None, discriminator(samples, *condition)
