"""The auxiliary classifier: images must show the class that the generator was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from steadygan.game.part import Part

if TYPE_CHECKING:
    from steadygan.game.context import StepContext
    from steadygan.game.recipe import Recipe


def class_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """-E log P(C = c | x), in nats. Logits (B, K), classes (B,) int64.

    Minus the log-likelihood of the correct class, L_C of Odena et al. 2017, eq. 3.
    """
    return cross_entropy(logits.float(), classes)


class AuxiliaryClassifier(Part):
    """-L_C on D, for real and fake images, and on G. Odena et al. 2017, arXiv:1610.09585, eq. 3.

    The class head reads D's features and moves with D's optimizer. `weight` counts on D, `g_weight`
    on G (1 and 1 in the paper; 1 and .1 where a Wasserstein critic carries the head, as in the code
    of Gulrajani et al. 2017).
    """

    name = "auxiliary-classifier"
    sides: ClassVar = ("on_d", "on_g")
    reads_features: ClassVar = True
    weight: float = Field(1.0, ge=0)
    g_weight: float = Field(1.0, ge=0)

    def incompatibility(self, recipe: Recipe) -> str | None:
        if recipe.networks.reads_classes:
            return None
        return "auxiliary-classifier wants a class head on D: set networks=acgan"

    def loss(self, context: StepContext) -> Tensor:
        of_fake = self._of(context, "fake", context.fake_features, context.fake_labels)
        if context.player == "g":  # the term of real images does not depend on G
            return self.g_weight * of_fake
        return self.weight * (
            self._of(context, "real", context.real_features, context.labels) + of_fake
        )

    def _of(
        self, context: StepContext, kind: str, features: Tensor, classes: Tensor | None
    ) -> Tensor:
        assert classes is not None  # networks with a class head want labels
        logits = context.head("classifier", features)
        right = (logits.argmax(1) == classes).float().mean()
        context.signals[f"class_accuracy_{kind}"] = right.detach()
        return class_loss(logits, classes)
