"""Recipes: composing them, what does not fit, and the turn they play."""

import pytest
import torch
from tiny import context, differing, go_on, inputs, parameters, shrunk, started

from steadygan.errors import UserError
from steadygan.game.context import Iteration, StepContext
from steadygan.game.optimizers import Adam, RMSProp
from steadygan.game.part import Part
from steadygan.game.recipe import Recipe
from steadygan.losses.information import MutualInformation
from steadygan.losses.objectives import Wasserstein
from steadygan.losses.penalties import GradientPenalty
from steadygan.methods import find
from steadygan.networks import DCGANNetworks, MLPNetworks
from steadygan.parts.constraints import WeightClip
from steadygan.parts.tricks import CriticWarmup

DCGAN, INFOGAN, WGAN = (find(name).recipe for name in ("dcgan", "infogan", "wgan"))


def test_added_parts_land_on_their_sides():
    recipe = WGAN.with_(GradientPenalty(weight=1.0), CriticWarmup(), batch=32)
    assert recipe.on_d == (WeightClip(), GradientPenalty(weight=1.0))
    assert recipe.on_g == ()
    assert recipe.shared == (CriticWarmup(),)
    assert recipe.batch == 32
    assert WGAN.on_d == (WeightClip(),)
    both = INFOGAN.without("mutual-information").with_(MutualInformation(weight=2.0))
    assert both.on_d == both.on_g == (MutualInformation(weight=2.0),)


def test_an_added_part_replaces_the_one_of_its_name():
    recipe = WGAN.with_(WeightClip(bound=0.5))
    assert recipe.on_d == (WeightClip(bound=0.5),)
    assert recipe.parts() == [WeightClip(bound=0.5)]


def test_dropped_parts_are_absent():
    assert WGAN.without("weight-clip").on_d == ()
    bare = INFOGAN.without("mutual-information")
    assert bare.on_d == bare.on_g == ()
    assert WGAN.with_(CriticWarmup()).without("critic-warmup") == WGAN


@pytest.mark.parametrize(
    ("recipe", "name", "message"),
    [
        (WGAN, "weight-clp", "--drop weight-clp: wgan has none; did you mean 'weight-clip'?"),
        (WGAN, "xyzzy", "--drop xyzzy: wgan has none; known: weight-clip"),
        (DCGAN, "weight-clip", "--drop weight-clip: dcgan has none: it has no parts"),
    ],
)
def test_dropping_what_is_not_there_names_what_is(recipe, name, message):
    with pytest.raises(UserError) as raised:
        recipe.without(name)
    assert str(raised.value) == message


def test_one_optimizer_stands_for_both_unless_one_is_given():
    recipe = Recipe(networks=MLPNetworks(), objective=Wasserstein(), optimizer=RMSProp(lr=1e-3))
    assert recipe.d_optimizer == recipe.g_optimizer == RMSProp(lr=1e-3)
    split = Recipe(
        networks="mlp", objective="wasserstein", optimizer="rmsprop", g_optimizer=Adam(lr=1.0)
    )
    assert (split.d_optimizer, split.g_optimizer) == (RMSProp(), Adam(lr=1.0))
    assert recipe.changed(optimizer=Adam()).d_optimizer == Adam()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"on_g": (WeightClip(),)}, "weight-clip belongs in on_d, not in on_g"),
        ({"on_d": (CriticWarmup(),)}, "critic-warmup belongs in shared, not in on_d"),
        ({"on_d": (WeightClip(), WeightClip(bound=1.0))}, "weight-clip stands twice in on_d"),
        ({"shared": (CriticWarmup(),)}, "critic-warmup wants a critic"),
        ({"on_d": (MutualInformation(),)}, "mutual-information wants codes"),
        ({"d_steps": 0}, "d_steps"),
        ({"wdith": 3}, "wdith"),
    ],
)
def test_what_does_not_fit_is_refused_where_the_recipe_is_made(fields, message):
    with pytest.raises(ValueError, match=message):
        DCGAN.changed(**fields)


def test_networks_that_cannot_make_the_data_are_refused_at_the_start():
    with pytest.raises(UserError, match="make images, not vectors"):
        DCGAN.start((2,))
    with pytest.raises(UserError, match="square images, not 32x48"):
        DCGAN.start((3, 32, 48))


