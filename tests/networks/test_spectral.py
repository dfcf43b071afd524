"""Spectral normalisation: what it makes of weights, when it looks, and what it leaves alone."""

import copy

import numpy as np
import pytest
import torch
from tiny import GREY, buffers, context, differing, go_on, inputs, shrunk, started, trainer
from torch import nn
from torch.nn.utils import parametrize

from steadygan.game.context import StepContext
from steadygan.game.optimizers import Adam
from steadygan.game.player import frozen_buffers
from steadygan.losses.penalties import gradient_penalty
from steadygan.methods import find
from steadygan.networks.spectral import (
    SpectralNorm,
    normalised_layers,
    power_iteration,
    spectral_norm,
)


def matrices(network):
    """(name, raw, normalised) of each layer in float64, the matrices laid out here by hand."""
    found = []
    for name, layer in network.named_modules():
        if parametrize.is_parametrized(layer, "weight"):
            raw = layer.parametrizations.weight.original
            pair = [w.detach().double().numpy() for w in (raw, layer.weight)]
            if isinstance(layer, nn.ConvTranspose2d):  # (in, out, kh, kw)
                pair = [w.swapaxes(0, 1) for w in pair]
            found.append((name, *(w.reshape(len(w), -1) for w in pair)))
    return found


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3), nn.LeakyReLU(0.1), nn.ConvTranspose2d(6, 4, 2, stride=2),
        nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 8 * 8, 5), nn.Linear(5, 1),
    )  # fmt: skip


def vectors(module):
    """The u and v of every normalised layer."""
    return {k: v for k, v in buffers(module).items() if k.rsplit(".", 1)[1] in ("u", "v")}


# ---- the weights ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sngan", "sagan-hinge"])
def test_20_steps_after_weights_went_far_every_top_singular_value_is_1(name):
    """While they move fast the estimate lags behind, by up to a fifth: one iteration a step."""
    game = trainer(shrunk(find(name).recipe, width=8, lr=2e-3), GREY)
    before = [raw.copy() for _, raw, _ in matrices(game.state.discriminator)]
    for _ in range(10):
        game.iterate()
    for player in game.state.players.values():
        player.spec = Adam(lr=1e-6)
    for _ in range(20):
        game.iterate()
    found = matrices(game.state.discriminator)
    assert len(found) == sum(p.dim() > 1 for p in game.state.discriminator.parameters())
    for (layer, raw, normalised), old in zip(found, before, strict=True):
        assert 0.95 <= np.linalg.svd(normalised, compute_uv=False)[0] <= 1.05, layer
        assert np.abs(raw - old).max() > 0.005


def test_a_weight_is_divided_by_its_largest_singular_value_of_output_rows():
    net = spectral_norm(network())
    for _ in range(500):
        power_iteration(net)
    found = matrices(net)
    assert [name for name, *_ in found] == ["0", "2", "5", "6"]
    for name, raw, normalised in found:
        largest = np.linalg.svd(raw, compute_uv=False)[0]
        np.testing.assert_allclose(normalised, raw / largest, rtol=1e-4, atol=1e-6, err_msg=name)
    assert [len(n.u) for _, n, _ in normalised_layers(net)] == [6, 4, 5, 1]
    assert [len(n.v) for _, n, _ in normalised_layers(net)] == [18, 24, 256, 5]


def test_an_iteration_is_that_of_algorithm_1():
    net = spectral_norm(nn.Linear(7, 4))
    (_, normaliser, weight) = normalised_layers(net)[0]
    w, u = weight.detach().double().numpy(), normaliser.u.double().numpy()
    v = w.T @ u
    v /= np.linalg.norm(v)
    u = w @ v
    u /= np.linalg.norm(u)
    power_iteration(net)
    np.testing.assert_allclose(normaliser.v.numpy(), v, atol=1e-6)
    np.testing.assert_allclose(normaliser.u.numpy(), u, atol=1e-6)
    sigma = u @ w @ v
    np.testing.assert_allclose(net.weight.detach().numpy(), w / sigma, rtol=1e-5)


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 5, 3), nn.ConvTranspose2d(3, 5, 3), nn.Linear(9, 2),
                                   nn.Conv1d(3, 5, 2), nn.ConvTranspose1d(3, 5, 2)])  # fmt: skip
