"""SAGAN (the block is in tests/networks/test_attention.py), and the hinge loss."""

import math

import numpy as np
import pytest
import torch
from tiny import GREY, IMAGE, shrunk, started, trainer
from torch import nn

from steadygan.game.optimizers import Adam
from steadygan.losses.objectives import (
    Hinge,
    LinearNonSaturating,
    NonSaturating,
    Wasserstein,
    hinge_d_loss,
    hinge_g_loss,
    non_saturating_g_loss,
)
from steadygan.methods import find
from steadygan.networks.attention import SelfAttention
from steadygan.networks.spectral import normalised_layers
from steadygan.study.compose import compose

OBJECTIVES = {
    "sagan-hinge": Hinge(), "sagan-wasserstein": Wasserstein(), "sagan-js": NonSaturating(),
}  # fmt: skip
EACH = pytest.mark.parametrize("name", OBJECTIVES)


@EACH
def test_the_settings_are_the_papers(name):
    recipe = find(name).recipe
    assert recipe.objective == OBJECTIVES[name]
    assert recipe.d_optimizer == Adam(lr=4e-4, betas=(0.0, 0.9))
    assert recipe.g_optimizer == Adam(lr=1e-4, betas=(0.0, 0.9))
    assert recipe.d_optimizer.lr / recipe.g_optimizer.lr == pytest.approx(4)
    assert (recipe.d_steps, recipe.g_steps, recipe.prior.dim) == (1, 1, 128)
    light = compose(find(name), IMAGE, {"preset": "light"})
    assert light.d_optimizer.lr / light.g_optimizer.lr == pytest.approx(4)
    paper = compose(find(name), IMAGE, {"preset": "paper"})
    assert (paper.batch, paper.networks.backbone) == (256, "resnet")
    assert paper.horizon_images == 1_000_000 * 256


@EACH
@pytest.mark.parametrize("backbone", ["cnn", "resnet"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 64)])
def test_every_convolution_and_linear_layer_of_both_is_normalised(name, backbone, shape):
    state = started(shrunk(find(name).recipe, backbone=backbone), shape)
    for network in (state.generator, state.discriminator):
        layers = [m for m in network.modules()
                  if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))]  # fmt: skip
        assert len(normalised_layers(network)) == len(layers) >= 8
        assert sum(isinstance(m, SelfAttention) for m in network.modules()) == 1


def test_gamma_is_0_at_the_start_and_moves_in_the_first_turn():
    game = trainer(shrunk(find("sagan-hinge").recipe), GREY)
    blocks = [m for net in (game.state.generator, game.state.discriminator)
              for m in net.modules() if isinstance(m, SelfAttention)]  # fmt: skip
    assert [block.gamma.item() for block in blocks] == [0, 0]
    game.iterate()
    # Adam's first step is the learning rate, whatever the slope, as long as there is one.
    moved = [abs(block.gamma.item()) for block in blocks]
    assert moved == pytest.approx([1e-4, 4e-4], rel=1e-2)


def test_the_authors_js_loss_is_linear_for_g():
    recipe = compose(find("sagan-js"), GREY, {"objective": "ns-linear"})
    assert recipe.objective == LinearNonSaturating()
    scores = torch.tensor([3.0, -1.0, 0.5])
    assert recipe.objective.g_loss(scores).item() == pytest.approx(-2.5 / 3)
    assert recipe.objective.d_loss(scores, -scores) == NonSaturating().d_loss(scores, -scores)
    assert find("sagan-js").recipe.objective.g_loss(scores) == non_saturating_g_loss(scores)


# ---- the hinge loss ------------------------------------------------------------------------


def by_hand(real, fake):
    return np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()


@pytest.mark.parametrize("seed", range(4))
def test_the_hinge_loss_is_its_formula(seed):
    random = np.random.RandomState(seed)
    real, fake = random.standard_normal(40) * 3, random.standard_normal(30) * 3
    real[:3], fake[:2] = [80.0, -80.0, 1.0], [37.5, -1.0]
    tensors = [torch.tensor(t, dtype=torch.float64) for t in (real, fake)]
    assert hinge_d_loss(*tensors).item() == pytest.approx(by_hand(real, fake), rel=1e-12)
    assert hinge_g_loss(tensors[1]).item() == pytest.approx(-fake.mean(), rel=1e-12)
    assert torch.equal(Hinge().d_loss(*tensors), hinge_d_loss(*tensors))
    assert torch.equal(Hinge().g_loss(tensors[1]), hinge_g_loss(tensors[1]))
    assert Hinge().threshold == 0.0
    assert Hinge().probability(tensors[0]) is None


def test_samples_beyond_the_margin_give_d_no_slope_and_g_always_one():
    real = torch.tensor([1.5, 1.01, 0.99, -3.0], requires_grad=True)
    fake = torch.tensor([-1.5, -1.01, -0.99, 3.0], requires_grad=True)
    of_real, of_fake = torch.autograd.grad(hinge_d_loss(real, fake), (real, fake))
    assert of_real.tolist() == [0, 0, -0.25, -0.25]
    assert of_fake.tolist() == [0, 0, 0.25, 0.25]
    assert torch.autograd.grad(hinge_g_loss(fake), fake)[0].tolist() == [-0.25] * 4


@pytest.mark.parametrize("seed", range(6))
def test_the_best_d_is_the_sign_of_p_d_minus_p_g_at_2_minus_2_total_variation(seed):
    random = np.random.RandomState(seed)
    p, q = (random.multinomial(1000, random.dirichlet(np.ones(7))) for _ in range(2))
    best = np.sign(p - q).astype(float)
    variation = np.abs(p - q).sum() / 2000

    def value(scores):
        real, fake = np.repeat(scores, p), np.repeat(scores, q)
        return hinge_d_loss(torch.from_numpy(real), torch.from_numpy(fake)).item()

    assert value(best) == pytest.approx(2 - 2 * variation, abs=1e-9)
    for nudge in random.standard_normal((20, 7)):
        assert value(best + 0.5 * nudge) >= value(best) - 1e-9
    assert not math.isclose(value(0 * best), value(best))
