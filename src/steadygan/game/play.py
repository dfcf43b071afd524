"""Play: the tensors of one player's update, each computed once and on demand."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn

from steadygan.errors import UserError
from steadygan.game.buffers import buffers_kept
from steadygan.game.players import Table
from steadygan.game.priors import class_of, with_class
from steadygan.networks.spectral import start_step

if TYPE_CHECKING:
    from steadygan.game.recipe import Recipe

Kind = Literal["real", "fake", "heldout"]
#: D's features of a batch (None where D has none) and its scores (B,) float32.
Judged = tuple[Tensor | None, Tensor]
#: What D is told beside the samples: nothing, or labels (B,), or a latent (B, n).
Told = tuple[Tensor, ...]


class RealBatch(NamedTuple):
    """A batch of the train part: `samples` (B, ...) as played, `labels` (B,) int64 or None, both on
    the game's device, and `rows` (B,) int64 on the CPU: which items of the data they are."""

    samples: Tensor
    labels: Tensor | None = None
    rows: Tensor | None = None


@dataclass(frozen=True)
class Hand:
    """What the loop deals for one update; everything random about the update comes from here.

    `real()` gives the mover's next real batch: each player goes through the data in an order of its
    own, so a part on G that looks at real samples does not move D's. `generator(stream)` is the
    random stream of that name for this update. `autocast()` is entered around network forwards.
    `to_device(t)` moves a CPU tensor to the game's device.
    """

    real: Callable[[], RealBatch]
    generator: Callable[[str], torch.Generator]
    autocast: Callable[[], AbstractContextManager]
    to_device: Callable[[Tensor], Tensor]


