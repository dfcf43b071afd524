"""Instance noise: how much, when, on what, and from which draws."""

import pytest
import torch
from tiny import IMAGE, context, go_on, inputs, shrunk

from steadygan.game.context import StepContext
from steadygan.losses.penalties import GradientPenalty
from steadygan.methods import find
from steadygan.parts.noise import InstanceNoise

DCGAN = shrunk(find("dcgan").recipe, horizon_images=1000)


def added(part, kind="real", player="d", images=0, recipe=DCGAN):
    """What the part adds to the samples of a kind."""
    game = context(recipe.with_(part), player, images=images)
    samples = game.real if kind == "real" else game.fake
    return part.augment(game, samples, kind) - samples


@pytest.mark.parametrize(("images", "share"), [(0, 1.0), (500, 0.5), (900, 0.1)])
def test_the_noise_falls_in_a_straight_line_over_the_horizon(images, share):
    noise = added(InstanceNoise(sigma=2.0), images=images)
    assert noise.std().item() == pytest.approx(2.0 * share, rel=0.02)
    assert noise.mean().item() == pytest.approx(0.0, abs=0.05 * share)


@pytest.mark.parametrize("images", [1000, 5000])
def test_there_is_none_at_and_beyond_the_horizon(images):
    assert added(InstanceNoise(), images=images).abs().max() == 0


def test_its_default_is_a_tenth_of_a_half_range_and_may_end_elsewhere():
    part = InstanceNoise()
    assert [part.sigma_at(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([0.1, 0.05, 0.0])
    stays = InstanceNoise(sigma=0.2, sigma_end=0.1)
    assert stays.sigma_at(1.0) == pytest.approx(0.1)
    assert added(stays, images=9999).std().item() == pytest.approx(0.1, rel=0.02)


def test_real_and_fake_and_each_player_have_draws_of_their_own():
    part = InstanceNoise(sigma=1.0)
    real, fake = (added(part, kind) for kind in ("real", "fake"))
    assert torch.corrcoef(torch.stack([real.flatten(), fake.flatten()]))[0, 1].abs() < 0.05
    assert torch.equal(added(part), real)  # but an update replayed is the same


@pytest.mark.parametrize("player", ["d", "g"])
def test_d_judges_the_noised_samples_in_both_updates(player):
    part = InstanceNoise(sigma=0.5)
    recipe = DCGAN.with_(part)
    game = context(recipe, player)
    state = context(recipe, player).state
    state.discriminator.train()
    for kind, scores in (("real", game.real_scores), ("fake", game.fake_scores)):
        samples = game.real if kind == "real" else game.fake
        wanted = state.discriminator(part.augment(game, samples, kind)).flatten()
        torch.testing.assert_close(scores, wanted)
        assert not torch.allclose(scores, state.discriminator(samples).flatten(), atol=1e-5)


def test_gs_gradient_passes_the_noise_unchanged():
    game = context(DCGAN.with_(InstanceNoise()), "g")
    augment = game.d_input("fake")
    (slope,) = torch.autograd.grad(augment.sum(), game.fake, retain_graph=True)
    assert torch.equal(slope, torch.ones_like(slope))


def test_penalties_and_log_lines_see_samples_as_they_are():
    seen = []
    recipe = shrunk(find("wgan-gp").recipe).with_(InstanceNoise(sigma=5.0), GradientPenalty())
    game = context(recipe, "d")
    critic = game.critic
    object.__setattr__(
        game, "critic", lambda at, *condition: seen.append(at) or critic(at, *condition)
    )
    recipe.step(game, go_on)
    assert len(seen) == 1
    assert seen[0].abs().max() <= 1  # a point between real and fake, not 5 away
    assert torch.equal(game.real, inputs(recipe, IMAGE).real().samples)
    assert game.fake.abs().max() <= 1


def test_points_in_the_plane_are_noised_as_well():
    method = find("gan")
    recipe = shrunk(method.fitted((2,)))
    game = context(recipe.with_(InstanceNoise(sigma=1.0)), "d", (2,))
    assert isinstance(game, StepContext)
    assert game.d_input("real").shape == game.real.shape
    assert not torch.equal(game.d_input("real"), game.real)
