"""Pre-training of an auto-encoder, for methods that read images through the middle of one.

    A: a U-Net, trained first on E |A(x) - x|^2 and frozen; h(x) its middle, dim z

Two stages come before the first iteration: the steps of A, and then, with A as it is, the batches
over which the mean and spread of h are taken, so that h standardised meets a standard normal prior.
"""

from __future__ import annotations

from typing import ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import Tensor

from steadygan.game.context import Iteration, StepContext
from steadygan.game.optimizers import Adam, Optimizer
from steadygan.game.player import Player
from steadygan.game.recipe import Recipe
from steadygan.game.state import GameState, StepResult
from steadygan.losses.decoding import Features, decoding_loss
from steadygan.networks.unet import UNet
from steadygan.spec import Member


class EncoderPretraining(Recipe):
    """A recipe with an auto-encoder as one more player, trained before the game and then left
    alone. `features=normal|uniform` stands for h(x) by a fixed random vector an image: no stage."""

    stages: ClassVar = ("autoencoder", "features")

    features: Literal["encoder", "normal", "uniform"] = "encoder"
    ae: Literal["unet", "plain"] = "unet"
    ae_optimizer: Member[Optimizer] = Adam(lr=3e-3, betas=(0.9, 0.999))
    autoencoder_steps: int = Field(4000, ge=1)
    feature_batches: int = Field(100, ge=2)

    @property
    def learns_features(self) -> bool:
        """True where there is an auto-encoder to train."""
        return self.features == "encoder"

    def start(self, shape: tuple[int, ...], classes: int = 0) -> GameState:
        state = super().start(shape, classes)
        if self.learns_features:
            modules = {"autoencoder": UNet(shape, self.prior.dim, self.ae == "unet")}
            state.players["autoencoder"] = Player("autoencoder", modules, self.ae_optimizer)
            state.part_states["features"] = Features(self.prior.dim)
        return state

    def stage_length(self, stage: str) -> int:
        if not self.learns_features:
            return 0
        return self.autoencoder_steps if stage == "autoencoder" else self.feature_batches

    def stage_step(self, stage: str, state: GameState, iteration: Iteration) -> StepResult:
        """A step of A, or a batch for mean and spread of h."""
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
        features.add(context.whole(feature))
        return result

    def losses(self, context: StepContext) -> dict[str, Tensor]:
        if context.player == "autoencoder":
            rebuilt = context.forward("autoencoder", "autoencoder", context.real, own=True)
            return {"reconstruction": decoding_loss(rebuilt.float(), context.real)}
        return super().losses(context)

    def code(self, state: GameState, images: Tensor) -> Tensor:
        """h(x) standardised, (B, dim) float32, for images (B, C, H, W); without a graph."""
        with torch.no_grad():
            feature, _ = cast(UNet, state.players["autoencoder"]["autoencoder"]).encode(images)
            return state.part_state("features", Features).standardised(feature.float())
