"""D2GAN: two discriminators, and the divergences that their ratios measure."""

import math

import numpy as np
import pytest
import torch
from tiny import GREY, IMAGE, context, shrunk, started, trainer

from steadygan.game.optimizers import Adam
from steadygan.losses.d2gan import D2GANObjective, d2gan_g_loss, d2gan_value, log_softplus
from steadygan.methods import find
from steadygan.methods.d2gan import D2GAN, TwoDiscriminators
from steadygan.training import signals

METHOD = find("d2gan")


def float64(values):
    return torch.tensor(np.asarray(values), dtype=torch.float64)


def thousandths(seed, atoms=7):
    """Two distributions in whole thousandths without a zero, as counts of 1,000."""
    random = np.random.RandomState(seed)
    return [1 + random.multinomial(1000 - atoms, random.dirichlet(np.ones(atoms))) for _ in "pq"]


def raw(value):
    """The raw output whose softplus is `value`."""
    return np.log(np.expm1(value))


# ---- values --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.2, 0.7)])
def test_the_losses_are_their_formulas(alpha, beta, seed):
    random = np.random.RandomState(seed)
    first_real, first_fake, second_real, second_fake = random.standard_normal((4, 50)) * 3
    d1_real, d1_fake, d2_real, d2_fake = (
        np.log1p(np.exp(c)) for c in (first_real, first_fake, second_real, second_fake)
    )
    of_g = beta * np.log(d2_fake).mean() - d1_fake.mean()
    whole = alpha * np.log(d1_real).mean() - d2_real.mean() + of_g
    outputs = [float64(c) for c in (first_real, first_fake, second_real, second_fake)]
    assert d2gan_value(*outputs, alpha, beta).item() == pytest.approx(whole, rel=1e-12)
    found = d2gan_g_loss(outputs[1], outputs[3], beta)
    assert found.item() == pytest.approx(of_g, rel=1e-12)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.2, 0.7)])
def test_with_optimal_discriminators_the_value_is_that_of_both_divergences(alpha, beta, seed):
    p_counts, q_counts = thousandths(seed)
    p, q = p_counts / 1000, q_counts / 1000
    forward, backward = (p * np.log(p / q)).sum(), (q * np.log(q / p)).sum()
    wanted = alpha * (math.log(alpha) - 1) + beta * (math.log(beta) - 1)
    wanted += alpha * forward + beta * backward

    def value(first, second):
        return d2gan_value(
            *(float64(np.repeat(raw(d), n)) for d in (first, second) for n in (p_counts, q_counts)),
            alpha, beta,
        ).item()  # fmt: skip

    best = alpha * p / q, beta * q / p
    assert value(*best) == pytest.approx(wanted, abs=1e-9)
    for nudge in np.random.RandomState(seed).standard_normal((6, 2, len(p))):
        moved = [d * np.exp(0.1 * n) for d, n in zip(best, nudge, strict=True)]
        assert value(*moved) < value(*best)


def test_the_value_is_least_where_the_distributions_are_equal():
    at_rest = float64(np.full(10, raw(0.3))), float64(np.full(10, raw(0.6)))
    value = d2gan_value(at_rest[0], at_rest[0], at_rest[1], at_rest[1], 0.3, 0.6)
    wanted = 0.3 * (math.log(0.3) - 1) + 0.6 * (math.log(0.6) - 1)
    assert value.item() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("at", [-200.0, -40.0, -20.0, -19.999, -1.0, 0.0, 30.0, 200.0])
def test_the_logarithm_stays_finite_where_the_output_would_be_0(at):
    given = torch.tensor([at], requires_grad=True)
    found = log_softplus(given)
    (slope,) = torch.autograd.grad(found, given)
    exact = at if at < -30 else math.log(math.log1p(math.exp(at)))
    assert found.item() == pytest.approx(exact, rel=1e-6, abs=1e-6)
    assert slope.isfinite().all()
    assert 0 < slope.item() <= 1 + 1e-6


