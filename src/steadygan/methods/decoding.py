"""GAN under a decoding constraint. Chen, Chen, He & Zhu 2022, "GANs under Decoding Constraint" (in
Chinese), Acta Automatica Sinica 48(9):2288-2300, doi:10.16383/j.aas.c190496.

    A: a U-Net auto-encoder, trained first on E |A(x) - x|^2 and frozen; h(x) its middle, dim z
    before each iteration, on G's weights:  L_dec = E |G(h(x)) - x|^2         abstract
    then  L_D = -E log D(x) - E log(1 - D(G(z))),  L_G = -E log D(G(z))  as DCGAN, section 3
    objective "JS + lambda KL"; L2 chosen over L1                        abstract, tables

The decoder is G itself. With p(x | h) a Gaussian (Laplace for L1) around G(h), L_dec bounds a KL
divergence from above, so there is no KL term beside it. The decode step has an Adam of its own, out
of which a factor would divide: lambda is the ratio of its learning rate to G's (`decode_weight`; 0
leaves the step out, and the run is `dcgan prior=normal`). decode=joint is one step of G on
L_G + lambda L_dec.

Only abstract and tables of the paper are public (its DOI is from memory). Ours are: A's layers (of
the size that the paper gives), h standardised over the data to meet the normal prior (tanh of that
for a uniform one), one decode step an iteration, lambda = 1. `features=normal|uniform` replaces
h(x) by a fixed random vector an image. The decode step leaves G's running statistics to the prior's
latents, which samples are made of.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator
from torch import Tensor

from steadygan.game.context import Iteration, StepContext
from steadygan.game.optimizers import Adam
from steadygan.game.player import Player
from steadygan.game.state import GameState, StepResult
from steadygan.losses.decoding import RandomCodes, decoding_loss
from steadygan.losses.objectives import NonSaturating
from steadygan.networks import DCGANNetworks
from steadygan.networks.dcgan import LIGHT
from steadygan.networks.labels import with_class
from steadygan.priors import Normal, uniform_from_normal
from steadygan.recipes.pretraining import EncoderPretraining


class Decoding(EncoderPretraining):
    """The game with the decode step, after the auto-encoder's stages."""

    signal_titles: ClassVar = {"decode_gradient_norm": "generator in the decode step"}

    decode: Literal["l2", "l1", "joint"] = "l2"
    decode_weight: float = Field(1.0, ge=0)

    @model_validator(mode="after")
    def _prior_is_met(self) -> Decoding:
        if self.prior.name not in ("normal", "uniform"):
            raise ValueError("decoding matches features to prior=normal or prior=uniform")
        return self

    @property
    def learns_features(self) -> bool:
        return bool(self.decode_weight) and super().learns_features

    def start(self, shape: tuple[int, ...], classes: int = 0) -> GameState:
        state = super().start(shape, classes)
        if self.decode_weight and not self.learns_features:
            state.part_states["codes"] = RandomCodes(self.prior.dim)
        if self.decode_weight and self.decode != "joint":
            rate = {"lr": self.decode_weight * self.g_optimizer.lr}
            optimizer = self.g_optimizer.model_copy(update=rate)
            same = {"generator": state.generator}
            state.players["decode"] = Player("decode", same, optimizer, weights_of="g")
        return state

    def play(self, state: GameState, iteration: Iteration) -> dict[str, StepResult]:
        """The decode step, then those of D and G."""
        results = {}
        if "decode" in state.players:
            context = iteration.context(self, state, "decode")
            results["decode"] = self.step(context, iteration.guard)
        return super().play(state, iteration) | results

    def losses(self, context: StepContext) -> dict[str, Tensor]:
        if context.player == "decode":
            return {"decode": self.decode_loss(context)}
        losses = super().losses(context)
        if context.player == "g" and self.decode == "joint" and self.decode_weight:
            losses["decode"] = self.decode_weight * self.decode_loss(context)
        return losses

    def decode_loss(self, context: StepContext) -> Tensor:
        """How far G(h(x)) is from x, in a forward that leaves G's running statistics alone."""
        own, latent = context.player == "decode", self.decoded_from(context)
        made = context.forward("g", "generator", latent, own=own, statistics=False).float()
        return decoding_loss(made, context.real, "l1" if self.decode == "l1" else "l2")

    @property
    def has_encoder(self) -> bool:
        return self.learns_features

    def latents_of(self, state: GameState, images: Tensor) -> Tensor:
        code = self.code(state, images)
        return code.tanh() if self.prior.name == "uniform" else code

    def decoded_from(self, context: StepContext) -> Tensor:
        """The latents (B, n) that G should map to `context.real`."""
        if self.learns_features:
            with context.inputs.autocast():
                latent = self.latents_of(context.state, context.real)
        else:
            assert context.batch.rows is not None  # the training loop gives them
            normal = context.state.part_state("codes", RandomCodes).normal(context.batch.rows)
            latent = normal if self.features == "normal" else uniform_from_normal(normal)
            latent = latent.to(context.inputs.device)
        return with_class(latent, context.classes) if self.networks.g_takes_classes else latent


ADAM = Adam(lr=2e-4, betas=(0.5, 0.999))

family = "decoding constraint"
use_when = "G shall also decode features of the data, and sample --from your pictures"
recipe = Decoding(
    networks=DCGANNetworks(),
    objective=NonSaturating(),
    prior=Normal(dim=100),
    d_optimizer=ADAM,
    g_optimizer=ADAM,
    shared_latents=True,
)
presets = {
    "light": {**LIGHT, "lr": 5e-4, "autoencoder_steps": 400, "feature_batches": 50},
}
