"""Optimizers: settings at given images against formulas, and that a step really uses them."""

import numpy as np
import pytest
import torch
from tiny import context, go_on, parameters, shrunk

from steadygan.game.context import StepContext
from steadygan.game.optimizers import SGD, Adam, Optimizer, RMSProp
from steadygan.game.player import Player
from steadygan.methods import find

HORIZON, BATCH = 10_000, 50
AT = [0, 50, 2_500, 9_999, 10_000, 25_000]


@pytest.mark.parametrize("images", AT)
@pytest.mark.parametrize("end", [1.0, 0.3, 0.0])
@pytest.mark.parametrize("kind", [Adam, RMSProp])
def test_the_rate_falls_in_a_straight_line_to_its_end(kind, end, images):
    settings = kind(lr=0.02, lr_end=end).settings(images, HORIZON, BATCH)
    wanted = np.interp(images, [0, HORIZON], [0.02, 0.02 * end])
    assert settings == pytest.approx({"lr": wanted}, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("images", AT)
def test_adams_betas_move_in_a_straight_line_to_their_end(images):
    settings = Adam(betas=(0.0, 0.9), betas_end=(0.2, 0.99)).settings(images, HORIZON, BATCH)
    wanted = [np.interp(images, [0, HORIZON], ends) for ends in ((0.0, 0.2), (0.9, 0.99))]
    assert settings["betas"] == pytest.approx(wanted, rel=1e-12, abs=1e-15)
    assert isinstance(settings["betas"], tuple)
    assert "betas" not in Adam().settings(images, HORIZON, BATCH)


def test_a_step_of_adam_is_taken_at_the_betas_of_its_settings():
    spec = Adam(lr=0.01, betas=(0.0, 0.5), betas_end=(0.0, 0.9))
    layer = torch.nn.Linear(1, 1, bias=False).double()
    torch.nn.init.zeros_(layer.weight)
    player = Player("d", {"discriminator": layer}, spec)
    v = w = 0.0
    for t, (gradient, images, beta) in enumerate([(0.3, 0, 0.5), (-0.7, 5_000, 0.7)], 1):
        player.step([torch.full((1, 1), gradient, dtype=torch.float64)],
                    spec.settings(images, HORIZON, BATCH))  # fmt: skip
        v = beta * v + (1 - beta) * gradient**2
        w -= 0.01 * gradient / ((v / (1 - beta**t)) ** 0.5 + 1e-8)
        assert layer.weight.item() == pytest.approx(w, rel=1e-9)


@pytest.mark.parametrize("images", AT)
def test_sgds_rate_decays_each_step_and_its_momentum_rises(images):
    optimizer = SGD(lr=0.1, decay=1.01, momentum=0.5, momentum_end=0.7, lr_floor=1e-3)
    rate, steps = 0.1, images // BATCH
    for _ in range(steps):
        rate /= 1.01
    settings = optimizer.settings(images, HORIZON, BATCH)
    if images == 9_999:  # in the middle of a batch: between two steps of the formula
        assert rate / 1.01 < settings["lr"] < rate
    else:
        assert settings["lr"] == pytest.approx(max(rate, 1e-3), rel=1e-9)
    assert settings["momentum"] == pytest.approx(np.interp(images, [0, HORIZON], [0.5, 0.7]))


def test_the_papers_sgd_is_at_its_published_values():
    sgd = SGD()
    assert sgd.settings(0, 15_000_000, 100) == {"lr": 0.1, "momentum": 0.5}
    end = sgd.settings(15_000_000, 15_000_000, 100)
    assert end["momentum"] == pytest.approx(0.7)
    assert end["lr"] == pytest.approx(0.1 * 1.000004**-150_000, rel=1e-9)


@pytest.mark.parametrize("kind", Optimizer.members().values(), ids=lambda k: k.name)
def test_a_step_is_taken_at_the_settings_given_and_leaves_no_gradient(kind):
    def moved(lr):
        layer = torch.nn.Linear(3, 1, bias=False)
        torch.nn.init.ones_(layer.weight)
        player = Player("g", {"generator": layer}, kind(lr=1.0))
        player.step([torch.full((1, 3), 0.5)], {"lr": lr})
        assert layer.weight.grad is None
        return (1 - layer.weight).mean().item()

    assert moved(0.0) == 0.0
    assert moved(0.02) == pytest.approx(2 * moved(0.01), rel=1e-4)
    assert moved(0.01) > 0


def test_three_steps_of_each_kind_against_their_formulas():
    gradients = [0.3, -0.2, 0.7]

    def torch_says(spec):
        layer = torch.nn.Linear(1, 1, bias=False).double()
        torch.nn.init.zeros_(layer.weight)
        player = Player("g", {"generator": layer}, spec)
        for gradient in gradients:
            player.step([torch.full((1, 1), gradient, dtype=torch.float64)],
                        spec.settings(0, HORIZON, BATCH))  # fmt: skip
        return layer.weight.item()

    m = v = w = 0.0
    for t, g in enumerate(gradients, 1):
        m, v = 0.5 * m + 0.5 * g, 0.9 * v + 0.1 * g * g
        w -= 0.01 * (m / (1 - 0.5**t)) / ((v / (1 - 0.9**t)) ** 0.5 + 1e-8)
    assert torch_says(Adam(lr=0.01, betas=(0.5, 0.9))) == pytest.approx(w, rel=1e-9)

    v = w = 0.0
    for g in gradients:
        v = 0.99 * v + 0.01 * g * g
        w -= 0.01 * g / (v**0.5 + 1e-8)
    assert torch_says(RMSProp(lr=0.01)) == pytest.approx(w, rel=1e-9)

    m = w = 0.0
    for g in gradients:
        m = 0.5 * m + g
        w -= 0.01 * m
    assert torch_says(SGD(lr=0.01, momentum=0.5)) == pytest.approx(w, rel=1e-9)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("kind", Optimizer.members().values(), ids=lambda k: k.name)
def test_a_gradient_moves_its_own_weight_whatever_its_strides(kind, channels_last):
    """torch's fused kernels pair weight and gradient by their place in memory."""
    slope = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    layouts = [
        slope,
        slope.permute(1, 0, 2, 3).contiguous().permute(1, 0, 2, 3),  # as double backward gives it
        slope.contiguous(memory_format=torch.channels_last),
    ]
    assert len({layout.stride() for layout in layouts}) == 3
    moved = []
    for layout in layouts:
        layer = torch.nn.Conv2d(3, 4, 5, bias=False)
        torch.nn.init.zeros_(layer.weight)
        if channels_last:
            layer.to(memory_format=torch.channels_last)
        player = Player("d", {"discriminator": layer}, kind(lr=0.1))
        for _ in range(2):
            player.step([layout], {})
        moved.append(layer.weight.detach().clone())
        assert torch.equal(layer.weight.sign(), -slope.sign())
    assert torch.equal(moved[0], moved[1])
    assert torch.equal(moved[0], moved[2])


def test_rmsprop_keeps_no_momentum():
    player = Player("d", {"discriminator": torch.nn.Linear(2, 1)}, RMSProp())
    player.step([torch.ones_like(p) for p in player.parameters], {})
    keys = {key for state in player.optimizer.state.values() for key in state}
    assert keys == {"step", "square_avg"}
    assert player.optimizer.param_groups[0]["momentum"] == 0


@pytest.mark.parametrize("kind", Optimizer.members().values(), ids=lambda k: k.name)
def test_moments_says_how_many_tensors_of_its_size_a_parameter_has(kind):
    player = Player("d", {"discriminator": torch.nn.Linear(3, 2)}, kind(lr=0.1))
    player.step([torch.ones_like(p) for p in player.parameters], kind(lr=0.1).settings(0, 9, 1))
    for parameter in player.parameters:
        state = player.optimizer.state[parameter].values()
        assert sum(v.shape == parameter.shape for v in state) == kind.moments


def test_updates_follow_the_images_seen_over_the_recipes_horizon():
    """At the horizon an `lr_end=0` stands still; a schedule over steps would not."""
    recipe = shrunk(find("dcgan").recipe, lr_end=0, horizon_images=1000)
    game = context(recipe, "d")
    player = game.state.players["d"]
    for images, share in [(500, 0.5), (900, 0.1), (1000, 0.0)]:
        before = parameters(player)
        recipe.step(StepContext(recipe, game.state, "d", game.inputs, images), go_on)
        assert player.optimizer.param_groups[0]["lr"] == pytest.approx(2e-4 * share)
        moved = any(not torch.equal(p, before[n]) for n, p in player.named_parameters().items())
        assert moved == (share > 0)


@pytest.mark.parametrize("betas", [(1.0, 0.9), (0.5, 1.5), (-0.1, 0.9)])
def test_betas_that_adam_cannot_have_are_refused(betas):
    with pytest.raises(ValueError, match="betas"):
        Adam(betas=betas)
