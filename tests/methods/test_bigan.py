"""BiGAN: pairs, swapped labels, and an encoder that moves with G."""

import numpy as np
import pytest
import torch
from tiny import GREY, POINT, buffers, context, differing, go_on, inputs, shrunk, started

from steadygan.game.context import Iteration
from steadygan.game.optimizers import Adam
from steadygan.methods import find
from steadygan.networks import DCGANNetworks, OwnNetworks
from steadygan.priors import Uniform
from steadygan.study.compose import compose
from steadygan.training.sampling import load_parts
from tests.reliability import games

BIGAN = find("bigan")


def small(**keys):
    return shrunk(BIGAN.recipe, **keys)


def encoder_of(game):
    return game.state.players["g"]["encoder"]


def test_the_settings_are_those_of_the_authors():
    recipe = BIGAN.recipe
    assert recipe.prior == Uniform(dim=50)
    wanted = Adam(lr=2e-4, betas=(0.5, 0.999), weight_decay=2.5e-5)
    assert recipe.d_optimizer == recipe.g_optimizer == wanted
    paper = compose(BIGAN, GREY, {"preset": "paper"})
    assert (paper.batch, paper.networks.stages, paper.networks.hidden) == (128, 0, 1024)
    assert compose(BIGAN, POINT, {}).networks.stages == 0


def test_d_sees_pairs_of_an_image_and_its_code():
    game = context(small(), "d", GREY)
    seen = []
    game.state.discriminator.register_forward_pre_hook(lambda _, given: seen.append(given))
    judge = game.state.discriminator.features
    game.state.discriminator.features = lambda *given: (seen.append(given), judge(*given))[1]
    assert game.real_scores.shape == game.fake_scores.shape == (8,)
    (real, of_real), (fake, of_fake) = seen
    assert torch.equal(real, game.real)
    assert torch.equal(of_real, encoder_of(game)(game.real))
    assert torch.equal(fake, game.fake)
    assert torch.equal(of_fake, game.latent)


def cross_entropy(scores, real):
    """-E log D or -E log(1 - D) in float64."""
    signed = np.asarray(scores.detach().double()) * (1 if real else -1)
    return np.log1p(np.exp(-signed)).mean()


def test_d_tells_the_pairs_apart_and_e_and_g_swap_the_labels():
    of_d, of_g = context(small(), "d", GREY), context(small(), "g", GREY)
    d_loss = small().losses(of_d)["adversarial"].item()
    g_loss = small().losses(of_g)["adversarial"].item()
    wanted = cross_entropy(of_d.real_scores, True) + cross_entropy(of_d.fake_scores, False)
    assert d_loss == pytest.approx(wanted, rel=1e-5)
    wanted = cross_entropy(of_g.real_scores, False) + cross_entropy(of_g.fake_scores, True)
    assert g_loss == pytest.approx(wanted, rel=1e-5)


def test_the_code_of_a_real_image_has_a_graph_in_gs_update_alone():
    assert not context(small(), "d", GREY).condition("real")[0].requires_grad
    game = context(small(), "g", GREY)
    (code,) = game.condition("real")
    slopes = torch.autograd.grad(code.sum(), list(encoder_of(game).parameters()))
    assert max(s.abs().max() for s in slopes) > 0
    assert game.condition("fake")[0] is game.latent


def test_the_encoders_buffers_move_once_in_gs_update_and_never_in_ds():
    game = context(small(), "d", GREY)
    before = buffers(encoder_of(game))
    game.recipe.losses(game)
    game.critic(game.real)
    assert differing(buffers(encoder_of(game)), before) == []
    game = context(small(), "g", GREY)
    game.recipe.losses(game)
    moved = buffers(encoder_of(game))
    assert differing(moved, before)
    game.critic(game.real)  # as a part on G might
    assert differing(buffers(encoder_of(game)), moved) == []


def test_e_moves_with_gs_optimizer_and_gets_nothing_from_ds():
    recipe = small()
    state = started(recipe, GREY)
    assert set(state.players["g"].modules) == {"generator", "encoder"}
    assert set(state.players["d"].modules) == {"discriminator"}
    before = {n: p.detach().clone() for n, p in state.players["g"].named_parameters().items()}
    recipe.iterate(state, Iteration(0, 0, lambda *_: inputs(recipe, GREY), go_on))
    after = state.players["g"].named_parameters()
    still = [n for n, p in after.items() if "encoder" in n and torch.equal(p, before[n])]
    assert still == []


def test_held_out_images_are_judged_with_their_own_codes():
    game = context(small(), "d", GREY)
    other = torch.rand(5, *GREY) * 2 - 1
    assert torch.equal(game.condition("real")[0], encoder_of(game)(game.real))
    (code,) = game.recipe.condition(game, other, None, None)
    assert torch.equal(code, encoder_of(game)(other))
    assert game.critic(other, (code,)).shape == (5,)


def test_other_networks_are_refused_and_own_ones_keep_the_encoder():
    with pytest.raises(ValueError, match="bigan wants a D of pairs and an encoder"):
        BIGAN.recipe.changed(networks=DCGANNetworks())
    own = small().changed(networks=OwnNetworks(generator=make_g, like=small().networks))
    assert set(started(own, GREY).players["g"].modules) == {"generator", "encoder"}


def make_g(latent_dim, shape):
    flat = torch.nn.Linear(latent_dim, 784)
    return torch.nn.Sequential(flat, torch.nn.Tanh(), torch.nn.Unflatten(1, shape))


def test_a_run_saves_the_encoder_and_samples_without_it(tmp_path):
    recipe = games.small("bigan")
    game = games.trainer_of(recipe, tmp_path / "run")
    game.iterate()
    game.save()
    g_ema, prior, _ = load_parts(tmp_path / "run")
    assert g_ema(prior.sample(2, torch.Generator())).shape == (2, 1, 16, 16)
    assert any(name.startswith("players/g/encoder") for name in game.gathered())
