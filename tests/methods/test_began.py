"""BEGAN: k, the convergence measure, the halved rates, and where gradients may flow."""

import copy

import numpy as np
import pytest
import torch
from tiny import GREY, IMAGE, context, go_on, inputs, shrunk, started, trainer

from steadygan.errors import UserError
from steadygan.game.context import StepContext
from steadygan.game.optimizers import Adam
from steadygan.losses.energy import began_d_loss, energy_g_loss
from steadygan.methods import find
from steadygan.parts.equilibrium import BEGANState
from steadygan.study.compose import compose

BEGAN = find("began")


def balanced(recipe, balance, real, fake):
    errors = torch.tensor(real), torch.tensor(fake)
    return balance.update_k(*errors, gamma=recipe.gamma, lambda_k=recipe.lambda_k)


def annealed(recipe, balance, m, images, batch):
    keys = ("stall_images", "least_rate", "mean_images")
    settings = {key: getattr(recipe, key) for key in keys}
    balance.anneal(torch.tensor(m), images, batch, **settings)


def moved(k, real, fake, **fields):
    """k and M after a turn with mean errors l(x), l(g)."""
    recipe = BEGAN.recipe.changed(**fields)
    balance = BEGANState(k)
    convergence = balanced(recipe, balance, real, fake)
    return balance.k.item(), convergence.item()


def test_the_settings_are_those_of_the_paper():
    recipe = BEGAN.recipe
    assert (recipe.gamma, recipe.lambda_k, recipe.k_start, recipe.batch) == (0.5, 1e-3, 0.0, 16)
    assert recipe.d_optimizer == recipe.g_optimizer == Adam(lr=1e-4, betas=(0.5, 0.999))
    assert (recipe.prior.name, recipe.prior.dim) == ("uniform", 64)
    assert compose(BEGAN, IMAGE, {"preset": "paper"}).networks.width == 128


def test_losses_are_those_of_the_paper():
    random = np.random.RandomState(0)
    real, fake, k = random.rand(8), random.rand(8), 0.37
    tensors = torch.from_numpy(real).float(), torch.from_numpy(fake).float()
    assert began_d_loss(*tensors, k).item() == pytest.approx(real.mean() - k * fake.mean())
    assert energy_g_loss(tensors[1]).item() == pytest.approx(fake.mean())


# ---- k and M -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("real", "fake", "rises"), [(0.2, 0.05, True), (0.2, 0.15, False), (0.4, 0.1999, True)]
)
def test_k_rises_exactly_where_gamma_times_the_real_error_is_above_the_fake_one(real, fake, rises):
    k, _ = moved(0.5, real, fake)
    assert k == pytest.approx(0.5 + 1e-3 * (0.5 * real - fake), abs=1e-7)
    assert (k > 0.5) == rises
    assert k != 0.5


@pytest.mark.parametrize("gamma", [0.25, 0.5, 1.0])
def test_at_the_ratio_gamma_k_stays_and_m_is_the_real_error(gamma):
    assert moved(0.375, 0.25, gamma * 0.25, gamma=gamma) == (0.375, 0.25)


def test_without_any_fake_error_k_grows_by_lambda_gamma_and_the_real_error():
    k, convergence = moved(0.0, 0.2, 0.0, lambda_k=0.01)
    assert k == pytest.approx(0.01 * 0.5 * 0.2)
    assert convergence == pytest.approx(1.5 * 0.2)


@pytest.mark.parametrize(("real", "fake", "end"), [(1.0, 0.0, 1.0), (0.0, 1.0, 0.0)])
def test_k_stays_between_0_and_1(real, fake, end):
    balance = BEGANState(0.5)
    recipe = BEGAN.recipe.changed(lambda_k=0.3)
    for _ in range(9):
        balanced(recipe, balance, real, fake)
        assert 0 <= balance.k <= 1
    assert balance.k == end


def test_m_is_never_below_the_real_error():
    random = np.random.RandomState(1)
    for real, fake in random.rand(50, 2):
        _, convergence = moved(0.5, float(real), float(fake))
        assert convergence >= real - 1e-6
        assert convergence == pytest.approx(real + abs(0.5 * real - fake), abs=1e-6)


def test_a_turn_moves_k_by_two_errors_of_one_d_and_logs_both():
    game = trainer(
        shrunk(BEGAN.recipe, k_start=0.4, lambda_k=0.05, **{"d_optimizer.lr": 0.1}), GREY
    )
    before = copy.deepcopy(game.state.discriminator)
    game.iterate()
    plays = {name: update.context for name, update in game.last.items()}
    with torch.no_grad():
        real = before.judge(plays["d"].real)[1].mean().item()
        fake = before.judge(plays["d"].fake)[1].mean().item()
    stepped = plays["g"].fake_scores.mean().item()  # the same fakes after D's step
    assert abs(stepped - fake) > 0.1 * fake
    balance = game.state.part_states["balance"]
    assert balance.k.item() == pytest.approx(0.4 + 0.05 * (0.5 * real - fake), abs=1e-7)
    said = plays["g"].signals
    assert said["began_k"].item() == pytest.approx(0.4)  # what this turn's loss of D had
    assert said["began_convergence"].item() == pytest.approx(real + abs(0.5 * real - fake))
    assert said["learning_rate_scale"] == 1
    assert not balance.k.requires_grad


