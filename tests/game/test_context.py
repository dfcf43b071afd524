"""A step: nothing twice, nothing for the network that is not updated, nothing left behind."""

import pytest
import torch
from tiny import (
    GREY,
    IMAGE,
    buffers,
    context,
    differing,
    go_on,
    inputs,
    moments,
    parameters,
    shrunk,
    started,
)
from torch import nn

from steadygan.errors import UserError
from steadygan.game.context import Iteration, StepContext
from steadygan.losses.information import codes_read
from steadygan.methods import find
from steadygan.networks import OwnNetworks


class Calls:
    """Counts forwards of G, of D's trunk and of D's head."""

    def __init__(self, state):
        self.of = {"g": 0, "trunk": 0, "head": 0}
        modules = {"g": state.generator, "trunk": state.discriminator.trunk}
        modules["head"] = state.discriminator.head
        for name, module in modules.items():
            module.register_forward_hook(lambda *_, name=name: self.count(name))

    def count(self, name):
        self.of[name] += 1

    def take(self):
        """(G, D) forwards since the last take; D's trunk and head go together."""
        assert self.of["trunk"] == self.of["head"]
        found = self.of["g"], self.of["trunk"]
        self.of = dict.fromkeys(self.of, 0)
        return found


def games(names=("gan", "dcgan", "infogan", "wgan", "wgan-gp")):
    return pytest.mark.parametrize("name", names)


# ---- nothing twice -------------------------------------------------------------------------


def test_a_dcgan_turn_makes_one_forward_of_g_and_three_of_d():
    recipe = shrunk(find("dcgan").recipe)
    state = started(recipe)
    calls = Calls(state)
    recipe.iterate(state, Iteration(0, 0, lambda player, k: inputs(recipe), go_on))
    assert calls.take() == (1, 3)  # D judges real and fake for itself, fake for G


def test_without_shared_latents_g_makes_a_batch_for_each_player():
    recipe = shrunk(find("dcgan").recipe, shared_latents=False)
    state = started(recipe)
    calls = Calls(state)
    recipe.iterate(state, Iteration(0, 0, lambda player, k: inputs(recipe), go_on))
    assert calls.take() == (2, 3)


@pytest.mark.parametrize(("d_steps", "g_steps", "wanted"), [(3, 1, (3, 7)), (1, 2, (2, 4))])
def test_only_the_last_fakes_of_d_and_the_first_of_g_are_shared(d_steps, g_steps, wanted):
    recipe = shrunk(find("dcgan").recipe, d_steps=d_steps, g_steps=g_steps)
    state = started(recipe)
    calls = Calls(state)
    recipe.iterate(state, Iteration(0, 0, lambda player, k: inputs(recipe, seed=k), go_on))
    assert calls.take() == wanted


def test_a_penalised_critics_update_makes_one_forward_of_g_and_three_of_d():
    recipe = shrunk(find("wgan-gp").recipe)
    game = context(recipe, "d")
    calls = Calls(game.state)
    recipe.step(game, go_on)
    assert calls.take() == (1, 3)  # real, fake, and the points between them
    player = StepContext(recipe, game.state, "g", inputs(recipe))
    recipe.step(player, go_on)
    assert calls.take() == (1, 1)


def test_reading_codes_needs_no_further_forward_of_d():
    recipe = shrunk(find("infogan").recipe)
    state = started(recipe)
    calls = Calls(state)
    recipe.iterate(state, Iteration(0, 0, lambda player, k: inputs(recipe), go_on))
    assert calls.take() == (1, 3)


def test_what_is_asked_for_twice_is_the_same_tensor():
    recipe = shrunk(find("infogan").recipe)
    drawn = []
    game = context(recipe, "d")
    deal = game.inputs.real
    object.__setattr__(game.inputs, "real", lambda: drawn.append(1) or deal())
    for name in ("real", "latent", "fake", "labels", "real_scores", "fake_scores",
                 "real_features", "fake_features"):  # fmt: skip
        assert getattr(game, name) is getattr(game, name), name
    assert drawn == [1]


def test_gs_update_draws_no_real_batch():
    recipe = shrunk(find("wgan").recipe)
    game = context(recipe, "g")
    recipe.step(game, go_on)
    assert "batch" not in vars(game)