@dataclass
class Play:
    """One update of player `mover`. Parts ask for what they need; nothing is computed twice.

    Scores are float32 (B,) whatever the precision of the forwards. When D moves, `fake` has no
    graph; when G moves, D's weights get no gradient (only G's are asked for). Whoever stands still
    keeps its buffers. With `keeps_graph`, D's update makes `fake` with a graph that G's update may
    `take_fake_of` it: the two then share one forward of G. `images` is how many real images D had
    seen before this turn.
    """

    recipe: Recipe
    table: Table
    mover: str
    hand: Hand
    images: int = 0
    keeps_graph: bool = False
    signals: dict[str, Tensor] = field(default_factory=dict)
    _leaves: dict[str, Tensor] = field(default_factory=dict, repr=False)
    _slopes: dict[str, Tensor] = field(default_factory=dict, repr=False)

    def generator(self, stream: str) -> torch.Generator:
        """The random stream `stream` of this update, on the CPU."""
        return self.hand.generator(stream)

    @property
    def progress(self) -> float:
        """The share of the recipe's horizon that is behind, 0 to 1: what schedules follow."""
        return min(self.images / self.recipe.horizon_images, 1.0)

    # ---- samples -----------------------------------------------------------------------------

    @cached_property
    def batch(self) -> RealBatch:
        """The mover's next batch of the data; asking draws it."""
        return self.hand.real()

    @property
    def real(self) -> Tensor:
        """Real samples (B, ...): images in [-1, 1]."""
        return self.batch.samples

    @property
    def labels(self) -> Tensor | None:
        """Classes (B,) int64 of `real`, or None where the data has none."""
        return self.batch.labels

    @cached_property
    def latent(self) -> Tensor:
        """z (B, n) with any codes at its end, and the class of `real` where G takes classes."""
        drawn = self.recipe.prior.sample(self.recipe.batch, self.generator("latents"))
        drawn = self.hand.to_device(drawn)
        return with_class(drawn, self.labels) if self.recipe.networks.g_takes_classes else drawn

    @property
    def fake_labels(self) -> Tensor | None:
        """Classes (B,) int64 that `fake` was asked for, or None where G takes none."""
        return class_of(self.latent) if self.recipe.networks.g_takes_classes else None

    def take_fake_of(self, other: Play) -> None:
        """Go on with the latents and fakes of D's update `other`, made for the same G."""
        self.latent, self.fake_with_graph = other.latent, other.fake_with_graph

    @cached_property
    def fake_with_graph(self) -> Tensor:
        """G(z) with a graph to G's weights, moving G's buffers: G's own forward of this turn."""
        start_step(self.table.generator)
        with self.hand.autocast():
            return self.table.generator(self.latent).float()

    @cached_property
    def fake(self) -> Tensor:
        """G(z), shape of `real`: with a graph when G moves, without one when D does."""
        if self.mover == "g":
            return self.fake_with_graph
        if self.keeps_graph:
            return self.fake_with_graph.detach()
        generator = self.table.generator
        with torch.no_grad(), buffers_kept(generator), self.hand.autocast():
            return generator(self.latent).float()

    @cached_property
    def judged_fake(self) -> Tensor:
        """The fakes that D judges: `fake`, or in D's update what a part puts in its place."""
        fake = self.fake
        if self.mover == "d":
            for part in self.recipe.parts():
                fake = part.fakes_for_d(self, fake)
        return fake

    # ---- what D makes of them ----------------------------------------------------------------

    @cached_property
    def _real_judged(self) -> Judged:
        if self._joint:
            return self._both_judged[0]
        return self.judge(self._shown("real"), self.told("real"))

    @cached_property
    def _fake_judged(self) -> Judged:
        if self._joint:
            return self._both_judged[1]
        return self.judge(self._shown("fake"), self.told("fake"))

    @property
    def _joint(self) -> bool:
        return self.recipe.joint_batches and self.mover == "d"

    @cached_property
    def _both_judged(self) -> tuple[Judged, Judged]:
        """Real and fake through D in one batch: they share its batch statistics."""
        samples = torch.cat([self._shown("real"), self._shown("fake")])
        told = zip(self.told("real"), self.told("fake"), strict=True)
        features, scores = self.judge(samples, tuple(torch.cat(pair) for pair in told))
        count = len(self.real)
        real = None if features is None else features[:count]
        fake = None if features is None else features[count:]
        return (real, scores[:count]), (fake, scores[count:])

    def _shown(self, kind: Kind) -> Tensor:
        """The samples of a kind as D is shown them: augmented, noised, by the recipe's parts."""
        samples = self.real if kind == "real" else self.judged_fake
        parts = self.recipe.parts()
        if self.mover == "d" and any(kind in part.input_gradients for part in parts):
            samples = self._leaves[kind] = samples.detach().requires_grad_(True)
        return self._changed(samples, kind)

    def _changed(self, samples: Tensor, kind: Kind) -> Tensor:
        """`samples` as every part's `shown` leaves them."""
        for part in self.recipe.parts():
            samples = part.shown(self, samples, kind)
        return samples

    def told(self, kind: Kind) -> Told:
        """What D is told beside the samples of a kind; see `Recipe.told`."""
        if kind == "real":
            return self.recipe.told(self, self.real, self.labels, None)
        return self.recipe.told(self, self.fake, self.fake_labels, self.latent)

    @property
    def real_scores(self) -> Tensor:
        """C(x), (B,) float32."""
        return self._real_judged[1]

    @property
    def fake_scores(self) -> Tensor:
        """C(G(z)), (B,) float32."""
        return self._fake_judged[1]

    def input_gradient(self, kind: Kind) -> Tensor:
        """grad_x C(x), shape of the samples of a kind, with a graph to D's weights: in D's update,
        for parts that list the kind in `input_gradients`. It comes from the forward that gives the
        scores, and is taken at the samples before any part changes what D is shown of them."""
        if kind not in self._slopes:
            scores = self.real_scores if kind == "real" else self.fake_scores
            (slope,) = torch.autograd.grad(scores.sum(), self._leaves[kind], create_graph=True)
            self._slopes[kind] = slope
        return self._slopes[kind]

    @property
    def real_features(self) -> Tensor:
        """D's features of `real`, from the same forward as the scores."""
        return self._features(self._real_judged)

    @property
    def fake_features(self) -> Tensor:
        """D's features of `fake`, from the same forward as the scores."""
        return self._features(self._fake_judged)

    def head(self, name: str, features: Tensor) -> object:
        """What module `name` of player D (InfoGAN's Q, a class head) reads from D's features. Its
        buffers move only in D's update."""
        module = self.table.players["d"][name]
        with self.hand.autocast():
            if self.mover == "d":
                return module(features)
            with buffers_kept(module):
                return module(features)

    @cached_property
    def codes_read(self) -> tuple[Tensor, Tensor]:
        """Q's category logits (B, K) and code means (B, m) for `fake`, float32."""
        logits, means = self.head("q", self.fake_features)
        return logits.float(), means.float()

    def judge(self, samples: Tensor, told: Told = ()) -> Judged:
        """D's features (or None) and scores of `samples`; D's buffers move only in D's update."""
        discriminator = self.table.discriminator
        if self.mover == "d":
            return self._forward(discriminator, samples, told)
        with buffers_kept(discriminator):
            return self._forward(discriminator, samples, told)

    def critic(self, samples: Tensor, told: Told | None = None) -> Tensor:
        """D's scores (B,) of `samples` with D's buffers kept: the forward for penalties. D is told
        what it is of this update's real batch, unless `told` says otherwise."""
        told = self.told("real") if told is None else told
        with buffers_kept(self.table.discriminator):
            return self._forward(self.table.discriminator, samples, told)[1]

    def held_out_scores(self, batch: RealBatch) -> Tensor:
        """D's scores (B,) of data that training never sees, shown as the real batch was: noised and
        augmented by the recipe's parts (from streams of its own), and in one batch with the fakes
        where the recipe judges both in one. Else the difference from `real_scores`, which is read
        as overfitting, would be that of what D is shown. D's buffers are kept."""
        samples = self._changed(batch.samples, "heldout")
        told = self.recipe.told(self, batch.samples, batch.labels, None)
        if self._joint:
            samples = torch.cat([samples, self._shown("fake")])
            pairs = zip(told, self.told("fake"), strict=True)
            told = tuple(torch.cat(pair) for pair in pairs)
        return self.critic(samples, told)[: len(batch.samples)]

    def log_gradient_norms(self, norms: Tensor) -> None:
        """Keep the mean and spread of input-gradient norms (B,) for the log."""
        self.signals["critic_gradient_norm"] = norms.mean()
        self.signals["critic_gradient_norm_std"] = norms.std(correction=0)

    def _forward(self, discriminator: nn.Module, samples: Tensor, told: Told) -> Judged:
        features = None
        with self.hand.autocast():
            if hasattr(discriminator, "judge"):
                features, scores = discriminator.judge(samples, *told)
            elif hasattr(discriminator, "features") and hasattr(discriminator, "head"):
                features = discriminator.features(samples, *told)
                scores = discriminator.head(features)
            else:
                scores = discriminator(samples, *told)
        if scores.numel() != len(samples):
            raise UserError(
                f"the discriminator gives {tuple(scores.shape)} for {len(samples)} samples: it "
                "must give one raw score each, (B,) or (B, 1)"
            )
        return features, scores.float().flatten()

    def _features(self, judged: Judged) -> Tensor:
        if judged[0] is None:
            raise UserError(
                "this part reads D's features: give the discriminator `features(x)` and "
                "`head(features)`"
            )
        return judged[0]