def test_start_draws_from_torchs_generator_alone():
    recipe = shrunk(INFOGAN)
    one, same, other = (started(recipe, seed=s) for s in (1, 1, 2))
    for name in ("d", "g"):
        assert differing(parameters(one.players[name]), parameters(same.players[name])) == []
        assert differing(parameters(one.players[name]), parameters(other.players[name]))
    assert set(one.players["d"].modules) == {"discriminator", "q"}
    assert set(one.players["g"].modules) == {"generator"}
    assert (
        differing(dict(one.g_ema.named_parameters()), dict(one.generator.named_parameters())) == []
    )


def test_a_turn_is_all_updates_of_d_then_those_of_g():
    recipe = shrunk(WGAN, d_steps=3, g_steps=2)
    state, order = started(recipe), []

    def deal(player, k):
        order.append((player, k))
        return inputs(recipe, seed=k)

    updates = recipe.iterate(
        state, Iteration(0, 0, deal, lambda update: order.append(update.player.name))
    )
    assert order == [
        ("d", 0), "d", ("d", 1), "d", ("d", 2), "d", ("g", 0), "g", ("g", 1), "g",
    ]  # fmt: skip
    assert list(updates) == ["d", "g"]
    assert recipe.images_in(0) == 3 * recipe.batch


def test_losses_come_back_by_part_name_and_sum_to_what_is_minimised():
    recipe = shrunk(DCGAN.with_(GradientPenalty(weight=2.0)))
    game = context(recipe, "d")
    wanted = torch.autograd.grad(
        sum(recipe.losses(game).values()), game.state.players["d"].parameters
    )
    again = context(recipe, "d")
    seen = []
    update = recipe.step(again, seen.append)
    assert seen == [update]
    assert list(update.losses) == ["adversarial", "gradient-penalty"]
    for gradient, other in zip(update.gradients, wanted, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-5, atol=1e-8)
    norm = torch.cat([g.flatten() for g in wanted]).norm()
    assert update.gradient_norm.item() == pytest.approx(norm.item(), rel=1e-5)


def test_each_player_minimises_its_own_side_of_the_objective():
    recipe = shrunk(WGAN)
    game = context(recipe, "d")
    d_loss = recipe.losses(game)["adversarial"]
    assert d_loss == game.fake_scores.mean() - game.real_scores.mean()
    player = StepContext(recipe, game.state, "g", inputs(recipe))
    assert recipe.losses(player)["adversarial"] == -player.fake_scores.mean()


def test_a_parts_state_is_started_and_walked_over_with_the_rest():
    class Remembers(Part):
        name = "remembers"
        sides = ("on_d",)

        def start(self, state):
            module = torch.nn.Module()
            module.register_buffer("seen", torch.zeros(()))
            return module

        def loss(self, context):
            context.state.part_states["remembers"].seen += 1
            return 0.0 * context.real_scores.sum()

    try:
        recipe = shrunk(DCGAN.with_(Remembers()))
        state = started(recipe)
        recipe.iterate(state, Iteration(0, 0, lambda player, k: inputs(recipe), go_on))
        assert state.networks()["states"].state_dict()["remembers.seen"] == 1
        assert len(started(recipe).part_states) == 1
    finally:
        Remembers.name = ""  # out of the family again


def test_the_average_moves_at_the_end_of_a_turn_towards_the_generator():
    recipe = shrunk(WGAN, **{"ema.halflife_images": 1e-9})
    state = started(recipe)
    recipe.iterate(state, Iteration(0, 0, lambda player, k: inputs(recipe, seed=k), go_on))
    assert differing(state.g_ema.state_dict(), state.generator.state_dict()) == []
    slow = shrunk(WGAN, **{"ema.halflife_images": 1000, "ema.ramp": 1000})
    state = started(slow)
    before = {k: v.clone() for k, v in state.generator.state_dict().items()}
    slow.iterate(state, Iteration(0, 0, lambda player, k: inputs(slow, seed=k), go_on))
    keep = 0.5 ** (5 * 8 / 1000)  # five critic steps of eight images
    for key, value in state.g_ema.named_parameters():
        wanted = keep * before[key] + (1 - keep) * state.generator.state_dict()[key]
        torch.testing.assert_close(value, wanted, rtol=1e-6, atol=1e-9)


def test_advice_is_given_by_parts_and_silent_where_all_is_well():
    assert list(WGAN.advice()) == []
    assert len(list(WGAN.with_(GradientPenalty()).advice())) == 1
    assert not list(WGAN.with_(GradientPenalty(), networks=DCGANNetworks(d_norm="none")).advice())
