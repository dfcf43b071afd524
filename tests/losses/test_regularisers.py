"""LeCam and historical averaging: the formulas, what they remember, and exact resume."""

import numpy as np
import pytest
import torch
from tiny import GREY, context, differing, go_on, inputs, parameters, shrunk, started, trainer

from steadygan.game.context import Iteration, StepContext
from steadygan.losses.objectives import NonSaturating, wasserstein_d_loss
from steadygan.losses.regularisers import (
    Anchors,
    HistoricalAveraging,
    LeCam,
    RunningMeans,
    history_distance,
    lecam_loss,
)
from steadygan.methods import find
from steadygan.parts.augment import DiffAugment
from steadygan.parts.noise import InstanceNoise
from steadygan.parts.replay import Replay
from steadygan.training.state_dict import gather, restore

DCGAN = shrunk(find("dcgan").recipe)


def scores(count=40, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(2, count, generator=random, dtype=torch.float64) * 3


# ---- LeCam ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_lecam_is_the_squared_distance_to_the_other_kinds_anchor(rectified, seed):
    real, fake = scores(seed=seed)
    above, below = real.numpy() - (-0.7), 1.3 - fake.numpy()
    if rectified:
        above, below = np.maximum(above, 0), np.maximum(below, 0)
    wanted = (above**2).mean() + (below**2).mean()
    found = lecam_loss(real, fake, 1.3, -0.7, rectified=rectified)
    assert found.item() == pytest.approx(wanted, rel=1e-12)


def test_at_its_best_d_under_lecam_the_loss_is_a_lecam_divergence():
    """Tseng et al. 2021, section 3, for a Wasserstein D with anchors a and -a: at the best scores
    D has gained a multiple of sum (p_d - p_g)^2 / (p_d + p_g)."""
    weight, anchor = 0.8, 0.2
    real, fake = (torch.tensor([0, 1, 2]).repeat_interleave(torch.tensor(n))
                  for n in ([5, 3, 2], [1, 3, 6]))  # fmt: skip
    p_d, p_g = (torch.bincount(kind, minlength=3).double() / 10 for kind in (real, fake))

    def loss(c):
        pull = lecam_loss(c[real], c[fake], anchor, -anchor)
        return wasserstein_d_loss(c[real], c[fake]) + weight * pull

    start = torch.randn(3, dtype=torch.float64)
    slope = torch.autograd.functional.jacobian(loss, start)
    c = start - torch.linalg.solve(torch.autograd.functional.hessian(loss, start), slope)
    divergence = ((p_d - p_g) ** 2 / (p_d + p_g)).sum().item()
    scale = 1 / (2 * weight) - anchor
    wanted = 2 * weight * anchor**2 - weight * scale**2 * divergence
    assert loss(c).item() == pytest.approx(wanted, rel=1e-9)
    torch.testing.assert_close(c, scale * (p_d - p_g) / (p_d + p_g))


def test_the_anchors_begin_at_the_first_batch_and_then_follow_slowly():
    anchors = Anchors()
    means = [(2.0, -1.0), (4.0, 0.0), (0.0, 3.0)]
    wanted = np.array(means[0])
    for k, (real, fake) in enumerate(means):
        anchors.follow(torch.tensor([real - 1, real + 1]), torch.tensor([fake]), 0.9)
        wanted = wanted if k == 0 else 0.9 * wanted + 0.1 * np.array([real, fake])
        found = anchors.real.item(), anchors.fake.item()
        assert found == pytest.approx(tuple(wanted), rel=1e-6)


def test_ds_update_takes_the_batch_in_and_then_penalises_its_scores():
    part = LeCam(weight=0.3)
    recipe = DCGAN.with_(part)
    game = context(recipe, "d")
    found = recipe.losses(game)["lecam"]
    real, fake = game.real_scores.detach().double(), game.fake_scores.detach().double()
    wanted = 0.3 * ((real - fake.mean()).square().mean() + (fake - real.mean()).square().mean())
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    slope = torch.autograd.grad(found, game.real_scores)[0].double()
    torch.testing.assert_close(slope, 0.3 * 2 * (real - fake.mean()) / len(real))
    assert game.signals["lecam_anchor_real"].item() == pytest.approx(real.mean().item(), abs=1e-6)
    state = game.state.part_states["lecam"]
    assert state.real.item() == pytest.approx(real.mean().item(), abs=1e-6)
    assert state.fake.item() == pytest.approx(fake.mean().item(), abs=1e-6)


def test_where_fakes_score_high_the_rectified_form_is_turned_round():
    class Reversed(NonSaturating):
        name = ""
        real_is_high = False

    part = LeCam(weight=1.0, rectified=True)
    recipe = DCGAN.with_(part, objective=Reversed())
    game = context(recipe, "d")
    real, fake = game.real_scores.detach(), game.fake_scores.detach()
    wanted = torch.relu(fake.mean() - real).square() + torch.relu(fake - real.mean()).square()
    assert recipe.losses(game)["lecam"].item() == pytest.approx(wanted.mean().item(), rel=1e-5)


# ---- historical averaging ------------------------------------------------------------------


def test_the_mean_is_over_the_start_and_every_step_since():
    values = [torch.randn(2, 3, generator=torch.Generator().manual_seed(k)) for k in range(6)]
    means = RunningMeans([values[0]])
    for value in values[1:]:
        means.take_in([value])
    (found,) = means.means
    torch.testing.assert_close(found, torch.stack(values).mean(0))
    assert means.steps == 6


def test_the_distance_is_summed_over_all_parameters():
    theta = [torch.randn(4, 3).double(), torch.randn(5).double()]
    means = [torch.randn(4, 3).double(), torch.randn(5).double()]
    flat, mean = (np.concatenate([t.flatten().numpy() for t in ts]) for ts in (theta, means))
    assert history_distance(theta, means).item() == pytest.approx(((flat - mean) ** 2).sum())


@pytest.mark.parametrize("player", ["d", "g"])
def test_each_player_is_pulled_to_the_mean_of_its_own_past(player):
    part = HistoricalAveraging(weight=0.5)
    recipe = DCGAN.with_(part)
    state = started(recipe)
    mine, past = state.players[player], []
    for iteration in range(3):
        past.append({n: p.detach().clone().double() for n, p in mine.named_parameters().items()})
        if iteration == 2:
            break
        recipe.iterate(
            state,
            Iteration(
                iteration,
                0,
                lambda m, k, iteration=iteration: inputs(recipe, seed=iteration),
                go_on,
            ),
        )
    game = StepContext(recipe, state, player, inputs(recipe, seed=9))
    loss = part.loss(game)
    slopes = torch.autograd.grad(loss, mine.parameters)
    wanted = 0.0
    for name, slope in zip(mine.parameter_names, slopes, strict=True):
        apart = past[-1][name] - torch.stack([p[name] for p in past]).mean(0)
        wanted += 0.5 * apart.square().sum().item()
        torch.testing.assert_close(slope.double(), 2 * 0.5 * apart, rtol=1e-3, atol=1e-7)
    assert loss.item() == pytest.approx(wanted, rel=1e-4)
    assert wanted > 0
    assert game.signals[f"{player}_history_distance"].item() == pytest.approx(2 * wanted, rel=1e-4)


def test_at_the_start_the_past_is_here_and_costs_nothing():
    recipe = DCGAN.with_(HistoricalAveraging())
    assert recipe.on_d == recipe.on_g == (HistoricalAveraging(),)
    for player in ("d", "g"):
        assert recipe.losses(context(recipe, player))["historical-averaging"].item() == 0.0


def test_a_circle_of_two_players_is_drawn_in_by_their_averages():
    """min_x max_y xy under simultaneous gradient steps moves outwards without end; held to the
    running means it converges: Salimans et al. 2016, section 3.3 (and 3, which names this game)."""

    def last(weight):
        point = [torch.ones(1), torch.zeros(1)]
        means = [RunningMeans([p]) for p in point]
        for _ in range(4000):
            pulls = [2 * weight * (p - m.means[0]) for p, m in zip(point, means, strict=True)]
            x, y = point
            point = [x - 0.05 * (y + pulls[0]), y + 0.05 * (x - pulls[1])]
            for p, m in zip(point, means, strict=True):
                m.take_in([p])
        return torch.cat(point).norm().item()

    assert last(0.0) > 10
    assert last(0.5) < 0.1


# ---- resume --------------------------------------------------------------------------------


def test_a_game_with_every_part_that_remembers_goes_on_from_its_state_bit_for_bit():
    parts = (Replay(capacity=8), HistoricalAveraging(), LeCam(), InstanceNoise(), DiffAugment())
    recipe = DCGAN.with_(*parts)
    straight = trainer(recipe, GREY)
    for _ in range(4):
        straight.iterate()
    saved = {k: v.clone() for k, v in gather(straight.state, straight.counters()).items()}
    kept = {key for key in saved if key.startswith("states/")}
    assert {"states/replay.samples", "states/replay.filled", "states/lecam.real",
            "states/historical-averaging.d.steps"} <= kept  # fmt: skip
    fresh = trainer(recipe, GREY)
    begun = gather(fresh.state, fresh.counters())
    assert kept <= set(differing(begun, saved))  # all of it has moved: none is only carried
    resumed = trainer(recipe, GREY)
    resumed.take_counters(restore(resumed.state, {k: v.clone() for k, v in saved.items()}))
    for game in (straight, resumed):
        for _ in range(2):
            game.iterate()
    one, other = (gather(game.state, game.counters()) for game in (straight, resumed))
    assert differing(one, other) == []
    forgetful = trainer(recipe, GREY)
    bare = {k: (begun[k] if k in kept else v).clone() for k, v in saved.items()}
    forgetful.take_counters(restore(forgetful.state, bare))
    forgetful.iterate()
    straight_players = parameters(straight.state.players["d"])
    assert differing(parameters(forgetful.state.players["d"]), straight_players)
