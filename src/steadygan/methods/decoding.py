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

from typing import ClassVar, Literal, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor

from steadygan.game.context import Iteration, StepContext
from steadygan.game.optimizers import Adam, Optimizer
from steadygan.game.player import Player
from steadygan.game.priors import Normal, uniform_from_normal
from steadygan.game.recipe import Recipe
from steadygan.game.state import GameState, StepResult
from steadygan.losses.decoding import Features, RandomCodes, decoding_loss
from steadygan.losses.objectives import NonSaturating
from steadygan.networks import DCGANNetworks
from steadygan.networks.dcgan import LIGHT
from steadygan.networks.labels import with_class
from steadygan.networks.unet import UNet
from steadygan.spec import Member


class Decoding(Recipe):
    """The game with its two stages and the decode step."""

    stages: ClassVar = ("autoencoder", "features")
    signal_titles: ClassVar = {"decode_gradient_norm": "generator in the decode step"}

    decode: Literal["l2", "l1", "joint"] = "l2"
    decode_weight: float = Field(1.0, ge=0)
    features: Literal["encoder", "normal", "uniform"] = "encoder"
    ae: Literal["unet", "plain"] = "unet"
    ae_optimizer: Member[Optimizer] = Adam(lr=3e-3, betas=(0.9, 0.999))
    autoencoder_steps: int = Field(4000, ge=1)
    feature_batches: int = Field(100, ge=2)

    @model_validator(mode="after")
    def _prior_is_met(self) -> Decoding:
        if self.prior.name not in ("normal", "uniform"):
            raise ValueError("decoding matches features to prior=normal or prior=uniform")
        return self

    @property
    def learns_features(self) -> bool:
        """True where there is an auto-encoder to train."""
        return bool(self.decode_weight) and self.features == "encoder"

    def start(self, shape: tuple[int, ...], classes: int = 0) -> GameState:
        state = super().start(shape, classes)
        if self.learns_features:
            modules = {"autoencoder": UNet(shape, self.prior.dim, self.ae == "unet")}
            state.players["autoencoder"] = Player("autoencoder", modules, self.ae_optimizer)
            state.part_states["features"] = Features(self.prior.dim)
        elif self.decode_weight:
            state.part_states["codes"] = RandomCodes(self.prior.dim)
        if self.decode_weight and self.decode != "joint":
            rate = {"lr": self.decode_weight * self.g_optimizer.lr}
            optimizer = self.g_optimizer.model_copy(update=rate)
            same = {"generator": state.generator}
            state.players["decode"] = Player("decode", same, optimizer, weights_of="g")
        return state

    # ---- the stages --------------------------------------------------------------------------

    def stage_length(self, stage: str) -> int:
        if not self.learns_features:
            return 0
        return self.autoencoder_steps if stage == "autoencoder" else self.feature_batches

    def stage_step(self, stage: str, state: GameState, iteration: Iteration) -> StepResult:
        """A step of A on E |A(x) - x|^2; then, with A as it is, batches for mean and spread."""
        index, player = iteration.index, state.players["autoencoder"]
        features = state.part_state("features", Features)
        inputs = iteration.inputs(stage, index)
        context = StepContext(self, state, "autoencoder", inputs, iteration=index)
        if stage == "autoencoder":
            result = self.step(context, iteration.guard)
            features.remember(result.losses["reconstruction"], index, self.autoencoder_steps)
            if index == self.autoencoder_steps - 1:
                player.optimizer.state.clear()  # A is not updated again
            return result
        with torch.no_grad(), inputs.autocast():
            feature = cast(UNet, player["autoencoder"]).encode(context.real)[0].float()
        still = [weight.new_zeros(()) for weight in player.parameters]
        result = StepResult(player, context, {"spread": feature.std()}, still, torch.zeros(()))
        iteration.guard(result)
        features.add(feature)
        return result

    # ---- an iteration ------------------------------------------------------------------------

    def iterate(self, state: GameState, iteration: Iteration) -> dict[str, StepResult]:
        """The decode step, then D and G."""
        results = {}
        if "decode" in state.players:
            context = iteration.context(self, state, "decode")
            results["decode"] = self.step(context, iteration.guard)
        return super().iterate(state, iteration) | results

    def losses(self, context: StepContext) -> dict[str, Tensor]:
        if context.player == "autoencoder":
            rebuilt = context.forward("autoencoder", "autoencoder", context.real, own=True)
            return {"reconstruction": decoding_loss(rebuilt.float(), context.real)}
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

    def decoded_from(self, context: StepContext) -> Tensor:
        """The latents (B, n) that G should map to `context.real`."""
        if self.features == "encoder":
            with context.inputs.autocast():
                latent = self.code(context.state, context.real)
            latent = latent.tanh() if self.prior.name == "uniform" else latent
        else:
            assert context.batch.rows is not None  # the training loop gives them
            normal = context.state.part_state("codes", RandomCodes).normal(context.batch.rows)
            latent = normal if self.features == "normal" else uniform_from_normal(normal)
            latent = latent.to(context.inputs.device)
        return with_class(latent, context.classes) if self.networks.g_takes_classes else latent

    def code(self, state: GameState, images: Tensor) -> Tensor:
        """h(x) standardised, (B, dim) float32, for images (B, C, H, W); without a graph."""
        with torch.no_grad():
            feature, _ = cast(UNet, state.players["autoencoder"]["autoencoder"]).encode(images)
            return state.part_state("features", Features).standardised(feature.float())


ADAM = Adam(lr=2e-4, betas=(0.5, 0.999))

recipe = Decoding(
    networks=DCGANNetworks(),
    objective=NonSaturating(),
    prior=Normal(dim=100),
    d_optimizer=ADAM,
    g_optimizer=ADAM,
    shared_latents=True,
)
presets = {
    "light": {
        **LIGHT, "lr": 5e-4, "autoencoder_steps": 400,
        "feature_batches": 50,
    },
}  # fmt: skip
