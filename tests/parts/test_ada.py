"""ADA: each transformation against what it is by hand, and p, which follows D's signs."""

import math

import pytest
import torch
from tiny import GREY, context, shrunk, started

from steadygan.errors import UserError
from steadygan.methods import find
from steadygan.parts import ada
from steadygan.parts.ada import Ada, AdaState, Draws, ada_augment, hue_rotation, moved
from steadygan.training import Hooks, LogSchedule, Stopped, resume, train
from tests.reliability import games

IMAGES = torch.rand(16, 3, 12, 12, generator=torch.Generator().manual_seed(0)) * 2 - 1
ONE = torch.ones(16)


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


# ---- transformations -----------------------------------------------------------------------


@pytest.mark.parametrize("policy", [*((name,) for name in ada.POLICY), ada.POLICY])
def test_nothing_is_changed_at_p_0(policy):
    found = ada_augment(IMAGES, 0.0, stream(), policy=policy)
    torch.testing.assert_close(found, IMAGES, rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("maps", "expected"),
    [
        (ada.scaling(-ONE, ONE), IMAGES.flip(3)),
        (ada.rotation(math.pi / 2 * ONE), torch.rot90(IMAGES, 1, (2, 3))),
        (ada.rotation(math.pi * ONE), IMAGES.flip((2, 3))),
    ],
)
def test_flips_and_quarter_turns_move_whole_pixels(maps, expected):
    torch.testing.assert_close(moved(IMAGES, maps), expected, rtol=0, atol=1e-5)


def test_a_shift_by_whole_pixels_moves_the_image_and_mirrors_its_edge():
    found = moved(IMAGES, ada.translation(-3 * ONE, 2 * ONE))
    torch.testing.assert_close(found[:, :, :-2, 3:], IMAGES[:, :, 2:, :-3], rtol=0, atol=1e-5)
    mirrored = IMAGES[:, :, 2:, :3].flip(3)
    torch.testing.assert_close(found[:, :, :-2, :3], mirrored, rtol=0, atol=1e-5)


def test_a_factor_of_two_shows_the_middle_half_twice_as_large():
    ramp = torch.linspace(-1, 1, 32).expand(1, 1, 32, 32).contiguous()
    found = moved(ramp, ada.scaling(torch.tensor([0.5]), torch.tensor([0.5])))
    step = ramp[0, 0, 0, 1] - ramp[0, 0, 0, 0]
    torch.testing.assert_close(found[0, 0, 5].diff(), (step / 2).expand(31), rtol=0, atol=1e-5)
    assert found[0, 0, 0].mean().abs() < 1e-6


def test_sides_that_differ_are_turned_in_pixels_not_in_shares_of_them():
    wide = torch.zeros(1, 1, 8, 16)
    wide[0, 0, 4, 12] = 1.0  # at (4.5, .5) from the middle, in pixels right and down
    turned = moved(wide, ada.rotation(torch.tensor([-math.pi])))
    assert turned[0, 0].argmax() == 3 * 16 + 3
    assert turned.max() == pytest.approx(1.0, abs=1e-5)


def test_hue_keeps_grey_and_the_length_of_colour():
    angle = torch.linspace(-3, 3, 16)
    turned = hue_rotation(angle)
    grey = torch.ones(3)
    torch.testing.assert_close(turned @ grey, grey.expand(16, 3), rtol=0, atol=1e-6)
    eye = torch.eye(3).expand(16, 3, 3)
    torch.testing.assert_close(turned @ turned.transpose(1, 2), eye, rtol=0, atol=1e-6)
    third = hue_rotation(torch.tensor([2 * math.pi / 3]))[0]  # red becomes green
    torch.testing.assert_close(third @ torch.tensor([1.0, 0, 0]), torch.tensor([0, 1.0, 0]),
                               rtol=0, atol=1e-6)  # fmt: skip


def test_colours_are_those_of_the_formula():
    draws = Draws(IMAGES, torch.tensor(1.0), stream(3))
    found = ada.colours(IMAGES, draws)
    again = Draws(IMAGES, torch.tensor(1.0), stream(3))
    again.acts()
    shift = again.normal(0.2)
    again.acts()
    contrast = 2 ** again.normal(0.5)
    again.acts()
    sign = 1 - 2 * again.whole(1)
    assert set(sign.tolist()) == {-1.0, 1.0}
    luma = (IMAGES.mean(1) + shift[:, None, None]) * contrast[:, None, None] * sign[:, None, None]
    torch.testing.assert_close(found.mean(1), luma, rtol=0, atol=1e-5)
    grey = ada_augment(IMAGES[:, :1], 1.0, stream(3), policy=("color",))
    expected = (IMAGES[:, 0] + shift[:, None, None]) * contrast[:, None, None]
    torch.testing.assert_close(grey[:, 0], expected * sign[:, None, None], rtol=0, atol=1e-5)