# ---- the rates -----------------------------------------------------------------------------


def test_rates_are_halved_where_m_stalls_and_no_further_than_the_least():
    recipe = BEGAN.recipe.changed(stall_images=100, mean_images=1e-3)  # the mean is M itself
    balance = BEGANState(0.0)
    rates = []
    for iteration in range(1, 60):
        m = 1.0 / iteration if iteration <= 20 else 0.05  # falls, then stands
        annealed(recipe, balance, m, 10 * iteration, 10)
        rates.append(balance.rate.item())
    assert rates[: 20 + 9] == [1.0] * 29
    assert rates[29] == 0.5  # 100 images after the last new minimum, at turn 20
    assert rates[38] == 0.5
    assert rates[39] == 0.25
    assert set(rates[40:]) == {0.25}


def test_a_minimum_lower_by_less_than_a_hundredth_is_none():
    recipe = BEGAN.recipe.changed(stall_images=100, mean_images=1e-3)
    ends = []
    for fall in (0.0005, 0.02):
        balance = BEGANState(0.0)
        for iteration in range(1, 13):
            annealed(recipe, balance, 1.0 - fall * iteration, 10 * iteration, 10)
        ends.append(balance.rate.item())
    assert ends == [0.5, 1.0]


def test_the_running_mean_has_its_half_life_in_images():
    recipe = BEGAN.recipe.changed(mean_images=40.0)
    balance = BEGANState(0.0)
    annealed(recipe, balance, 1.0, 10, 10)
    for iteration in range(2, 6):
        annealed(recipe, balance, 0.0, 10 * iteration, 10)
    assert balance.convergence.item() == pytest.approx(0.5)


def test_the_scale_multiplies_both_players_rates():
    recipe = shrunk(BEGAN.recipe, **{"d_optimizer.lr": 1e-3, "g_optimizer.lr": 2e-3})
    game = context(recipe, "d", GREY)
    game.state.part_states["balance"].rate.fill_(0.25)
    for side, rate in (("d", 1e-3), ("g", 2e-3)):
        settings = recipe.settings(game.state.players[side], game)
        assert settings["lr"] == pytest.approx(rate / 4)


def test_another_objective_is_refused():
    with pytest.raises(UserError, match="began has objective=began, not ns"):
        compose(BEGAN, IMAGE, {"objective": "ns"})


# ---- gradients -----------------------------------------------------------------------------


def test_ds_loss_has_k_as_a_constant_and_no_gradient_to_g():
    recipe = shrunk(BEGAN.recipe, k_start=0.6)
    update = context(recipe, "d", GREY)
    update.state.part_states["balance"].k.requires_grad_(True)
    loss = recipe.d_loss(update)
    network = update.state.discriminator
    expected = network(update.real).mean() - 0.6 * network(update.fake).mean()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    assert not update.fake.requires_grad
    g = update.state.players["g"].parameters
    slopes = torch.autograd.grad(loss, g, allow_unused=True, retain_graph=True)
    assert all(slope is None for slope in slopes)


def test_gs_gradient_flows_through_both_places_of_g_in_the_error():
    """|g - AE(g)|: the whole slope is that of the first g and that of the second together."""
    recipe = shrunk(BEGAN.recipe)
    update = context(recipe, "g", GREY)
    (slope,) = torch.autograd.grad(recipe.g_loss(update), update.fake)
    network = copy.deepcopy(update.state.discriminator).double()
    fake = update.fake.detach().double().requires_grad_(True)

    def rebuilt(images):
        return network.decoder(network.encoder(images))

    first = (fake - rebuilt(fake).detach()).abs().mean()
    second = (fake.detach() - rebuilt(fake)).abs().mean()
    parts = [torch.autograd.grad(loss, fake)[0] for loss in (first, second)]
    torch.testing.assert_close(slope.double(), sum(parts), rtol=1e-4, atol=1e-8)
    for part in parts:
        assert (slope.double() - part).abs().max() > 1e-2 * slope.abs().max()


def test_k_is_kept_in_a_checkpoint_and_found_again():
    from steadygan.training.state_dict import gather, restore

    game = trainer(shrunk(BEGAN.recipe, k_start=0.4), GREY)
    game.iterate()
    tensors = {name: value.clone() for name, value in gather(game.state, game.counters()).items()}
    assert {n for n in tensors if n.startswith("states/balance.")} == {
        f"states/balance.{n}" for n in ("k", "convergence", "least", "least_at", "rate")
    }
    again = trainer(shrunk(BEGAN.recipe, k_start=0.4), GREY)
    restore(again.state, tensors)
    assert torch.equal(again.state.part_states["balance"].k, game.state.part_states["balance"].k)


def test_the_loss_of_d_falls_with_its_gradient():
    """A check of signs in a whole update: with k = 1 D's step lowers l(x) - l(g)."""
    recipe = shrunk(BEGAN.recipe, k_start=1.0, lr=1e-4)
    state, dealt, losses = started(recipe, GREY), inputs(recipe, GREY), []
    for _ in range(3):
        update = recipe.step(StepContext(recipe, state, "d", dealt), go_on)
        losses.append(sum(update.losses.values()).item())
    assert losses[0] > losses[1] > losses[2]