def test_a_scaled_weight_is_the_same_layer(layer):
    layer = spectral_norm(copy.deepcopy(layer))
    with torch.no_grad():
        before = layer.weight.clone()
        layer.parametrizations.weight.original.mul_(10)
    torch.testing.assert_close(layer.weight, before, rtol=1e-5, atol=1e-6)


def test_a_linear_discriminator_is_1_lipschitz_and_reaches_1():
    torch.manual_seed(0)
    net = spectral_norm(nn.Sequential(nn.Linear(12, 30), nn.Linear(30, 20), nn.Linear(20, 1)))
    for _ in range(200):
        power_iteration(net)
    with torch.no_grad():
        x, y = torch.randn(2, 500, 12)
        slopes = (net(x) - net(y)).abs().flatten() / (x - y).norm(dim=1)
        assert slopes.max() <= 1 + 1e-4
        alone = spectral_norm(nn.Linear(12, 1))  # one row: |w . x| is |x| along w
        along = alone.weight / alone.weight.norm()
        assert (alone(along) - alone(0 * along)).item() == pytest.approx(1, abs=1e-5)


# ---- the slope -----------------------------------------------------------------------------


def test_the_slope_is_that_of_the_papers_closed_form():
    """dL/dW = (S - <S, W_SN> u v^T) / sigma with S = dL/dW_SN: eq. 9 to 12, u and v constants."""
    torch.manual_seed(1)
    layer = spectral_norm(nn.Linear(6, 4, bias=False).double())
    ((_, normaliser, weight),) = normalised_layers(layer)
    towards = torch.randn(4, 6, dtype=torch.float64)
    (slope,) = torch.autograd.grad((layer.weight * towards).sum(), weight)
    u, v, w = (t.detach().numpy() for t in (normaliser.u, normaliser.v, weight))
    sigma = u @ w @ v
    s = towards.numpy()
    wanted = (s - (s * w / sigma).sum() * np.outer(u, v)) / sigma
    np.testing.assert_allclose(slope.numpy(), wanted, rtol=1e-10)
    assert not normaliser.u.requires_grad
    assert not normaliser.v.requires_grad


def test_a_penalty_differentiates_through_it_twice():
    """Against central differences of the penalty itself in each raw weight."""
    torch.manual_seed(2)
    net = spectral_norm(nn.Sequential(nn.Linear(3, 4), nn.Softplus(), nn.Linear(4, 1)).double())
    real, fake = torch.randn(2, 5, 3, dtype=torch.float64)

    def cost():
        return gradient_penalty(net, real, fake, torch.Generator().manual_seed(0), target=0.3)

    for _, _, weight in normalised_layers(net):
        (slope,) = torch.autograd.grad(cost(), weight)
        assert slope.abs().max() > 1e-3
        for index in np.ndindex(*weight.shape):
            with torch.no_grad():
                kept = weight[index].item()
                weight[index] = kept + 1e-6
            above = cost().item()
            with torch.no_grad():
                weight[index] = kept - 1e-6
            below = cost().item()
            with torch.no_grad():
                weight[index] = kept
            assert slope[index].item() == pytest.approx((above - below) / 2e-6, abs=1e-6)


def test_a_cached_weight_has_its_slope_whoever_asked_first():
    """In an update a weight is computed once; a forward under no_grad must not take it away."""
    net, x = spectral_norm(nn.Linear(5, 1)), torch.randn(3, 5)
    with parametrize.cached():
        with torch.no_grad():
            assert not net(x).requires_grad
        (slope,) = torch.autograd.grad(net(x).sum(), net.parametrizations.weight.original)
    assert slope.abs().max() > 0


