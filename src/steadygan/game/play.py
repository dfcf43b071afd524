"""Play: the tensors of one player's update, each computed once and on demand."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from steadygan.errors import UserError
from steadygan.game.buffers import buffers_kept
from steadygan.game.players import Table

if TYPE_CHECKING:
    from steadygan.game.recipe import Recipe


@dataclass(frozen=True)
class Hand:
    """What the loop deals for one update; everything random about the update comes from here.

    `real()` gives the next real batch (B, ...) and its labels (B,) or None, on the game's device.
    `generator(stream)` is the random stream of that name for this update. `autocast()` is entered
    around network forwards. `to_device(t)` moves a CPU tensor to the game's device.
    """

    real: Callable[[], tuple[Tensor, Tensor | None]]
    generator: Callable[[str], torch.Generator]
    autocast: Callable[[], AbstractContextManager]
    to_device: Callable[[Tensor], Tensor]


@dataclass
class Play:
    """One update of player `mover`. Parts ask for what they need; nothing is computed twice.

    Scores are float32 (B,) whatever the precision of the forwards. When D moves, `fake` has no
    graph; when G moves, D's weights get no gradient (only G's are asked for). Whoever stands still
    keeps its buffers. With `keeps_graph`, D's update makes `fake` with a graph that G's update may
    `take_fake_of` it: the two then share one forward of G.
    """

    recipe: Recipe
    table: Table
    mover: str
    hand: Hand
    keeps_graph: bool = False
    signals: dict[str, Tensor] = field(default_factory=dict)

    def generator(self, stream: str) -> torch.Generator:
        """The random stream `stream` of this update, on the CPU."""
        return self.hand.generator(stream)

    @cached_property
    def _batch(self) -> tuple[Tensor, Tensor | None]:
        return self.hand.real()

    @property
    def real(self) -> Tensor:
        """Real samples (B, ...): images in [-1, 1]. Asking draws the next batch of the data."""
        return self._batch[0]

    @property
    def labels(self) -> Tensor | None:
        """Classes (B,) int64 of `real`, or None where the data has none."""
        return self._batch[1]

    @cached_property
    def latent(self) -> Tensor:
        """z (B, total_dim) with any codes at its end."""
        drawn = self.recipe.prior.sample(self.recipe.batch, self.generator("latents"))
        return self.hand.to_device(drawn)

    def take_fake_of(self, other: Play) -> None:
        """Go on with the latents and fakes of D's update `other`, made for the same G."""
        self.latent, self.fake_with_graph = other.latent, other.fake_with_graph

    @cached_property
    def fake_with_graph(self) -> Tensor:
        """G(z) with a graph to G's weights, moving G's buffers: G's own forward of this turn."""
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
    def _real_judged(self) -> tuple[Tensor | None, Tensor]:
        return self.judge(self.real)

    @cached_property
    def _fake_judged(self) -> tuple[Tensor | None, Tensor]:
        return self.judge(self.fake)

    @property
    def real_scores(self) -> Tensor:
        """C(x), (B,) float32."""
        return self._real_judged[1]

    @property
    def fake_scores(self) -> Tensor:
        """C(G(z)), (B,) float32."""
        return self._fake_judged[1]

    @property
    def real_features(self) -> Tensor:
        """D's features of `real`, from the same forward as the scores."""
        return self._features(self._real_judged)

    @property
    def fake_features(self) -> Tensor:
        """D's features of `fake`, from the same forward as the scores."""
        return self._features(self._fake_judged)

    @cached_property
    def codes_read(self) -> tuple[Tensor, Tensor]:
        """Q's category logits (B, K) and code means (B, m) for `fake`, float32."""
        features, q = self.fake_features, self.table.players["d"]["q"]
        with self.hand.autocast():
            if self.mover == "d":
                logits, means = q(features)
            else:
                with buffers_kept(q):
                    logits, means = q(features)
        return logits.float(), means.float()

    def judge(self, images: Tensor) -> tuple[Tensor | None, Tensor]:
        """D's features (or None) and scores of `images`; D's buffers move only in D's update."""
        discriminator = self.table.discriminator
        if self.mover == "d":
            return self._forward(discriminator, images)
        with buffers_kept(discriminator):
            return self._forward(discriminator, images)

    def critic(self, images: Tensor) -> Tensor:
        """D's scores (B,) of `images` with D's buffers kept: the forward for penalties."""
        with buffers_kept(self.table.discriminator):
            return self._forward(self.table.discriminator, images)[1]

    def log_gradient_norms(self, norms: Tensor) -> None:
        """Keep the mean and spread of input-gradient norms (B,) for the log."""
        self.signals["critic_gradient_norm"] = norms.mean()
        self.signals["critic_gradient_norm_std"] = norms.std(correction=0)

    def _forward(self, discriminator: nn.Module, images: Tensor) -> tuple[Tensor | None, Tensor]:
        features = None
        with self.hand.autocast():
            if hasattr(discriminator, "features") and hasattr(discriminator, "head"):
                features = discriminator.features(images)
                scores = discriminator.head(features)
            else:
                scores = discriminator(images)
        if scores.numel() != len(images):
            raise UserError(
                f"the discriminator gives {tuple(scores.shape)} for {len(images)} samples: it must "
                "give one raw score each, (B,) or (B, 1)"
            )
        return features, scores.float().flatten()

    def _features(self, judged: tuple[Tensor | None, Tensor]) -> Tensor:
        if judged[0] is None:
            raise UserError(
                "this part reads D's features: give the discriminator `features(x)` and "
                "`head(features)`"
            )
        return judged[0]
