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
from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from steadygan.game.buffers import frozen_buffers
from steadygan.game.context import Iteration, StepContext
from steadygan.game.optimizers import Adam, Optimizer
from steadygan.game.priors import Normal, uniform_from_normal, with_class
from steadygan.game.recipe import Recipe
from steadygan.game.state import GameState, Player, StepResult
from steadygan.losses.objectives import NonSaturating
from steadygan.networks import DCGANNetworks
from steadygan.networks.spectral import power_iteration
from steadygan.networks.unet import UNet
from steadygan.spec import Member

#: The least spread that a number of the feature is divided by: a dead one stays 0.
LEAST_SPREAD = 1e-6
#: How finely the loss of the auto-encoder's stage is remembered.
CURVE = 100


class Features(nn.Module):
    """Mean and squared spread of each number of h over the images seen in the stage, by Chan et
    al.'s update, and the mean reconstruction loss in each hundredth of the auto-encoder's stage."""

    count: Tensor
    mean: Tensor
    squares: Tensor
    losses: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(dim, dtype=torch.float64))
        self.register_buffer("squares", torch.zeros(dim, dtype=torch.float64))
        self.register_buffer("losses", torch.zeros(CURVE))

    @torch.no_grad()
    def add(self, features: Tensor) -> None:
        """Take a batch (B, dim) into mean and spread."""
        new, count = features.double(), len(features)
        total = self.count + count
        off = new.mean(0) - self.mean
        self.squares += (new - new.mean(0)).square().sum(0)
        self.squares += off.square() * self.count * count / total
        self.mean += off * count / total
        self.count.copy_(total)

    def standardised(self, features: Tensor) -> Tensor:
        """Features (B, dim) with mean 0 and spread 1 over the images seen; as they are before."""
        if not self.count:
            return features
        spread = (self.squares / self.count).sqrt().clamp_min(LEAST_SPREAD)
        return ((features - self.mean) / spread).float()


class RandomCodes(nn.Module):
    """A fixed N(0, I) vector for each training image: a function of its row and the run's key."""

    key: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.register_buffer("key", torch.randint(2**62, ()))

    def normal(self, rows: Tensor) -> Tensor:
        """(B, dim) for rows (B,) int64, on the CPU."""
        key = int(self.key)
        seeds = [(key + 0x9E3779B97F4A7C15 * (row + 1)) % 2**63 for row in rows.tolist()]
        draws = [torch.randn(self.dim, generator=torch.Generator().manual_seed(s)) for s in seeds]
        return torch.stack(draws)


class Decoding(Recipe):
    """The game with its two stages and the decode step."""

    stages: ClassVar = ("autoencoder", "features")

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

    # ---- players and states -------------------------------------------------------------------

    def start(self, shape: tuple[int, ...], classes: int = 0) -> GameState:
        state = super().start(shape, classes)
        if self.learns_features:
            network = UNet(shape, self.prior.dim, self.ae == "unet")
            state.players["autoencoder"] = Player(
                "autoencoder", {"autoencoder": network}, self.ae_optimizer
            )
            state.part_states["features"] = Features(self.prior.dim)
        elif self.decode_weight:
            state.part_states["codes"] = RandomCodes(self.prior.dim)
        if self.decode_weight and self.decode != "joint":
            optimizer = self.g_optimizer.model_copy(
                update={"lr": self.decode_weight * self.g_optimizer.lr}
            )
            modules = {"generator": state.generator}
            state.players["decode"] = Player("decode", modules, optimizer, weights_of="g")
        return state

    def autoencoder(self, state: GameState) -> UNet:
        """A, where the recipe `learns_features`."""
        return cast(UNet, state.players["autoencoder"]["autoencoder"])

    def code(self, state: GameState, images: Tensor) -> Tensor:
        """h(x) standardised, (B, dim) float32, for images (B, C, H, W); without a graph."""
        with torch.no_grad():
            feature, _ = self.autoencoder(state).encode(images)
            return state.part_state("features", Features).standardised(feature.float())

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
            latent = context.inputs.to_device(latent)
        return with_class(latent, context.classes) if self.networks.g_takes_classes else latent

    # ---- the stages --------------------------------------------------------------------------

    def stage_length(self, stage: str) -> int:
        if not self.learns_features:
            return 0
        return self.autoencoder_steps if stage == "autoencoder" else self.feature_batches

    def stage_step(self, stage: str, state: GameState, iteration: Iteration) -> StepResult:
        """A step of A on E |A(x) - x|^2; then, with A as it is, batches for mean and spread."""
        player, inputs = state.players["autoencoder"], iteration.inputs(stage, iteration.index)
        context = StepContext(self, state, "autoencoder", inputs, iteration=iteration.index)
        if stage == "autoencoder":
            result = self.step(context, iteration.guard)
            self._remember(state.part_state("features", Features).losses, iteration.index, result)
            if iteration.index == self.autoencoder_steps - 1:
                player.optimizer.state.clear()  # A is not updated again
            return result
        with torch.no_grad(), inputs.autocast():
            feature, _ = self.autoencoder(state).encode(context.real)
        losses = {"spread": feature.float().std()}
        still = [weight.new_zeros(()) for weight in player.parameters]
        result = StepResult(player, context, losses, still, torch.zeros(()))
        iteration.guard(result)
        state.part_state("features", Features).add(feature.float())
        return result

    def _remember(self, curve: Tensor, step: int, result: StepResult) -> None:
        """Add a step's loss to its hundredth of the stage, as a share of the mean there."""
        place = step * CURVE // self.autoencoder_steps
        first = -(-place * self.autoencoder_steps // CURVE)
        after = -(-(place + 1) * self.autoencoder_steps // CURVE)
        curve[place] += result.losses["reconstruction"].detach() / (after - first)

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
            with context.inputs.autocast():
                rebuilt = context.state.players["autoencoder"]["autoencoder"](context.real)
            return {"reconstruction": mse_loss(rebuilt.float(), context.real)}
        if context.player == "decode":
            return {"decode": self.decode_loss(context)}
        losses = super().losses(context)
        if context.player == "g" and self.decode == "joint" and self.decode_weight:
            losses["decode"] = self.decode_weight * self.decode_loss(context)
        return losses

    def decode_loss(self, context: StepContext) -> Tensor:
        """The mean over images and pixels of |G(h(x)) - x|^2, or of |G(h(x)) - x|."""
        generator, latent = context.state.generator, self.decoded_from(context)
        if context.player == "decode":
            power_iteration(generator)
        with frozen_buffers(generator), context.inputs.autocast():
            made = generator(latent).float()
        return (l1_loss if self.decode == "l1" else mse_loss)(made, context.real)


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
        "width": 16, "stages": 3, "kernel": 4, "lr": 5e-4, "autoencoder_steps": 400,
        "feature_batches": 50,
    },
}  # fmt: skip