def test_a_graph_outlives_the_next_iteration():
    net, x = spectral_norm(nn.Linear(5, 2)), torch.randn(3, 5)
    weight = net.parametrizations.weight.original
    (wanted,) = torch.autograd.grad(net(x).square().sum(), weight)
    later = net(x).square().sum()
    normalised_layers(net)[0][1].u.zero_()
    (slope,) = torch.autograd.grad(later, weight)
    assert torch.equal(slope, wanted)


def test_sigma_is_float32_under_autocast():
    net, x = spectral_norm(nn.Linear(64, 64)), torch.randn(3, 64)
    plain = net.weight.detach()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(net.weight, plain)
        assert net(x).dtype == torch.bfloat16


# ---- when it looks -------------------------------------------------------------------------


def test_no_forward_moves_u_or_v():
    net, x = spectral_norm(network()), torch.randn(4, 2, 6, 6)
    before = vectors(net)
    net(x)
    with frozen_buffers(net):
        net(x)
    net.eval()
    net(x)
    assert differing(vectors(net), before) == []
    power_iteration(net)
    one_row = {f"6.parametrizations.weight.0.{name}" for name in "uv"}  # exact from the start
    assert set(differing(vectors(net), before)) == set(before) - one_row


def both(**keys):
    recipe = find("sagan-hinge").recipe.with_(*find("wgan-gp").recipe.on_d)
    return shrunk(recipe, **keys)


@pytest.mark.parametrize(("d_steps", "g_steps", "shared"), [(1, 1, True), (1, 1, False),
                                                           (3, 1, True), (2, 2, True)])  # fmt: skip
def test_there_is_one_iteration_a_step_of_the_player_that_owns_it(
    monkeypatch, d_steps, g_steps, shared
):
    """Penalties and the other player's forwards make none; the average settles once a turn."""
    game = trainer(both(d_steps=d_steps, g_steps=g_steps, shared_latents=shared), GREY)
    calls = {}
    iterate = SpectralNorm.iterate
    monkeypatch.setattr(
        SpectralNorm,
        "iterate",
        lambda self, weight: [calls.update({self: calls.get(self, 0) + 1}), iterate(self, weight)],
    )
    game.iterate()
    state = game.state
    counts = [
        {calls.get(normaliser, 0) for _, normaliser, _ in normalised_layers(module)}
        for module in (state.discriminator, state.generator, state.g_ema)
    ]
    assert counts == [{d_steps}, {g_steps}, {1}]


def test_the_player_that_stands_still_keeps_its_u_and_v():
    recipe = both(shared_latents=False)
    state = started(recipe, GREY)
    for player, still in (("d", state.generator), ("g", state.discriminator)):
        before = vectors(still)
        recipe.step(StepContext(recipe, state, player, inputs(recipe, GREY)), go_on)
        assert differing(vectors(still), before) == [], player
        assert len(before) > 8


@pytest.mark.parametrize("player", ["d", "g"])
def test_a_weight_is_computed_once_an_update(monkeypatch, player):
    """D judges three batches in its update, and each layer divides its weight once."""
    recipe = both(shared_latents=False)
    game = context(recipe, player, GREY)
    calls = {}
    forward = SpectralNorm.forward

    def counted(self, weight):
        calls[self] = calls.get(self, 0) + 1
        return forward(self, weight)

    monkeypatch.setattr(SpectralNorm, "forward", counted)
    recipe.step(game, go_on)
    modules = (game.state.discriminator, game.state.generator)
    assert [
        {calls.get(normaliser, 0) for _, normaliser, _ in normalised_layers(m)} for m in modules
    ] == [{1}, {1}]
    game.state.discriminator(torch.zeros(2, *GREY))
    assert max(calls.values()) == 2  # outside of an update nothing is kept


