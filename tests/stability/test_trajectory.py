"""Evaluation on the way: when it is due, what it keeps, and that it changes nothing."""

import json
import math
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from tiny import run_facts

from steadygan.errors import UserError
from steadygan.stability.curve import points_of
from steadygan.stability.trajectory import Evaluator, Schedule
from steadygan.training import Goal, Hooks, Stopped, checkpoint, loop, resume, train
from steadygan.training.inputs import Streams
from steadygan.training.runfolder import read_facts, read_history
from steadygan.training.sample_files import sample
from steadygan.training.sampling import load_parts
from tests.reliability import games


def spread_of(samples):
    """A stand-in for a distance: any number that moves with the generator."""
    return {"fid": float(samples.std()), "other": 1.0}


def evaluator(every="5", steps=20, measure=spread_of, **more):
    return Evaluator(Schedule.read(every), Goal(steps=steps), measure, 32, **more)


def trained(out, hook, steps=20, method="gan", **more):
    more = {"device": "cpu", "schedule": games.LogSchedule(log_every=0, save_every=4), **more}
    hooks = Hooks(evaluate=hook, stop=more.pop("stop", lambda: None))
    return train(games.small(method), games.images(), out=out, steps=steps, hooks=hooks, **more)


def evaluated(run, key="step"):
    return [line[key] for line in read_history(run) if "fid" in line]


# ---- when --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("500", Schedule(steps=500)),
        ("30s", Schedule(seconds=30.0)),
        ("1.5m", Schedule(seconds=90.0)),
        ("2h", Schedule(seconds=7200.0)),
        ("5%", Schedule(share=0.05)),
        ("auto", Schedule(share=0.05, cost=0.1)),
    ],
)
def test_a_schedule_is_read(text, found):
    assert Schedule.read(text) == found


@pytest.mark.parametrize("text", ["", "0", "0s", "-5", "1.5", "101%", "5x", "often", "nan", "%"])
def test_a_bad_schedule_is_one_line(text):
    with pytest.raises(UserError, match="--evaluate-every") as caught:
        Schedule.read(text)
    assert "\n" not in str(caught.value)


def test_the_start_every_so_many_steps_and_the_last_iteration(tmp_path):
    assert evaluated(trained(tmp_path / "a", evaluator("6"))) == [0, 6, 12, 18, 20]
    assert evaluated(trained(tmp_path / "b", evaluator("10%"))) == list(range(0, 21, 2))
    assert evaluated(trained(tmp_path / "c", evaluator("1%"), steps=3)) == [0, 1, 2, 3]


@pytest.fixture
def clock(monkeypatch):
    """A turn takes a second of training time; an evaluation takes what it is told to."""
    now = SimpleNamespace(time=0.0)

    def tick():
        now.time += 0.5  # a turn reads it twice
        return now.time

    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=tick, time=lambda: 0.0))
    return now


def timed(clock, every, goal, cost=0.0):
    """An evaluator whose every evaluation takes `cost` seconds."""
    times = iter(range(10**6))
    return Evaluator(Schedule.read(every), goal, spread_of, 8, clock=lambda: cost * next(times))


def test_a_time_is_training_time(clock, tmp_path):
    """A turn is half a second: 20 turns in 10 s, and an evaluation every 3 s."""
    goal = Goal(budget_seconds=10.0)
    hooks = Hooks(evaluate=timed(clock, "3s", goal, cost=100.0))
    out = train(games.small("gan"), games.images(), out=tmp_path / "r", budget_minutes=1 / 6,
                device="cpu", hooks=hooks)  # fmt: skip
    assert evaluated(out, "seconds") == [0.0, 3.0, 6.0, 9.0, 10.0]


