"""EBGAN: the margin, the pulling-away term, and what the players move by."""

import numpy as np
import pytest
import torch
from tiny import GREY, IMAGE, context, go_on, shrunk

from steadygan.game.context import StepContext
from steadygan.game.optimizers import Adam
from steadygan.losses.energy import (
    EBGANObjective,
    PullingAway,
    ebgan_d_loss,
    energy_g_loss,
    pulling_away,
)
from steadygan.methods import find
from steadygan.study.compose import compose

EBGAN = find("ebgan")


def test_the_settings_are_those_of_the_paper():
    recipe = EBGAN.recipe
    assert recipe.objective == EBGANObjective(margin=10.0)
    assert recipe.on_g == (PullingAway(weight=0.1),)
    assert recipe.d_optimizer == recipe.g_optimizer == Adam(lr=1e-3, betas=(0.5, 0.999))
    assert compose(EBGAN, IMAGE, {"preset": "paper"}).objective.margin == 20.0
    assert not recipe.objective.real_is_high
    assert recipe.objective.threshold is None


def test_losses_are_those_of_the_paper():
    random = np.random.RandomState(0)
    real, fake, margin = 5 * random.rand(16), 5 * random.rand(16), 3.0
    tensors = torch.from_numpy(real).float(), torch.from_numpy(fake).float()
    expected = real.mean() + np.maximum(0.0, margin - fake).mean()
    assert ebgan_d_loss(*tensors, margin).item() == pytest.approx(expected)
    assert EBGANObjective(margin=margin).d_loss(*tensors).item() == pytest.approx(expected)
    assert energy_g_loss(tensors[1]).item() == pytest.approx(fake.mean())


def test_a_fake_beyond_the_margin_moves_d_no_more_and_g_as_before():
    fake = torch.tensor([1.0, 2.9, 3.1, 9.0], requires_grad=True)
    loss = ebgan_d_loss(torch.ones(4), fake, margin=3.0)
    (slope,) = torch.autograd.grad(loss, fake)
    assert slope.tolist() == [-0.25, -0.25, 0.0, 0.0]
    (slope,) = torch.autograd.grad(energy_g_loss(fake), fake)
    assert slope.tolist() == [0.25] * 4


# ---- the pulling-away term -----------------------------------------------------------------


def test_the_term_is_the_mean_squared_cosine_of_pairs():
    features = np.random.RandomState(1).randn(5, 7)
    total = 0.0
    for i in range(5):
        for j in range(5):
            if i != j:
                lengths = np.linalg.norm(features[i]) * np.linalg.norm(features[j])
                total += (features[i] @ features[j] / lengths) ** 2
    found = pulling_away(torch.from_numpy(features)).item()
    assert found == pytest.approx(total / (5 * 4), rel=1e-5)


def test_the_term_is_1_for_one_direction_and_0_for_orthogonal_ones():
    one_way = torch.tensor([[3.0, 4.0], [6.0, 8.0], [-0.3, -0.4]])
    assert pulling_away(one_way).item() == pytest.approx(1.0)
    assert pulling_away(torch.diag(torch.tensor([1.0, 5.0, 0.1]))).item() == 0.0


def test_the_term_lies_between_0_and_1():
    random = torch.Generator().manual_seed(0)
    for scale in (1e-3, 1.0, 1e3):
        features = scale * torch.randn(8, 3, 4, 4, generator=random)
        assert 0 < pulling_away(features).item() < 1
    assert pulling_away(torch.zeros(4, 3)).item() == 0.0


def test_g_is_pulled_apart_in_the_code_of_its_own_images():
    recipe = shrunk(EBGAN.recipe)
    update = context(recipe, "g", GREY)
    losses = recipe.losses(update)
    code = update.state.discriminator.encoder(update.fake).flatten(1)
    units = code / code.norm(dim=1, keepdim=True)
    cosines = (units @ units.T)[~torch.eye(len(units), dtype=bool)]
    expected = 0.1 * cosines.square().mean()
    torch.testing.assert_close(losses["pulling-away"], expected, rtol=1e-4, atol=1e-7)
    slopes = torch.autograd.grad(losses["pulling-away"], update.state.players["g"].parameters)
    assert all(slope.abs().max() > 0 for slope in slopes if slope.dim() > 1)
    assert set(recipe.losses(context(recipe, "d", GREY))) == {"adversarial"}


def test_d_learns_to_tell_real_images_from_those_of_a_g_that_stands_still():
    recipe = shrunk(EBGAN.recipe, width=8, **{"objective.margin": 15.0})
    update = context(recipe, "d", GREY)
    state, dealt = update.state, update.inputs
    for _ in range(30):
        update = recipe.step(StepContext(recipe, state, "d", dealt), go_on)
    assert update.context.real_scores.mean() < update.context.fake_scores.mean()
