"""Weight clipping: the box, what it makes of the critic, and its log line."""

import pytest
import torch
from tiny import context, go_on, parameters, shrunk

from steadygan.game.context import StepContext
from steadygan.game.optimizers import RMSProp
from steadygan.game.player import Player
from steadygan.losses.objectives import wasserstein_d_loss, wasserstein_g_loss
from steadygan.methods import find
from steadygan.parts.constraints import WeightClip


def one_weight(value=0.0, lr=0.05):
    critic = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        critic.weight.fill_(value)
    return Player("d", {"discriminator": critic}, RMSProp(lr=lr))


@pytest.mark.parametrize("bound", [0.003, 0.01, 5.0])
def test_every_parameter_is_clipped_batch_norm_and_bias_included(bound):
    recipe = shrunk(find("dcgan").recipe.with_(WeightClip(bound=bound)))
    game = context(recipe, "d")
    player = game.state.players["d"]
    free = parameters(player)
    recipe.on_d[0].after_step(player, None)
    kinds = set()
    for name, value in player.named_parameters().items():
        assert torch.equal(value, free[name].clamp(-bound, bound)), name
        kinds.add(name.rsplit(".", 1)[1])
    assert kinds == {"weight", "bias"}
    batch_norms = [m for m in player.modules.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert all((m.weight == min(1.0, bound)).all() for m in batch_norms)
    assert batch_norms


def test_no_weight_is_ever_outside_the_box_after_a_step():
    """A mutant that clips before the step leaves the box by one step, at this rate by a lot."""
    recipe = shrunk(find("wgan").recipe, lr=0.01)
    game = context(recipe, "d")
    for step in range(5):
        recipe.step(StepContext(recipe, game.state, "d", game.inputs, step), go_on)
        largest = max(p.abs().max().item() for p in game.state.players["d"].parameters)
        assert largest == pytest.approx(0.01, rel=1e-6)
    recipe.step(StepContext(recipe, game.state, "g", game.inputs), go_on)
    assert max(p.abs().max().item() for p in game.state.players["g"].parameters) > 0.5


@pytest.mark.parametrize("theta", [-1.5, -0.2, 0.7, 3.0])
@pytest.mark.parametrize("bound", [0.01, 0.5])
def test_two_point_masses_give_c_times_their_distance_and_a_slope_of_c(theta, bound):
    """p_d at 0, p_g at theta: W_hat = c |theta|, slope c sign(theta).

    (JSD is log 2 at every theta but 0: no slope. test_objectives.py has the disjoint case.)
    """
    player, clip = one_weight(lr=0.1), WeightClip(bound=bound)
    critic = player["discriminator"]
    real, fake = torch.zeros(4, 1), torch.full((4, 1), theta)
    for _ in range(20):
        loss = wasserstein_d_loss(critic(real), critic(fake))
        player.step(list(torch.autograd.grad(loss, player.parameters)), {})
        clip.after_step(player, None)
    estimate = -wasserstein_d_loss(critic(real), critic(fake)).item()
    assert estimate == pytest.approx(bound * abs(theta), rel=1e-5)
    at = torch.tensor([[theta]], requires_grad=True)
    (slope,) = torch.autograd.grad(wasserstein_g_loss(critic(at)), at)
    assert slope.item() == pytest.approx(bound * (1 if theta > 0 else -1), rel=1e-5)


def test_the_clipped_share_counts_weights_beyond_95_percent_of_the_bound():
    player = one_weight()
    layer = torch.nn.Linear(5, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1, -1, 0.96, -0.951, 0.949], [0, 0.5, -0.94, 0.1, -0.2]]))
    player = Player("d", {"discriminator": layer}, RMSProp())
    share = WeightClip(bound=1.0).signals(player)["clipped_share"].item()
    assert share == pytest.approx(0.4)