@pytest.mark.parametrize("goal", [{"steps": 200}, {"budget_seconds": 100.0}])
def test_auto_is_every_twentieth_and_at_most_a_tenth_of_the_time(clock, tmp_path, goal):
    """200 turns of half a second: 100 s. At .2 s each all 20 fit; at 2 s only a third and two
    thirds of the way do beside the first and the last."""
    costs = ((0.2, 21), (2.0, 4), (50.0, 2))
    for cost, most in costs if "steps" in goal else costs[1:2]:
        hook = timed(clock, "auto", Goal(**goal), cost)
        limit = {"steps": goal["steps"]} if "steps" in goal else {"budget_minutes": 100 / 60}
        out = train(games.small("gan"), games.images(), out=tmp_path / f"{cost}", device="cpu",
                    hooks=Hooks(evaluate=hook), **limit)  # fmt: skip
        found = evaluated(out, "seconds")
        assert (found[0], found[-1], len(found)) == (0.0, 100.0, most)
        assert sum(evaluated(out, "evaluate_seconds")) <= 10.0 or most == 2
        if most == 4:
            assert max(b - a for a, b in pairwise(found)) <= 35.0


@pytest.mark.parametrize("option", [True, False])
def test_what_would_make_room_is_said_where_an_evaluation_takes_long(clock, tmp_path, option):
    """`--count` is no way out in a study, where it is of finished runs."""
    said = []
    hook = timed(clock, "auto", Goal(budget_seconds=20.0), 2.0)
    hook.say, hook.count_is_option = said.append, option
    train(games.small("gan"), games.images(), out=tmp_path / "r", budget_minutes=1 / 3,
          device="cpu", hooks=Hooks(evaluate=hook))  # fmt: skip
    (text,) = said
    assert "an evaluation takes 2 s" in text
    assert ("--count" in text) == option
    assert ("larger budget" in text) != option


# ---- what --------------------------------------------------------------------------------------


def test_evaluating_moves_no_bit_and_is_no_training_time(clock, tmp_path):
    """Dropout, batch statistics and data order are as without it; its time is not the run's."""

    def measure(samples):
        clock.time += 1000.0
        torch.rand(10)  # even one that draws from torch's own generator
        return spread_of(samples)

    for method in ("gan", "wgan-gp", "dcgan"):
        with_it = trained(tmp_path / method, evaluator("2", measure=measure), 8, method)
        without = trained(tmp_path / f"{method}-bare", lambda trainer: None, 8, method)
        ends = [games.whole_state(run)[1] for run in (with_it, without)]
        assert games.unlike(*ends) == []
        assert read_facts(with_it)["status"]["seconds"] == 4.0


def test_samples_are_the_averages_from_the_same_latents_each_time(tmp_path):
    seen = []

    def measure(samples):
        seen.append(samples)
        return spread_of(samples)

    out = trained(tmp_path / "run", evaluator("20", measure=measure))
    average, prior, _ = load_parts(out)
    latents = prior.sample(32, Streams(0).generator("evaluation"))
    with torch.no_grad():
        assert torch.allclose(average(latents), seen[-1], atol=1e-6)
    assert seen[0].shape == (32, 1, 16, 16)
    assert not torch.equal(seen[0], seen[-1])


def test_what_is_not_finite_is_none_in_the_history(tmp_path):
    values = iter([3.0, math.nan, math.inf, 2.0, 1.0])
    hook = evaluator(measure=lambda samples: {"fid": next(values)})
    out = trained(tmp_path / "run", hook)
    assert evaluated(out, "fid") == [3.0, None, None, 2.0, 1.0]


def test_run_json_says_what_the_measures_stand_on(tmp_path):
    facts = {"every": "5", "features": "classifier", "feature_hash": "ab"}
    out = trained(tmp_path / "run", evaluator(facts=facts))
    assert read_facts(out)["evaluation"] == {**facts, "count": 32}
    other = evaluator(facts={**facts, "feature_hash": "cd"}, steps=30)
    with pytest.raises(UserError, match="other features"):
        resume(out, data=games.images(), steps=30, hooks=Hooks(evaluate=other), say=games.quiet)


# ---- the best ----------------------------------------------------------------------------------


