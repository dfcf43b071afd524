"""The same study on a real Ray of this machine: two workers, one of them killed on the way."""

import os
import signal
import threading
import time

import pytest

from steadygan.errors import UserError
from steadygan.study import cluster
from steadygan.study.compare import Outside, run_study
from steadygan.study.plan import Evaluation
from steadygan.training import Stopped, checkpoint
from steadygan.training.runfolder import read_facts, read_history

STEPS = 120
METHODS = ("wgan-gp:d_steps=2", "wgan-gp:d_steps=3")
RUNS = ("wgan-gp-d_steps-2-s0", "wgan-gp-d_steps-3-s0")
SETTINGS = ("log_every=5", "save_every=20", "threads=1", "precision=fp32")


def logged(run):
    return max((line["step"] for line in read_history(run)), default=0)


def worker_of(run):
    """The process that holds the lock of a run's folder, None where there is none."""
    inode = os.stat(run / ".lock").st_ino
    for line in open("/proc/locks"):  # noqa: SIM115
        fields = line.split()
        if fields[1] == "FLOCK" and fields[5].endswith(f":{inode}"):
            return int(fields[4])
    return None


def kill_one(out, killed, over):
    """kill -9 the process that works on the first run, as soon as that has logged a few steps."""
    while not killed and not over.is_set():
        run = out / "runs" / RUNS[0]
        if (run / ".lock").exists() and 10 < logged(run) < STEPS - 20:
            process = worker_of(run)
            if process not in (None, os.getpid()):
                os.kill(process, signal.SIGKILL)
                killed.append((process, logged(run)))
        time.sleep(0.01)


@pytest.mark.filterwarnings("ignore::Warning")  # Ray's own, of its start and its end
def test_on_ray_a_killed_worker_loses_nothing(made, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else a busy machine leaves them nothing
    evaluation = Evaluation(every="30", draft=200, count=200)
    study = made.planned(*METHODS, steps=STEPS, settings=SETTINGS, evaluation=evaluation)
    reference = run_study(study, tmp_path / "reference", Outside(engine=made.here))
    events, killed, over = [], [], threading.Event()
    killer = threading.Thread(target=kill_one, args=(tmp_path / "s", killed, over), daemon=True)
    killer.start()
    outside = Outside(
        engine=cluster.on_ray(jobs=2),
        watching=lambda runs, done: lambda run, event: events.append((run, event)),
    )
    out = run_study(study, tmp_path / "s", outside)
    over.set()
    killer.join()
    assert outside.failed == {}
    assert len(killed) == 1, "the run was over before it could be killed"
    for run in RUNS:
        made.same_end(out / "runs" / run, reference / "runs" / run)
        assert (run, {"begins": True}) in events
        assert (run, {"ends": ""}) in events
        assert any(r == run and event.get("share", 0) > 0 for r, event in events)


# ---- without Ray: a stand-in that works in this process -----------------------------------------


class InHere:
    """As much of Ray as the engine asks for. A task is worked on when it is waited for."""

    class exceptions:
        class RayError(Exception):
            pass

    def __init__(self):
        self.started = []

    def remote(self, **asked):
        self.started.append(asked)
        return Remote

    def get(self, reference):
        return reference.value()

    def wait(self, references, num_returns, timeout):
        return references[:num_returns], references[num_returns:]


class Remote:
    def __init__(self, made):
        self.made = made

    def remote(self, *given):
        return Actor(self.made()) if isinstance(self.made, type) else Later(self.made, given)


class Actor:
    def __init__(self, made):
        self.made = made

    def __getattr__(self, name):
        return Method(getattr(self.made, name))


class Method:
    def __init__(self, call):
        self.call = call

    def remote(self, *given):
        done = self.call(*given)
        return Later(lambda: done, ())


class Later:
    def __init__(self, call, given):
        self.value = lambda: call(*given)


@pytest.fixture
def ray_here(monkeypatch):
    import sys

    ray = InHere()
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(cluster, "OFTEN", 0.0)
    return ray


def through(ray, study, out, jobs=1, stop=lambda: None):
    from steadygan.study.plan import begin, in_turn

    events = []
    runs = in_turn(begin(study, out))
    watch = lambda run, event: events.append((run, event))  # noqa: E731
    tasks = cluster._Tasks(ray, out, watch, stop, {"num_cpus": 1, "num_gpus": 0})
    return tasks.through(runs, jobs), events


def test_tasks_ask_for_fresh_processes_that_ray_starts_again(ray_here, made, tmp_path):
    failures, events = through(ray_here, made.planned("gan", "gan:lr=1e38"), tmp_path)
    assert ray_here.started[1] == {"max_retries": 2, "max_calls": 1, "num_cpus": 1, "num_gpus": 0}
    assert list(failures) == ["gan-lr-1e38-s0"]
    assert failures["gan-lr-1e38-s0"][1] == 3
    ends = [(run, event["ends"][:6]) for run, event in events if "ends" in event]
    assert ends == [("gan-s0", ""), ("gan-lr-1e38-s0", "step 0")]
    assert read_facts(tmp_path / "runs/gan-s0")["status"]["state"] == "finished"


def test_a_stop_reaches_the_tasks_by_the_board(ray_here, made, tmp_path):
    """The second look of the driver says stop; the task sees it at its next look at the board."""
    looks = []

    def stop():
        looks.append(1)
        return Stopped("stopped by SIGTERM, state saved", 143) if len(looks) == 2 else None

    study = made.planned("gan", "wgan", steps=50)
    ray_here.wait = lambda references, num_returns, timeout: (
        (references[:1], references[1:]) if len(looks) > 1 else ([], references)
    )
    with pytest.raises(Stopped):
        through(ray_here, study, tmp_path, stop=stop)
    status = read_facts(tmp_path / "runs/gan-s0")["status"]
    assert (status["state"], status["step"]) == ("stopped", 1)
    newest = checkpoint.listed(tmp_path / "runs/gan-s0/checkpoints")[0]
    assert checkpoint.step_of(newest) == 1
    assert not (tmp_path / "runs/wgan-s0").exists()


def test_without_ray_it_is_one_line(made, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match="pip install ray"):
        run_study(made.planned("gan"), tmp_path / "s", Outside(engine=cluster.on_ray()))