def test_a_shared_fake_of_a_normalised_generator_has_the_slope_of_a_fresh_one():
    """G's step after D's, on the graph that D's update made, against G's own forward."""
    recipe = both()
    state = started(recipe, GREY)
    d_play = StepContext(recipe, state, "d", inputs(recipe, GREY), keeps_graph=True)
    recipe.step(d_play, go_on)
    after_d = vectors(state.generator)
    g_play = StepContext(recipe, state, "g", inputs(recipe, GREY, seed=9))
    g_play.take_fake_of(d_play)
    seen = []
    recipe.step(g_play, lambda update: seen.append([g.clone() for g in update.gradients]))
    assert differing(vectors(state.generator), after_d) == []

    state = started(recipe, GREY)
    recipe.step(StepContext(recipe, state, "d", inputs(recipe, GREY), keeps_graph=True), go_on)
    with frozen_buffers(state.generator):
        scores = state.discriminator(state.generator(d_play.latent))
    fresh = torch.autograd.grad(-scores.mean(), state.players["g"].parameters)
    assert any(slope.abs().max() > 0 for slope in fresh)
    for one, other in zip(seen[0], fresh, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


# ---- copies and checkpoints ----------------------------------------------------------------


def test_copies_are_of_their_own_and_states_go_round():
    net, x = spectral_norm(network()), torch.randn(4, 2, 6, 6)
    copied = copy.deepcopy(net)
    assert torch.equal(copied.eval()(x), net.eval()(x))
    power_iteration(copied)
    assert differing(vectors(copied), vectors(net))
    other = spectral_norm(network(seed=5))
    assert not torch.equal(other.eval()(x), net(x))
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(x), net(x))
    assert sum(k.endswith((".u", ".v")) for k in net.state_dict()) == 8


def test_the_averages_u_and_v_fit_its_averaged_weights():
    """With a half-life that makes it a blend of many turns, not the last weights."""
    game = trainer(shrunk(find("sagan-hinge").recipe, width=8, lr=2e-3, ramp=1.0), GREY)
    for _ in range(10):
        game.iterate()
    for player in game.state.players.values():
        player.spec = Adam(lr=1e-6)
    for _ in range(20):
        game.iterate()
    g_ema = matrices(game.state.g_ema)
    for (layer, raw, normalised), (_, last, _) in zip(
        g_ema, matrices(game.state.generator), strict=True
    ):
        assert 0.95 <= np.linalg.svd(normalised, compute_uv=False)[0] <= 1.05, layer
        assert np.abs(raw - last).max() > 1e-4
    assert all(not p.requires_grad for p in game.state.g_ema.parameters())


# ---- what it is put on ---------------------------------------------------------------------


def test_a_layer_that_starts_at_zero_is_drawn_and_the_others_stay():
    net = network()
    with torch.no_grad():
        net[5].weight.zero_()
    first = net[0].weight.detach().clone()
    spectral_norm(net)
    assert torch.equal(net[0].parametrizations.weight.original, first)
    drawn = net[5].parametrizations.weight.original
    assert drawn.std().item() == pytest.approx(0.02, rel=0.15)
    assert net(torch.randn(4, 2, 6, 6)).isfinite().all()


def test_a_weight_that_is_normalised_already_stays_as_it_is():
    net = spectral_norm(network())
    again = [n for _, n, _ in normalised_layers(net)]
    spectral_norm(net)
    assert [n for _, n, _ in normalised_layers(net)] == again
    theirs = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3))
    spectral_norm(nn.Sequential(theirs, nn.Linear(3, 1)))
    assert len(theirs.parametrizations.weight) == 1


def test_a_network_without_weights_to_normalise_is_refused():
    with pytest.raises(ValueError, match="finds no linear layer"):
        spectral_norm(nn.Sequential(nn.BatchNorm1d(3), nn.ReLU()))