# ---- the method ----------------------------------------------------------------------------


def test_the_settings_are_those_of_the_authors():
    recipe = METHOD.recipe
    assert isinstance(recipe, D2GAN)
    assert (recipe.objective.alpha, recipe.objective.beta) == (1.0, 1.0)
    assert recipe.d_optimizer == recipe.g_optimizer == Adam(lr=2e-4, betas=(0.5, 0.999))
    for alpha in (0.0, -0.1, 1.1):
        with pytest.raises(ValueError, match="alpha"):
            D2GANObjective(alpha=alpha)


@pytest.mark.parametrize("shape", [GREY, IMAGE])
def test_there_are_two_discriminators_with_weights_of_their_own(shape):
    state = started(shrunk(METHOD.recipe), shape)
    both = state.discriminator
    assert isinstance(both, TwoDiscriminators)
    assert not {id(p) for p in both.first.parameters()} & {id(p) for p in both.second.parameters()}
    one, other = (next(d.parameters()) for d in (both.first, both.second))
    assert one.shape == other.shape
    assert not torch.equal(one, other)
    assert len(state.players["d"].parameters) == len(list(both.parameters()))


def test_the_outputs_are_positive_and_the_score_is_half_the_log_of_their_ratio():
    both = started(shrunk(METHOD.recipe), GREY).discriminator
    x = torch.rand(6, *GREY) * 2 - 1
    features = both.features(x)
    outputs = torch.nn.functional.softplus(features.double())
    assert features.shape == (6, 2)
    assert (outputs > 0).all()
    assert torch.equal(features[:, 0], both.first(x).flatten())
    wanted = (outputs[:, 0].log() - outputs[:, 1].log()) / 2
    torch.testing.assert_close(both(x).double(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_with_optimal_discriminators_the_probability_is_that_of_the_first_gan(seed):
    p, q = (counts / 1000 for counts in thousandths(seed))
    objective = D2GANObjective(alpha=0.2, beta=0.7)
    outputs = torch.stack([float64(raw(0.2 * p / q)), float64(raw(0.7 * q / p))], 1)
    scores = TwoDiscriminators(torch.nn.Identity(), torch.nn.Identity()).head(outputs)
    assert np.allclose(objective.probability(scores), p / (p + q), atol=1e-9)
    assert np.array_equal((scores > objective.threshold).numpy(), p > q)


def test_a_game_minimises_minus_the_value_and_gs_terms_of_it():
    recipe = shrunk(METHOD.recipe).changed(objective=D2GANObjective(alpha=0.3, beta=0.6))
    of_d = context(recipe, "d", GREY)
    loss = recipe.losses(of_d)["adversarial"].item()
    real, fake = (f.double().unbind(1) for f in (of_d.real_features, of_d.fake_features))
    wanted = -d2gan_value(real[0], fake[0], real[1], fake[1], 0.3, 0.6).item()
    assert loss == pytest.approx(wanted, rel=1e-5)
    of_g = context(recipe, "g", GREY)
    loss = recipe.losses(of_g)["adversarial"].item()
    first, second = of_g.fake_features.double().unbind(1)
    assert loss == pytest.approx(d2gan_g_loss(first, second, 0.6).item(), rel=1e-5)


def test_the_value_is_logged_and_no_mean_is_taken_for_another():
    game = trainer(shrunk(METHOD.recipe), GREY)
    game.iterate()
    line = signals.of_iteration(game.last, game.source.held_out(game.iteration))
    assert line["d2gan_value"] == pytest.approx(-line["d_loss"], rel=1e-6)
    assert 0 <= line["d_heldout_probability"] <= 1


def test_objective_and_method_want_each_other():
    with pytest.raises(ValueError, match="it wants objective=d2gan"):
        METHOD.recipe.changed(objective="ns")
    with pytest.raises(ValueError, match="the method d2gan has them"):
        find("dcgan").recipe.changed(objective="d2gan")
