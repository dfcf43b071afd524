"""Soft, noisy and flipped targets of D."""

import numpy as np
import pytest
import torch
from tiny import context, shrunk

from steadygan.game.part import Part
from steadygan.methods import find
from steadygan.parts.constraints import WeightClip
from steadygan.parts.targets import (
    LabelFlip,
    LabelNoise,
    LabelSmoothing,
    flipped_targets,
    noisy_targets,
)

DCGAN, GAN = shrunk(find("dcgan").recipe), shrunk(find("gan").recipe)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def sigmoid_bce(scores, targets):
    """E[-t log D - (1 - t) log(1 - D)] in float64 numpy, by probabilities."""
    chance = 1 / (1 + np.exp(-scores.detach().double().numpy()))
    targets = np.asarray(targets, np.float64)
    return -(targets * np.log(chance) + (1 - targets) * np.log(1 - chance)).mean()


def asked(*parts, recipe=DCGAN, player="d", seed=0):
    """D's targets (real, fake) in an update, and the game."""
    recipe = recipe.with_(*parts)
    game = context(recipe, player, seed=seed)
    targets = torch.ones(recipe.batch), torch.zeros(recipe.batch)
    for part in recipe.shared:
        targets = part.targets(game, *targets)
    return *targets, game


# ---- smoothing -----------------------------------------------------------------------------


@pytest.mark.parametrize("objective", ["ns", "minimax"])
def test_smoothing_asks_point_9_of_real_samples_and_0_of_fakes(objective):
    recipe = DCGAN.changed(objective=objective).with_(LabelSmoothing())
    game = context(recipe, "d")
    wanted = sigmoid_bce(game.real_scores, 0.9) + sigmoid_bce(game.fake_scores, 0.0)
    assert recipe.d_loss(game).item() == pytest.approx(wanted, rel=1e-6)
    plain = recipe.objective.d_loss(game.real_scores, game.fake_scores)
    assert recipe.d_loss(game).item() != pytest.approx(plain.item(), rel=1e-3)


def test_the_best_d_under_smoothing_is_p_data_times_point_9():
    """For p_d = p_g the best D is .9 / 2: Salimans et al. 2016, section 3.4."""
    scores = torch.linspace(-2, 2, 4001, dtype=torch.float64)
    lost = [DCGAN.objective.d_loss_to(s, s, torch.tensor(0.9).double(), s * 0) for s in scores]
    best = torch.sigmoid(scores[torch.stack(lost).argmin()]).item()
    assert best == pytest.approx(0.45, abs=1e-3)


def test_tricks_on_targets_do_not_touch_gs_loss():
    plain = context(DCGAN, "g")
    recipe = DCGAN.with_(LabelSmoothing(), LabelNoise(amount=1.0), LabelFlip(probability=1.0))
    game = context(recipe, "g")
    assert torch.equal(recipe.losses(game)["adversarial"], DCGAN.losses(plain)["adversarial"])


# ---- noise ---------------------------------------------------------------------------------


def test_noise_lies_below_1_by_up_to_the_amount_and_fakes_stay_0():
    real = noisy_targets(torch.ones(10_000), 0.05, seeded())
    fake = noisy_targets(torch.zeros(10_000), 0.05, seeded())
    assert 0.95 <= real.min() < 0.9502
    assert 0.9998 < real.max() <= 1.0
    assert real.double().mean().item() == pytest.approx(0.975, abs=0.001)
    assert real.double().std().item() == pytest.approx(0.05 / np.sqrt(12), rel=0.03)
    assert fake.eq(0).all()


def test_noise_is_that_of_the_book_clipped():
    """There 1 says fake and 0 real, and .05 U(0, 1) is added to both."""
    draws = torch.rand(64, generator=seeded())
    for book in (0.0, 1.0):
        labels = np.clip(book + 0.05 * draws.double().numpy(), 0, 1)
        ours = noisy_targets(torch.full((64,), 1 - book), 0.05, seeded())
        np.testing.assert_allclose(ours.numpy(), 1 - labels, rtol=0, atol=1e-7)


