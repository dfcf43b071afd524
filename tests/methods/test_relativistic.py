"""RpGAN and RaGAN (the losses are in tests/game/test_relativistic.py)."""

import torch
from tiny import GREY, context, shrunk, started, trainer

from steadygan.game.context import StepContext
from steadygan.game.optimizers import Adam
from steadygan.methods import find


def test_both_are_one_recipe_but_for_the_objective():
    rpgan, ragan = find("rpgan").recipe, find("ragan").recipe
    assert (rpgan.objective.name, ragan.objective.name) == ("rpgan", "ragan")
    assert rpgan.changed(objective="ragan", method="ragan") == ragan
    assert rpgan.d_optimizer == rpgan.g_optimizer == Adam(lr=2e-4, betas=(0.5, 0.999))
    assert (rpgan.prior.name, rpgan.prior.dim) == ("normal", 128)


def test_g_looks_at_real_samples_in_an_order_of_its_own():
    game = trainer(shrunk(find("rpgan").recipe), GREY)
    for _ in range(2):
        game.iterate()
    assert game.source.draws == {"d": 2, "g": 2}


def test_a_constant_on_ds_scores_changes_no_gradient():
    """D's last bias gets none, and G's gradient does not see it."""
    recipe = shrunk(find("ragan").recipe, d_norm="none")
    state = started(recipe)
    slopes = []
    for bias in (0.0, 30.0):
        with torch.no_grad():
            state.discriminator.head.bias.fill_(bias)
        game = StepContext(recipe, state, "g", context(recipe, "g").inputs)
        slopes.append(
            torch.autograd.grad(recipe.losses(game)["adversarial"], state.players["g"].parameters)
        )
    for one, other in zip(*slopes, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)
    game = StepContext(recipe, state, "d", context(recipe, "d").inputs)
    loss = recipe.losses(game)["adversarial"]
    (of_bias,) = torch.autograd.grad(loss, state.discriminator.head.bias)
    assert of_bias.abs().item() < 1e-6
