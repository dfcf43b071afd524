"""BiGAN. Donahue et al. 2017, "Adversarial Feature Learning", arXiv:1605.09782.

    V(D, E, G) = E log D(x, E(x)) + E log(1 - D(G(z), z))         eq. 3
    L_D = -V                                                      Algorithm 1
    L_{E,G} = -E log D(G(z), z) - E log(1 - D(x, E(x)))           section 3.4: labels swapped
    at the optimum E inverts G: G(E(x)) = x, E(G(z)) = z          Theorem 2

D judges pairs of an image and a latent. E moves with G, and sees real images only; when D moves,
neither has a graph. z is U(-1, 1) with 50 numbers, Adam(2e-4, .5) with weight decay 2.5e-5.
Convolutional networks by default; preset=paper gives the fully connected ones of the paper's MNIST
experiment and batch 128 (its rate falls exponentially in the second half of 400 epochs; here it
does not). In the authors' convolutional nets z enters D at every layer, here before the last one.
"""

import torch
from pydantic import model_validator
from torch import Tensor

from steadygan.game.context import Condition, StepContext
from steadygan.game.optimizers import Adam
from steadygan.game.recipe import Recipe
from steadygan.game.state import GameState
from steadygan.losses.objectives import NonSaturating
from steadygan.networks import BiGANNetworks
from steadygan.priors import Uniform


class BiGAN(Recipe):
    """A game of pairs: D is given E(x) beside a real sample and z beside a generated one."""

    @model_validator(mode="after")
    def _judges_pairs(self) -> "BiGAN":
        if not self.networks.d_takes_latents:
            raise ValueError("bigan wants a D of pairs and an encoder: set networks=bigan")
        if "d" in self.objective.in_context:
            raise ValueError(
                "bigan gives G the loss of D with the labels swapped, and that of objective "
                f"{self.objective.name} follows from more than scores: give another objective"
            )
        return self

    def condition(
        self, context: StepContext, samples: Tensor, labels: Tensor | None, latent: Tensor | None
    ) -> Condition:
        if latent is not None:
            return (latent,)
        if samples is not context.real:  # held-out samples, for the log
            return (self.encoded(context, samples),)
        return (context.once("real codes", lambda: self.encoded(context, samples)),)

    def encoded(self, context: StepContext, samples: Tensor) -> Tensor:
        """E(x), (B, dim) float32: with a graph, and moving E's buffers, in G's update alone."""
        own = context.player == "g"
        with torch.set_grad_enabled(own):
            return context.forward("g", "encoder", samples, own=own).float()

    @property
    def has_encoder(self) -> bool:
        return True

    @torch.no_grad()
    def latents_of(self, state: GameState, images: Tensor) -> Tensor:
        return state.players["g"]["encoder"](images).float()

    def g_loss(self, context: StepContext) -> Tensor:
        """D's objective with the labels swapped: E and G both make D mistake the pairs."""
        fake, real = self.gathered(context, context.fake_scores, context.real_scores)
        return self.objective.d_loss(fake, real)


ADAM = Adam(lr=2e-4, betas=(0.5, 0.999), weight_decay=2.5e-5)

family = "labels and codes"
use_when = "you want the latent of a picture (sample --from), by an encoder"
recipe = BiGAN(
    networks=BiGANNetworks(),
    objective=NonSaturating(),
    prior=Uniform(dim=50),
    d_optimizer=ADAM,
    g_optimizer=ADAM,
    shared_latents=True,
)
vector_networks = BiGANNetworks(stages=0, hidden=128)
presets = {
    "light": {"width": 16, "hidden": 128, "kernel": 4, "lr": 1e-3},
    "paper": {"stages": 0, "batch": 128, "horizon_images": 24_000_000},
}