def test_shared_fakes_are_those_that_d_judged():
    recipe = shrunk(find("dcgan").recipe)
    game = context(recipe, "d", keeps_graph=True)
    assert not game.fake.requires_grad
    player = StepContext(recipe, game.state, "g", inputs(recipe, seed=5))
    player.take_fake_of(game)
    assert player.latent is game.latent
    assert torch.equal(player.fake, game.fake)
    assert player.fake.requires_grad


def test_scores_are_the_discriminators_own_in_float32():
    recipe = shrunk(find("wgan-gp").recipe)
    game = context(recipe, "d")
    wanted = game.state.discriminator(game.real).flatten()
    torch.testing.assert_close(game.real_scores, wanted, rtol=0, atol=0)
    assert game.fake_scores.shape == (recipe.batch,)
    assert game.fake_scores.dtype == torch.float32
    assert game.labels.tolist() == [0, 1, 2, 3] * 2


def test_under_autocast_scores_and_fakes_come_back_in_float32():
    recipe = shrunk(find("infogan").recipe)
    game = context(recipe, "g")
    plain = game.fake.clone()
    bf16 = context(recipe, "g")
    object.__setattr__(bf16.inputs, "autocast", lambda: torch.autocast("cpu", torch.bfloat16))
    for tensor in (bf16.fake, bf16.fake_scores, *codes_read(bf16)):
        assert tensor.dtype == torch.float32
    assert not torch.equal(bf16.fake, plain)
    torch.testing.assert_close(bf16.fake, plain, rtol=0, atol=0.02)


# ---- nothing for whoever stands still ------------------------------------------------------


class Watch(torch.autograd.Function):
    """The identity, which notes that a gradient passed."""

    @staticmethod
    def forward(ctx, weight, passed):
        ctx.passed = passed
        return weight.view_as(weight)

    @staticmethod
    def backward(ctx, gradient):
        ctx.passed.append(tuple(gradient.shape))
        return gradient, None


