"""horizon=budget: schedules run their course in the time that a run has."""

import pytest
import torch

from steadygan.errors import UserError
from steadygan.game.processes import ALONE
from steadygan.methods import find
from steadygan.parts.tricks import CriticWarmup
from steadygan.training import Goal, horizon, train
from steadygan.training.runfolder import read_facts
from tests.reliability import games


def test_steps_are_counted_exactly_with_every_step_of_d_and_a_warm_up():
    said = []
    recipe = games.small("dcgan")
    found = horizon.fitted_to(recipe, games.images(), Goal(steps=50), say=said.append)
    assert found.horizon_images == 50 * recipe.batch
    assert said == [f"horizon: {50 * recipe.batch:,} images, those of 50 steps"]
    critic = games.small("wgan", d_steps=5)
    assert horizon.fitted_to(critic, games.images(), Goal(steps=7)).horizon_images == (
        7 * 5 * critic.batch
    )
    warm = critic.with_(CriticWarmup(turns=3, d_steps=20))
    expected = (3 * 20 + 4 * 5) * critic.batch
    assert horizon.fitted_to(warm, games.images(), Goal(steps=7)).horizon_images == expected
    assert found.changed(horizon_images=recipe.horizon_images) == recipe, "nothing else changes"


def test_a_budget_is_the_speed_of_this_machine_times_its_seconds(monkeypatch):
    monkeypatch.setattr(horizon, "images_a_second", lambda *given: 1234.5)
    found = horizon.fitted_to(games.small("dcgan"), games.images(), Goal(budget_seconds=60.0))
    assert found.horizon_images == 74070


def test_the_speed_is_that_of_iterations_after_a_warm_up(monkeypatch):
    now = [0.0]

    class Stub:
        """The first iterations take a second each, the others a tenth."""

        processes = ALONE

        def __init__(self, *_given):
            self.images, self.done = 0, 0

        def iterate(self):
            now[0] += 1.0 if self.done < horizon.WARM_UP else 0.1
            self.done += 1
            self.images += 32

        def settle(self):
            pass

    monkeypatch.setattr(horizon, "Trainer", Stub)
    monkeypatch.setattr(horizon.time, "perf_counter", lambda: now[0])
    speed = horizon.images_a_second(games.small("dcgan"), games.images(), "cpu", "fp32")
    assert speed == pytest.approx(320.0)


def test_measuring_the_speed_leaves_the_random_state(monkeypatch):
    monkeypatch.setattr(horizon, "SECONDS", 0.0)
    before = torch.random.get_rng_state()
    assert horizon.images_a_second(games.small("dcgan"), games.images(), "cpu", "fp32") > 0
    assert torch.equal(before, torch.random.get_rng_state())


def test_rates_end_where_the_schedule_says(tmp_path):
    recipe = games.small("dcgan", **{"d_optimizer.lr_end": 0.0, "g_optimizer.lr_end": 0.0})
    fitted = horizon.fitted_to(recipe, games.images(), Goal(steps=10))
    rates = [fitted.g_optimizer.settings(i * fitted.batch, fitted.horizon_images, fitted.batch)
             for i in range(11)]  # fmt: skip
    assert rates[0]["lr"] == recipe.g_optimizer.lr
    assert rates[5]["lr"] == pytest.approx(recipe.g_optimizer.lr / 2)
    assert rates[10]["lr"] == 0.0
    train(fitted, games.images(), out=tmp_path / "run", steps=10, device="cpu")
    assert read_facts(tmp_path / "run")["recipe"]["horizon_images"] == fitted.horizon_images


def test_pre_training_takes_an_unknown_share_of_a_budget():
    recipe = find("decoding").recipe
    with pytest.raises(UserError, match="trains autoencoder, features first"):
        horizon.fitted_to(recipe, games.images(), Goal(budget_seconds=60.0))
    assert horizon.fitted_to(recipe, games.images(), Goal(steps=3)).horizon_images == 192
