"""BEGAN. Berthelot, Schumm & Metz 2017, "BEGAN: Boundary Equilibrium Generative Adversarial
Networks", arXiv:1703.10717.

    l(v) = mean |v - D(v)|, D an auto-encoder                     eq. 1
    gamma = E l(g) / E l(x): small for quality, large for diversity      section 3.3
    L_D = l(x) - k_t l(G(z)),  L_G = l(G(z))                      section 3.4
    k_{t+1} = clip(k_t + lambda_k (gamma l(x) - l(G(z))), 0, 1)   section 3.4
    M = l(x) + |gamma l(x) - l(G(z))|                             section 3.4.1
    lambda_k = .001, k_0 = 0; Adam(1e-4), batch 16, rate halved where M stalls   section 4.1

k holds the two errors at the ratio gamma, so that neither player wins. As in a much used public
implementation, one batch of latents serves both losses and gamma is .5; both errors of k and M are
those of D's update, before its step. Uncertain: when M counts as
stalled. Here, when its running mean has made no new minimum (by 1 %) for `stall_images` images;
that implementation halves every 1.6 million images, down to a quarter. Adam's beta1 is .5.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, model_validator
from torch import Tensor

from steadygan.game.context import Iteration, StepContext
from steadygan.game.optimizers import Adam
from steadygan.game.player import Player
from steadygan.game.recipe import Recipe
from steadygan.game.state import GameState, StepResult
from steadygan.losses.energy import BEGANObjective, began_d_loss
from steadygan.networks.autoencoder import BEGANNetworks
from steadygan.parts.equilibrium import BEGANState
from steadygan.priors import Uniform


def balance_of(state: GameState) -> BEGANState:
    return state.part_state("balance", BEGANState)


class Began(Recipe):
    """The game with k and the halving of the learning rates."""

    signal_titles: ClassVar = {
        "began_k": "k, the weight of generated images in D's loss",
        "began_convergence": "convergence measure M",
        "learning_rate_scale": "learning rates, as a share of their start",
    }
    changeable: ClassVar = frozenset(
        {"gamma", "lambda_k", "stall_images", "least_rate", "mean_images"}
    )

    gamma: float = Field(0.5, ge=0, le=1)
    lambda_k: float = Field(1e-3, gt=0, le=1)
    k_start: float = Field(0.0, ge=0, le=1)
    #: Images without a new minimum of M's running mean after which learning rates are halved.
    stall_images: int = Field(1_600_000, ge=1)
    #: The least share of the learning rates that halving leaves.
    least_rate: float = Field(0.25, gt=0, le=1)
    #: Half-life of the running mean of M, in images.
    mean_images: float = Field(20_000.0, gt=0)

    @model_validator(mode="after")
    def _energies(self) -> Began:
        if self.objective.name != "began":
            raise ValueError(f"began has objective=began, not {self.objective.name}")
        return self

    def start(self, shape: tuple[int, ...], classes: int = 0) -> GameState:
        state = super().start(shape, classes)
        state.part_states["balance"] = BEGANState(self.k_start)
        return state

    def d_loss(self, context: StepContext) -> Tensor:
        """l(x) - k l(g); k is a buffer, so no gradient reaches it."""
        return began_d_loss(context.real_scores, context.fake_scores, balance_of(context.state).k)

    def settings(self, player: Player, context: StepContext) -> dict[str, Any]:
        settings, rate = super().settings(player, context), balance_of(context.state).rate
        # On a GPU the rate is read there: to fetch it would make the host wait.
        scale = rate.item() if rate.device.type == "cpu" else rate
        return {**settings, "lr": settings["lr"] * scale}

    def iterate(self, state: GameState, iteration: Iteration) -> dict[str, StepResult]:
        """An iteration, then k, M and the learning rates by the errors of D's last step: of one and
        the same D, and of the fakes that it was given."""
        results = super().iterate(state, iteration)
        d_step, batch = results["d"].context, self.images_in(iteration.index)
        scores = d_step.real_scores, d_step.fake_scores
        real, fake = (d_step.whole(each.detach()).mean() for each in scores)
        balance = balance_of(state)
        signals = {"began_k": balance.k.clone()}  # what D's loss had
        convergence = balance.update_k(real, fake, gamma=self.gamma, lambda_k=self.lambda_k)
        balance.anneal(
            convergence, iteration.images + batch, batch, stall_images=self.stall_images,
            least_rate=self.least_rate, mean_images=self.mean_images,
        )  # fmt: skip
        signals |= {"began_convergence": convergence, "learning_rate_scale": balance.rate.clone()}
        results["g"].context.signals.update(signals)
        return results


ADAM = Adam(lr=1e-4, betas=(0.5, 0.999))

family = "auto-encoders"
use_when = "images are of one kind, such as faces, and a measure of convergence is wanted"
recipe = Began(
    networks=BEGANNetworks(),
    objective=BEGANObjective(),
    prior=Uniform(dim=64),
    d_optimizer=ADAM,
    g_optimizer=ADAM,
    batch=16,
    shared_latents=True,
    horizon_images=8_000_000,
)
presets = {
    "light": {"width": 8, "lr": 2e-3, "gamma": 0.9, "lambda_k": 0.05, "k_start": 0.5},
    "paper": {"width": 128, "prior.dim": 128},
}
