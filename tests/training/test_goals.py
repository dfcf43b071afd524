"""When a run ends: steps, a budget of training time, a signal, a clock."""

import signal
import types
from itertools import pairwise

import pytest

from steadygan.errors import UserError
from steadygan.game.optimizers import Adam
from steadygan.training import (
    Goal,
    Hooks,
    LogSchedule,
    StopAsked,
    Stopped,
    checkpoint,
    loop,
    resume,
    stopping,
    train,
)  # fmt: skip
from steadygan.training.runfolder import read_facts
from steadygan.training.runs import goal_of, seconds_spent
from tests.reliability import children, games


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves one second whenever it is read."""
    now = {"time": 0.0}

    def tick():
        now["time"] += 1.0
        return now["time"]

    monkeypatch.setattr(loop, "time", types.SimpleNamespace(perf_counter=tick, time=lambda: 0.0))
    return now


def test_a_budget_counts_training_alone(clock, tmp_path):
    logged = []

    def slow(trainer):
        clock["time"] += 1000.0  # what is outside a turn costs nothing
        logged.append(trainer.seconds)

    out = train(games.small("gan"), games.images(), out=tmp_path / "run", budget_minutes=0.1,
                device="cpu", hooks=Hooks(on_iteration=slow))  # fmt: skip
    assert logged == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    status = read_facts(out)["status"]
    assert (status["step"], status["seconds"], status["state"]) == (6, 6.0, "finished")


def test_a_resumed_budget_goes_on_from_the_time_spent(clock, tmp_path):
    out = train(games.small("gan"), games.images(), out=tmp_path / "run", budget_minutes=0.1,
                device="cpu")  # fmt: skip
    resume(out, data=games.images(), say=games.quiet)  # at its goal already: nothing to do
    assert read_facts(out)["status"]["step"] == 6
    resume(out, data=games.images(), budget_minutes=0.15, say=games.quiet)
    assert read_facts(out)["status"]["step"] == 9
    assert read_facts(out)["goal"] == {"budget_seconds": 9.0}
    with pytest.raises(UserError, match=r"--budget 6s: .* has trained for 9.0 s already"):
        resume(out, data=games.images(), budget_minutes=0.1, say=games.quiet)
    assert read_facts(out)["goal"] == {"budget_seconds": 9.0}
    resume(out, data=games.images(), budget_minutes=0.15, say=games.quiet)  # its own: all done
    resume(out, data=games.images(), steps=10, say=games.quiet)
    assert read_facts(out)["status"]["step"] == 10
    assert read_facts(out)["goal"] == {"steps": 10}


def test_more_training_at_a_rate_of_zero_is_refused_with_what_would_train(clock, tmp_path):
    """Two iterations of 8 images are the whole horizon; at its end D's rate is 0."""
    recipe = games.small("gan").changed(d_optimizer=Adam(lr_end=0.0))
    images = 2 * recipe.images_in(0)
    recipe = recipe.changed(horizon_images=images)
    out = train(recipe, games.images(), out=tmp_path / "run", steps=2, device="cpu")
    wanted = rf"fall to 0 by {images:,} images .* horizon_images={3 * images}"
    with pytest.raises(UserError, match=wanted):
        resume(out, data=games.images(), steps=6, say=games.quiet)
    with pytest.raises(UserError, match=wanted):
        resume(out, data=games.images(), budget_minutes=0.1, say=games.quiet)
    later = {"horizon_images": str(3 * images)}
    resume(out, data=games.images(), steps=6, changes=later, say=games.quiet)
    assert read_facts(out)["status"]["step"] == 6


def test_the_time_spent_is_that_of_the_newest_whole_checkpoint(clock, tmp_path):
    out = train(games.small("gan"), games.images(), out=tmp_path / "run", steps=4, device="cpu",
                schedule=LogSchedule(save_every=3))  # fmt: skip
    assert seconds_spent(out) == 4.0
    checkpoint.listed(out / "checkpoints")[0].write_bytes(b"damaged")
    assert seconds_spent(out) == 3.0