def test_targets_stay_in_range_whatever_the_amount():
    for start in (0.0, 0.3, 1.0):
        targets = noisy_targets(torch.full((1000,), start), 1.0, seeded())
        assert 0 <= targets.min() <= targets.max() <= start


def test_real_and_fake_have_draws_of_their_own():
    stream = LabelNoise(amount=0.5)
    halves = torch.full((8,), 0.5)
    game = context(DCGAN.with_(stream), "d")
    real, fake = stream.targets(game, halves, halves)
    assert not torch.equal(real, fake)
    again, _ = stream.targets(context(DCGAN.with_(stream), "d"), halves, halves)
    assert torch.equal(real, again)


# ---- flips ---------------------------------------------------------------------------------


@pytest.mark.parametrize("probability", [0.0, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("target", [0.0, 0.9])
def test_flips_come_at_their_rate_and_turn_t_into_1_minus_t(probability, target):
    count = 20_000
    given = torch.full((count,), target)
    found = flipped_targets(given, probability, seeded())
    flipped = found != given
    assert torch.equal(found[flipped], 1 - given[flipped])
    spread = np.sqrt(probability * (1 - probability) / count)
    assert flipped.double().mean().item() == pytest.approx(probability, abs=4 * spread + 1e-12)


def test_flips_of_real_and_fake_are_independent():
    part = LabelFlip(probability=0.5)
    game = context(GAN.changed(batch=4096).with_(part), "d")
    real, fake = part.targets(game, torch.ones(4096), torch.zeros(4096))
    both = ((real == 0) & (fake == 1)).double().mean().item()
    assert both == pytest.approx(0.25, abs=0.03)


def test_every_flip_is_played_in_ds_loss():
    recipe = DCGAN.with_(LabelFlip(probability=1.0))
    game = context(recipe, "d")
    wanted = sigmoid_bce(game.real_scores, 0.0) + sigmoid_bce(game.fake_scores, 1.0)
    assert recipe.d_loss(game).item() == pytest.approx(wanted, rel=1e-6)


# ---- together ------------------------------------------------------------------------------


def test_tricks_are_applied_in_the_order_of_the_recipe():
    real, fake, _ = asked(LabelFlip(probability=1.0), LabelSmoothing())
    assert (real.unique().tolist(), fake.unique().tolist()) == ([0.0], [1.0])
    real, fake, _ = asked(LabelSmoothing(), LabelFlip(probability=1.0))
    torch.testing.assert_close(real, torch.full_like(real, 0.1))
    assert fake.unique().tolist() == [1.0]


@pytest.mark.parametrize("part", [LabelSmoothing(), LabelNoise(), LabelFlip()])
@pytest.mark.parametrize("name", ["wgan", "wgan-gp"])
def test_an_objective_without_targets_is_refused_in_words(part, name):
    recipe = find(name).recipe
    with pytest.raises(ValueError, match=f"{part.name} .* objective wasserstein has none: ns,"):
        recipe.with_(part)
    assert part in DCGAN.with_(part).shared


def test_a_part_of_ones_own_that_sets_targets_is_refused_too():
    class Own(Part):
        sides = ("shared",)
        sets_targets = True

    with pytest.raises(ValueError, match="objective wasserstein has none: ns, minimax and lsgan"):
        find("wgan").recipe.with_(Own(), WeightClip())


@pytest.mark.parametrize(
    "fields", [{"amount": -0.1}, {"amount": 1.5}, {"probability": 1.01}, {"real": 0.0}]
)
def test_settings_out_of_range_are_refused(fields):
    kinds = {"amount": LabelNoise, "probability": LabelFlip, "real": LabelSmoothing}
    with pytest.raises(ValueError, match=next(iter(fields))):
        kinds[next(iter(fields))](**fields)