@pytest.mark.parametrize("policy", [(name,) for name in ada.POLICY])
def test_each_kind_acts_on_the_share_p_of_samples(policy):
    many = IMAGES[:1].expand(2000, -1, -1, -1)
    changed = (ada_augment(many, 0.3, stream(), policy=policy) - many).abs().amax((1, 2, 3)) > 1e-3
    # a flip, a quarter turn and a shift are no change in some draws; scale and shift act twice
    expected = {"flip": 0.15, "turn": 0.225, "shift": 0.49, "scale": 0.51, "rotate": 0.3,
                "color": 1 - 0.7**4 * 0.85}[policy[0]]  # fmt: skip
    assert changed.float().mean().item() == pytest.approx(expected, abs=0.04)


def test_a_gradient_flows_through_all_of_it():
    images = IMAGES.clone().requires_grad_(True)
    ada_augment(images, 0.8, stream()).square().sum().backward()
    assert (images.grad.abs().sum((1, 2, 3)) > 0).all()
    assert images.grad.isfinite().all()


# ---- p -------------------------------------------------------------------------------------


def test_p_moves_once_in_four_steps_by_the_samples_seen():
    state, signs = AdaState(0.0), torch.ones(16)
    moves = []
    for _ in range(9):
        state.follow(signs, 0.6, 640.0)
        moves.append(round(state.p.item(), 6))
    assert moves == [0, 0, 0, 0.1, 0.1, 0.1, 0.1, 0.2, 0.2]
    for _ in range(40):
        state.follow(signs * 0.0, 0.6, 640.0)
    assert state.p == 0.0, "never below"
    for _ in range(200):
        state.follow(signs, 0.6, 640.0)
    assert state.p == 1.0, "never above"


def test_p_stays_at_0_where_d_is_undecided_and_rises_where_it_calls_real_ones_real():
    recipe = shrunk(find("dcgan").recipe).with_(Ada(images=64.0))
    game = context(recipe, "d", GREY)
    state = game.state.part_state("ada", AdaState)
    for scores, rises in ((torch.full((8,), -2.0), False), (torch.full((8,), 2.0), True)):
        for _ in range(4):
            update = context(recipe, "d", GREY)
            update.state.part_states["ada"] = state
            update.__dict__["_real_output"] = (None, scores)
            result = type("R", (), {"player": update.state.players["d"], "context": update})
            Ada(images=64.0).adjust(result)
        assert (state.p.item() > 0) == rises
        assert update.signals["ada_sign"].item() == (1.0 if rises else -1.0)


def test_gs_step_leaves_p_alone_and_both_players_see_the_same_kind_of_images():
    recipe = shrunk(find("dcgan").recipe).with_(Ada(p_start=0.9, images=1.0))
    game = context(recipe, "g", GREY)
    before = game.state.part_state("ada", AdaState).p.clone()
    recipe.step(game, lambda result: None)
    assert torch.equal(before, game.state.part_state("ada", AdaState).p)
    for player in ("d", "g"):
        game = context(recipe, player, GREY)
        seen, fake = game.d_input("fake"), game.fake
        expected = ada_augment(fake, 0.9, game.generator("ada fake"))
        assert not torch.equal(seen, fake)
        torch.testing.assert_close(seen, expected)


def test_a_step_that_fails_moves_no_p():
    recipe = shrunk(find("dcgan").recipe).with_(Ada(images=1.0))
    game = context(recipe, "d", GREY)

    def fails(result):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        recipe.step(game, fails)
    assert game.state.part_state("ada", AdaState).steps == 0


@pytest.mark.parametrize("method", ["wgan-gp", "rpgan"])
def test_objectives_without_an_undecided_score_are_refused(method):
    with pytest.raises(ValueError, match="ada follows how often"):
        find(method).recipe.with_(Ada())


def test_vectors_are_refused():
    with pytest.raises(UserError, match="wants images"):
        started(find("gan").fitted((2,)).with_(Ada()), (2,))


def test_p_is_resumed_exactly(tmp_path):
    recipe = games.small("dcgan").with_(Ada(images=200.0, p_start=0.3, target=-0.9))
    data = games.images()
    keys = {"steps": 10, "device": "cpu", "schedule": LogSchedule(log_every=1)}
    train(recipe, data, out=tmp_path / "whole", **keys)
    asked = iter([None] * 6 + [Stopped("now", 75)] * 9)
    with pytest.raises(Stopped):
        train(recipe, data, out=tmp_path / "cut", hooks=Hooks(stop=lambda: next(asked)), **keys)
    resume(tmp_path / "cut", data=data, say=games.quiet)
    games.same_end(tmp_path / "cut", tmp_path / "whole")
    p = [line["ada_p"] for line in games.history(tmp_path / "cut")[1:]]
    assert p[0] == pytest.approx(0.3)
    assert p[-1] > p[0]