def test_a_goal_that_was_passed_already_is_reached():
    assert Goal(steps=3).reached(4, 0.0)
    assert not Goal(steps=3).reached(2, 1e9)
    assert Goal(budget_seconds=2.0).reached(0, 2.0)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"steps": 0, "budget_minutes": None}, "--steps 0: wants 1 or more"),
        ({"steps": -5, "budget_minutes": None}, "--steps -5: wants 1 or more"),
        ({"steps": None, "budget_minutes": 0.0}, "--budget"),
        ({"steps": None, "budget_minutes": float("nan")}, "--budget"),
        ({"steps": None, "budget_minutes": float("inf")}, "--budget"),
        ({"steps": 3, "budget_minutes": 1.0}, "not both"),
    ],
)
def test_goals_that_are_none(asked, said):
    with pytest.raises(UserError, match=said):
        goal_of(**asked)


def test_ten_minutes_by_default():
    assert goal_of(None, None) == Goal(budget_seconds=600.0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_sets_a_flag_and_the_first_one_decides(number, code):
    stop, other = StopAsked(), signal.SIGTERM if number == signal.SIGINT else signal.SIGINT
    before = {n: signal.getsignal(n) for n in (number, other)}
    assert stop() is None
    try:
        with stop.listening():
            signal.raise_signal(number)
        signal.raise_signal(other)  # on the way out: caught still, and it changes nothing
        signal.raise_signal(number)
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)
    assert stop().exit_code == code
    assert signal.Signals(number).name in str(stop())


def test_without_a_signal_the_old_handlers_come_back():
    before = signal.getsignal(signal.SIGTERM)
    with StopAsked().listening():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_stop_after_is_wall_clock(monkeypatch):
    now = {"time": 100.0}
    monkeypatch.setattr(stopping.time, "monotonic", lambda: now["time"])
    stop = StopAsked(after_seconds=5.0, started=100.0)
    now["time"] = 105.0
    assert stop() is None
    now["time"] = 105.1
    assert stop().exit_code == 75


def test_a_stopped_run_says_so_and_its_state_is_saved(tmp_path):
    calls = iter(range(100))

    def stop():
        return Stopped("enough", 75) if next(calls) == 2 else None

    with pytest.raises(Stopped, match="enough"):
        train(games.small("gan"), games.images(), out=tmp_path / "run", steps=9, device="cpu",
              hooks=Hooks(stop=stop))  # fmt: skip
    status = read_facts(tmp_path / "run")["status"]
    assert (status["state"], status["reason"], status["step"]) == ("stopped", "enough", 3)
    resume(tmp_path / "run", data=games.images(), say=games.quiet)
    assert read_facts(tmp_path / "run")["status"]["step"] == 9


def test_a_run_that_is_asked_to_stop_at_once_still_plays_a_turn(tmp_path):
    """Else a --stop-after shorter than the set-up would never get on."""
    hooks = Hooks(stop=lambda: Stopped("at once", 75))
    with pytest.raises(Stopped):
        train(games.small("gan"), games.images(), out=tmp_path / "run", steps=9, hooks=hooks)
    assert read_facts(tmp_path / "run")["status"]["step"] == 1


def test_a_budget_counts_pre_training_and_may_end_inside_it(tmp_path):
    assert children.run(budget_inside_a_stage, tmp_path, folder=tmp_path) == 0


def budget_inside_a_stage(folder):
    """In a child: a budget for five stage steps of one second, then for ten, then for all 24."""
    from tests.reliability import staged

    trainer = games.trainer_of(staged.recipe(), folder / "run")
    context = trainer.take_stage_step

    def slow(stage):
        before = trainer.seconds
        context(stage)
        trainer.seconds = before + 1.0

    trainer.take_stage_step = slow
    for earlier, budget in pairwise((0, 5, 10, 24)):
        trainer.run(Goal(budget_seconds=budget), Hooks())
        assert (trainer.iteration, trainer.stage_steps) == (0, {"warmup": budget})
        newest, before = checkpoint.listed(folder / "run" / "checkpoints")
        assert int(checkpoint.load(newest).tensors["counters/stage warmup"]) == budget
        assert int(checkpoint.load(before).tensors["counters/stage warmup"]) == earlier