class Watched(nn.Module):
    """A linear map whose weight says when its gradient is computed."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) * 0.1)
        self.passed = []

    def forward(self, x):
        return nn.functional.linear(x.flatten(1), Watch.apply(self.weight, self.passed))


class WatchedG(Watched):
    def __init__(self, latent_dim, shape):
        super().__init__(latent_dim, 784)

    def forward(self, z):
        return super().forward(z).tanh().unflatten(1, (1, 28, 28))


class WatchedD(Watched):
    def __init__(self, shape):
        super().__init__(784, 1)


@pytest.mark.parametrize("shares", [True, False])
def test_the_backward_of_a_standing_players_weights_is_never_run(shares):
    own = OwnNetworks(generator=WatchedG, discriminator=WatchedD)
    recipe = find("dcgan").recipe.changed(networks=own, batch=4, shared_latents=shares)
    state = started(recipe, GREY)
    g, d = state.generator.passed, state.discriminator.passed

    def before(update):
        if update.player.name == "d":
            assert (len(g), len(d)) == (0, 2)  # through real and fake, into D's weights alone
            d.clear()
        else:
            assert (len(g), len(d)) == (1, 0)

    recipe.iterate(state, Iteration(0, 0, lambda player, k: inputs(recipe, GREY), before))
    assert len(g) == 1


@games()
def test_gradients_are_asked_for_the_mover_only_and_none_is_left(name, monkeypatch):
    recipe = shrunk(find(name).recipe)
    state = started(recipe)
    asked = []
    grad = torch.autograd.grad

    def watch(outputs, inputs, **more):
        asked.extend([inputs] if isinstance(inputs, torch.Tensor) else inputs)
        return grad(outputs, inputs, **more)

    monkeypatch.setattr(torch.autograd, "grad", watch)

    def before(update):
        leaves = [id(t) for t in asked if isinstance(t, nn.Parameter)]
        assert leaves == [id(p) for p in update.player.parameters]
        asked.clear()
        for player in state.players.values():
            assert all(p.grad is None for p in player.modules.parameters())

    recipe.iterate(state, Iteration(0, 0, lambda player, k: inputs(recipe), before))
    for player in state.players.values():
        assert all(p.grad is None for p in player.modules.parameters())


# ---- nothing left behind -------------------------------------------------------------------


@games()
@pytest.mark.parametrize("player", ["d", "g"])
def test_an_update_moves_its_own_player_and_not_one_bit_of_the_other(name, player):
    recipe = shrunk(find(name).recipe)
    state = started(recipe)
    for warm in ("d", "g"):  # so that both optimizers have moments
        recipe.step(StepContext(recipe, state, warm, inputs(recipe)), go_on)
    mine, other = state.players[player], state.players["g" if player == "d" else "d"]

    def everything(of):
        return {**parameters(of), **buffers(of.modules), **moments(of)}

    still, moved, before = everything(other), parameters(mine), moments(mine)
    recipe.step(StepContext(recipe, state, player, inputs(recipe, seed=1)), go_on)
    assert differing(everything(other), still) == []
    assert differing(parameters(mine), moved)
    assert differing(moments(mine), before)


def test_a_players_own_update_does_move_its_batch_norm():
    recipe = shrunk(find("dcgan").recipe)
    for player in ("d", "g"):
        game = context(recipe, player)
        player = game.state.players[player]
        before = buffers(player.modules)
        recipe.step(game, go_on)
        assert len(differing(buffers(player.modules), before)) == len(before) > 0


@pytest.mark.parametrize(("shares", "d_steps"), [(True, 1), (True, 3), (False, 1), (False, 3)])
def test_gs_batch_norm_moves_once_a_turn(shares, d_steps):
    """With shared latents G's one forward is made during D's update, and counted once."""
    recipe = shrunk(find("dcgan").recipe, shared_latents=shares, d_steps=d_steps)
    state = started(recipe)

    def counts(module):
        return {v.item() for k, v in module.named_buffers() if k.endswith("num_batches_tracked")}

    for iteration in (1, 2):
        recipe.iterate(
            state, Iteration(iteration, 0, lambda player, k: inputs(recipe, seed=k), go_on)
        )
        assert counts(state.generator) == {iteration}
        assert counts(state.discriminator) == {2 * d_steps * iteration}  # real and fake


def test_ds_penalty_forward_is_not_counted_in_its_batch_norm():
    recipe = shrunk(find("dcgan").recipe.with_(find("wgan-gp").recipe.on_d[0]))
    game = context(recipe, "d")
    recipe.step(game, go_on)
    trunk = game.state.discriminator.trunk
    tracked = [m.num_batches_tracked.item() for m in trunk if hasattr(m, "num_batches_tracked")]
    assert tracked == [2] * len(tracked) != []


def test_a_step_refused_by_before_step_changes_no_weight():
    recipe = shrunk(find("wgan").recipe)
    game = context(recipe, "d")
    player = game.state.players["d"]
    before = parameters(player)

    def refuse(update):
        assert update.gradient_norm > 0
        assert list(update.losses) == ["adversarial"]
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        recipe.step(game, refuse)
    assert differing(parameters(player), before) == []
    assert moments(player) == {}


# ---- what D must be ------------------------------------------------------------------------


class Plain(nn.Module):
    """A discriminator without `features` and `head`."""

    def __init__(self, outputs=1):
        super().__init__()
        self.layer = nn.Linear(3 * 32 * 32, outputs)

    def forward(self, x):
        return self.layer(x.flatten(1))


def test_a_plain_discriminator_plays_where_nobody_asks_for_features():
    recipe = shrunk(find("dcgan").recipe)
    own = OwnNetworks(discriminator=Plain(), like=recipe.networks)
    game = context(recipe.changed(networks=own), "d")
    assert game.fake_scores.shape == (recipe.batch,)
    with pytest.raises(UserError, match="features"):
        _ = game.fake_features


def test_a_discriminator_that_gives_maps_is_refused_in_one_line():
    recipe = shrunk(find("dcgan").recipe)
    game = context(recipe, "d", IMAGE)
    game.state.players["d"].modules["discriminator"] = Plain(outputs=5)
    with pytest.raises(UserError, match=r"gives \(8, 5\) for 8 samples") as raised:
        _ = game.real_scores
    assert "\n" not in str(raised.value)
