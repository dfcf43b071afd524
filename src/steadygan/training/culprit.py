"""Where the first non-finite number of a failed step stands: network, layer, part."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from steadygan.game.context import StepContext
from steadygan.game.state import StepResult
from steadygan.training.guards import all_finite


def culprit(result: StepResult) -> str:
    """Where the first non-finite value stands, in words: network, layer and part."""
    context, player = result.context, result.player
    for what, tensor in context.used().items():
        if not all_finite([tensor]):
            kind = "real batch (data)" if what == "real" else what
            return f"the {kind} of player {player.name}"
    for name, network in context.state.networks().items():
        for key, tensor in (*network.named_parameters(), *network.named_buffers()):
            if not all_finite([tensor]):
                if name == "states":
                    return f"the state {key} of a part"
                kind = "EMA weight" if name == "average" else "weight"
                return f"{kind} {key} of network {name}"
    for key, tensor in player.optimizer_tensors().items():
        if not all_finite([tensor]):
            return f"optimizer moment {key} of player {player.name}"
    if layer := first_bad_layer(context):
        return layer
    for part, loss in result.losses.items():
        if not all_finite([loss]):
            return f"loss part {part} of player {player.name}"
    for key, gradient in zip(player.parameter_names, result.gradients, strict=True):
        if not all_finite([gradient]):
            return f"gradient of {key} of player {player.name}{_through(result)}"
    return f"an overflow in the sums of player {player.name} (values near 1e38)"


def first_bad_layer(context: StepContext) -> str | None:
    """Run G and D again on this step's inputs and name the first layer with a bad output."""
    found: list[str] = []

    def watch(network: str, name: str) -> object:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and not found and not all_finite([output]):
                found.append(f"output of layer {name or 'forward'} of network {network}")

        return hook

    state = context.state
    networks = {
        "players/g.generator": state.generator,
        "players/d.discriminator": state.discriminator,
    }
    handles = [
        module.register_forward_hook(watch(network, name))
        for network, root in networks.items()
        for name, module in root.named_modules()
        if not list(module.children())
    ]
    try:
        with torch.no_grad():
            fake = context.forward("g", "generator", context.latent, own=False).float()
            context.critic(fake, context.condition("fake"))
            if "real" in context.used():
                context.critic(context.real)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None


def _through(result: StepResult) -> str:
    """Which loss part a bad gradient came through, by asking each part alone where it can be."""
    for part, loss in result.losses.items():
        try:
            gradients = torch.autograd.grad(
                loss, result.player.parameters, retain_graph=True, allow_unused=True
            )
        except RuntimeError:  # the graph was freed by the step's own backward
            return f" (parts {', '.join(result.losses)})"
        if not all_finite([g for g in gradients if g is not None]):
            return f" (part {part})"
    return ""