def scripted(*distances):
    """A measure that gives these distances in turn."""
    left = iter(distances)
    return lambda samples: {"fid": next(left)}


def kept(out):
    return [checkpoint.step_of(path) for path in checkpoint.listed(out / "best")]


def test_the_best_evaluation_is_kept_and_only_that(tmp_path):
    out = trained(tmp_path / "run", evaluator(measure=scripted(0.1, 5.0, 3.0, 4.0, 6.0)))
    assert kept(out) == [10], "the start, untrained, is not among them"
    found = checkpoint.load(checkpoint.listed(out / "best")[0])
    assert found.info("distance") == 3.0
    ten = trained(tmp_path / "ten", lambda trainer: None, steps=10)
    ends = games.whole_state(ten)[1]
    average = {name: value for name, value in ends.items() if name.startswith("average/")}
    assert games.unlike(found.tensors, average) == []


def test_the_best_by_another_distance_is_no_bar_for_a_resumed_run(tmp_path):
    """An FID of 3 before, energy distances of 50 and 40 since: the best is the least of the new
    ones, which a distance that nobody measures any more cannot be compared with."""
    out = trained(tmp_path / "run", evaluator(measure=scripted(9.0, 5.0, 3.0, 4.0, 6.0)))
    assert kept(out) == [10]
    left = iter((50.0, 40.0))
    other = evaluator(
        measure=lambda samples: {"energy_distance": next(left)},
        facts={"distance": "energy_distance"},
        steps=30,
    )
    resume(out, data=games.images(), steps=30, hooks=Hooks(evaluate=other), say=games.quiet)
    assert kept(out) == [30]
    assert [point.distance for point in points_of(read_history(out))] == [50.0, 40.0]


def test_samples_can_be_drawn_at_the_best(tmp_path):
    out = trained(tmp_path / "run", evaluator(measure=scripted(9.0, 1.0, 3.0, 4.0, 6.0)))
    best, _, _ = load_parts(out, at="best")
    last, _, _ = load_parts(out)
    early, _, _ = load_parts(trained(tmp_path / "five", lambda trainer: None, steps=5))
    for one, other in zip(best.parameters(), early.parameters(), strict=True):
        assert torch.equal(one, other)
    assert any(
        not torch.equal(one, other)
        for one, other in zip(best.parameters(), last.parameters(), strict=True)
    )
    sample(out, tmp_path / "best.npy", count=4, at="best")
    sample(out, tmp_path / "last.npy", count=4)
    assert (tmp_path / "best.npy").read_bytes() != (tmp_path / "last.npy").read_bytes()
    bare = trained(tmp_path / "bare", lambda trainer: None, steps=2)
    with pytest.raises(UserError, match="no best samples"):
        load_parts(bare, at="best")


def stopped_after(turns):
    left = iter(range(turns))
    return lambda: Stopped("stopped", 143) if next(left, None) is None else None


@pytest.mark.parametrize("turns", [3, 9, 13, 18])
def test_a_resumed_run_evaluates_and_keeps_the_same(tmp_path, turns):
    whole = trained(tmp_path / "whole", evaluator("3"))
    with pytest.raises(Stopped):
        trained(tmp_path / "cut", evaluator("3"), stop=stopped_after(turns))
    hooks = Hooks(evaluate=evaluator("3"))
    cut = resume(tmp_path / "cut", data=games.images(), hooks=hooks, say=games.quiet)
    games.same_end(cut, whole)
    assert kept(cut) == kept(whole)


