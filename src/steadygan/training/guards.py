"""The guard against non-finite numbers: it stops a game before they reach a weight.

Before each optimizer step the real batch, the latents, the fakes, every loss part, the gradients,
the optimizer's moments, the player's own weights, small states of parts and the EMA are summed; a
sum is finite exactly if every term is (sums of finite float32 values overflow only beyond 1e38).
One number leaves the device. Only when that fails is the culprit looked for, layer by layer.

A state of size (`Undoable`) is not summed: what enters it is (fakes, weights), and what leaves it
is part of a loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from steadygan.game.buffers import frozen_buffers
from steadygan.game.context import StepContext
from steadygan.game.state import StepResult
from steadygan.training.state_dict import optimizer_tensors
from steadygan.training.undo import small_states


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """True if no element of any float tensor is NaN or Inf. One synchronisation a device: some
    optimizers keep their step counter on the CPU wherever the weights are."""
    sums: dict[torch.device, list[Tensor]] = {}
    for tensor in tensors:
        if tensor.is_floating_point():
            sums.setdefault(tensor.device, []).append(tensor.detach().sum().float())
    return all(math.isfinite(torch.stack(each).sum().item()) for each in sums.values())


def watched(result: StepResult) -> list[Tensor]:
    """Every tensor whose first non-finite value must stop the game at this step."""
    context, player = result.context, result.player
    found = [
        *seen_by(context).values(),
        *result.losses.values(),
        result.gradient_norm,  # stands for every gradient
        *player.parameters,
        *optimizer_tensors(player).values(),
        *small_states(context.state).values(),
    ]
    if "fake" in vars(context):  # a replay history takes fakes in that D has not judged
        found.append(vars(context)["fake"])
    if context.player == "g":
        found += [*context.state.g_ema.parameters(), *context.state.g_ema.buffers()]
    return found


def seen_by(context: StepContext) -> dict[str, Tensor]:
    """The inputs that this step has used: real batch, its labels, latents: what it asked for."""
    asked = {"latents": vars(context)["latent"]} if "latent" in vars(context) else {}
    if "batch" in vars(context):
        names = ("real", "labels", "rows")
        asked |= {n: t for n, t in zip(names, context.batch, strict=True) if t is not None}
    return asked


def culprit(result: StepResult) -> str:
    """Where the first non-finite value stands, in words: network, layer and part."""
    context, player = result.context, result.player
    for what, tensor in seen_by(context).items():
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
    for key, tensor in optimizer_tensors(player).items():
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
        with torch.no_grad(), frozen_buffers(state.generator), frozen_buffers(state.discriminator):
            with context.inputs.autocast():
                fake = state.generator(context.latent).float()
            context.critic(fake, context.condition("fake"))
            if "batch" in vars(context):
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