def test_a_run_that_falls_back_to_a_checkpoint_still_has_its_best_of_before(tmp_path):
    """Killed at step 11 it goes on from step 7. What the killed process saw after that may not come
    again, so the best until then, at step 6, must be there still."""

    class Killed(BaseException):
        pass

    hook = evaluator("2", measure=scripted(9.0, 5.0, 4.0, 3.0, 2.0, 1.0))

    def evaluate(trainer):
        if trainer.iteration == 11:
            raise Killed
        return hook(trainer)

    with pytest.raises(Killed):
        trained(tmp_path / "run", evaluate, schedule=games.LogSchedule(log_every=0, save_every=7))
    run = tmp_path / "run"
    assert kept(run) == [10, 8, 6], "until a checkpoint is as new, the best before it stays"
    later = evaluator("20", measure=scripted(8.0))
    resume(run, data=games.images(), hooks=Hooks(evaluate=later), say=games.quiet)
    assert kept(run) == [6]
    assert checkpoint.load(checkpoint.listed(run / "best")[0]).info("distance") == 3.0
    assert evaluated(run) == [0, 2, 4, 6, 20]


# ---- taken up again, kept ----------------------------------------------------------------------


def test_what_was_spent_and_what_is_best_is_read_from_the_history(tmp_path):
    lines = [
        {"step": 0, "seconds": 0.0, "evaluate_seconds": 5.0, "fid": 9.0},
        {"step": 4, "seconds": 4.0, "evaluate_seconds": 2.0, "fid": 0.5},
        {"step": 6, "seconds": 6.0, "d_loss": 1.0},
        {"step": 8, "seconds": 8.0, "evaluate_seconds": 3.0, "fid": 0.25},
    ]
    (tmp_path / "history.jsonl").write_text(
        "".join(json.dumps({**line, "images": 0}) + "\n" for line in lines)
    )
    (tmp_path / "run.json").write_text(json.dumps(run_facts()))
    (tmp_path / "best").mkdir()
    checkpoint.path_of(tmp_path / "best", 4).touch()
    folder = SimpleNamespace(path=tmp_path, update_facts=lambda **facts: None)
    recipe, data = games.small("gan"), games.images()
    hook = evaluator()
    hook.take_up(
        SimpleNamespace(
            recipe=recipe,
            data=data,
            source=SimpleNamespace(streams=Streams(0)),
            folder=folder,
            iteration=9,
        )
    )
    assert (hook.spent, hook.cost) == (5.0, 3.0), "the start is no part of the tenth"
    assert (hook.last_iteration, hook.last_seconds) == (8, 8.0)
    assert hook.best == 0.5, "that of step 8 was not kept"


def test_the_first_of_equals_is_the_best(tmp_path):
    run = trained(tmp_path / "run", evaluator("5", measure=lambda samples: {"fid": 1.0}))
    assert [checkpoint.step_of(path) for path in checkpoint.listed(run / "best")] == [5]


@pytest.mark.parametrize("method", ["gan", "decoding"])
def test_an_older_best_goes_once_a_checkpoint_is_as_new_as_the_newer(method, tmp_path):
    """`decoding` numbers its checkpoints by its pre-training steps too."""
    distances, seen = iter([1.0, 0.9, 0.5, 0.7, 0.7, 0.7]), []

    def measure(samples):
        seen.append([checkpoint.step_of(path) for path in checkpoint.listed(out / "best")])
        return {"fid": next(distances)}

    out = tmp_path / "run"
    trained(out, evaluator("4", measure=measure), method=method)
    assert seen == [[], [], [4], [8, 4], [8], [8]]


@pytest.mark.parametrize(
    ("seconds", "budget", "said"),
    [(1.0, 600, ""), (12.0, 600, "takes 12 s, so 3 will be made"),
     (200.0, 600, "takes 200 s, so none will be made"), (200.0, None, "")],
)  # fmt: skip
def test_auto_that_cannot_afford_its_evaluations_says_what_would(seconds, budget, said):
    heard = []
    goal = Goal(steps=100) if budget is None else Goal(budget_seconds=budget)
    evaluator = Evaluator(Schedule.read("auto"), goal, lambda samples: {}, say=heard.append)
    evaluator.cost = seconds
    evaluator.warn_of_cost()
    assert len(heard) == bool(said)
    assert all(said in text and "--features effnet-64" in text for text in heard)
