"""The same study on a real Ray of this machine: two workers, one of them killed on the way."""

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from steadygan.errors import UserError
from steadygan.study import cluster
from steadygan.study.compare import StudyHooks, run_study
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
    reference = run_study(study, tmp_path / "reference", StudyHooks(engine=made.here))
    events, killed, over = [], [], threading.Event()
    killer = threading.Thread(target=kill_one, args=(tmp_path / "s", killed, over), daemon=True)
    killer.start()
    hooks = StudyHooks(
        engine=cluster.on_ray(jobs=2),
        watching=lambda runs, done: lambda run, event: events.append((run, event)),
    )
    out = run_study(study, tmp_path / "s", hooks)
    over.set()
    killer.join()
    assert hooks.failed == {}
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
        self.started, self.calls, self.has = [], [], {"CPU": 8.0}

    def init(self, **asked):
        self.calls.append(("init", asked))

    def shutdown(self):
        self.calls.append(("shutdown", {}))

    def cluster_resources(self):
        return self.has

    def nodes(self):
        return [{"Alive": False, "Resources": {"CPU": 99.0, "GPU": 99.0}},
                {"Alive": True, "Resources": self.has}]  # fmt: skip

    def remote(self, **asked):
        self.started.append(asked)
        return Remote

    def get(self, reference):
        return reference.value()

    def wait(self, references, num_returns, timeout):
        for reference in references[:num_returns]:
            with suppress(self.exceptions.RayError):  # raised where it is asked for
                reference.value()
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
        self.value = cache(lambda: call(*given))


@pytest.fixture
def ray_here(monkeypatch):
    ray = InHere()
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(cluster, "OFTEN", 0.0)
    return ray


def through(ray, study, out, jobs=1, stop=lambda: None, events=None, trust_code=False):
    from steadygan.study.plan import begin, in_turn

    events = [] if events is None else events
    runs = in_turn(begin(study, out))
    watch = lambda run, event: events.append((run, event))  # noqa: E731
    tasks = cluster._Tasks(ray, out, watch, stop, {"num_cpus": 1, "num_gpus": 0}, trust_code)
    return tasks.through(runs, jobs), events


def test_tasks_ask_for_fresh_processes_that_ray_starts_again(ray_here, made, tmp_path):
    failures, events = through(ray_here, made.planned("gan", "gan:lr=1e38"), tmp_path)
    assert ray_here.started[1] == {"max_retries": 2, "max_calls": 1, "num_cpus": 1, "num_gpus": 0}
    assert list(failures) == ["gan-lr-1e38-s0"]
    assert failures["gan-lr-1e38-s0"][1] == 3
    ends = [(run, event["ends"][:6]) for run, event in events if "ends" in event]
    assert ends == [("gan-s0", ""), ("gan-lr-1e38-s0", "step 0")]
    of_one = [event for run, event in events if run == "gan-s0"]
    assert (of_one[0], of_one[-1]) == ({"begins": True}, {"ends": ""})
    assert [event.get("share") for event in of_one].count(1.0) == 1, "told, and once"
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
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install .steadygan\[ray\]."):
        run_study(made.planned("gan"), tmp_path / "s", StudyHooks(engine=cluster.on_ray()))


@pytest.fixture
def worked(monkeypatch):
    """Tasks that do nothing but what a test puts in here; the runs worked on, in turn."""
    runs = []

    def task(out, run, board, folder, cache):
        runs.append(run)
        return task.does(run, board) or ("", 0)

    task.does = lambda run, board: None
    monkeypatch.setattr(cluster, "_work", task)
    task.runs = runs
    return task


def engine_on(out, study, watch=lambda run, event: None, **more):
    from steadygan.study.plan import begin, in_turn

    engine = cluster.on_ray(**more)
    return engine(out, in_turn(begin(study, out)), watch, lambda: None)


def test_a_ray_of_its_own_is_as_large_as_the_jobs_and_ends(ray_here, worked, made, tmp_path):
    study = made.planned("gan", seeds=(0, 1, 2), threads=3)
    assert engine_on(tmp_path, study, jobs=2) == {}
    (_, asked), last = ray_here.calls
    assert (asked["address"], asked["num_cpus"], asked["include_dashboard"]) == (None, 6, False)
    assert last[0] == "shutdown"
    board, task = ray_here.started
    assert board == {"num_cpus": 0}
    assert (task["num_cpus"], task["num_gpus"]) == (3, 0)
    assert worked.runs == ["gan-s0", "gan-s1", "gan-s2"]


def test_a_cluster_is_taken_as_large_as_it_is(ray_here, worked, made, tmp_path):
    begun = []
    worked.does = lambda run, board: begun.append([r for r, e in events if "begins" in e])
    events = []
    study = made.planned("gan", seeds=(0, 1, 2))
    engine_on(tmp_path, study, lambda *event: events.append(event), address="auto")
    assert ray_here.calls[0][1]["address"] == "auto"
    assert not {"num_cpus", "include_dashboard"} & set(ray_here.calls[0][1])
    assert begun[0] == ["gan-s0", "gan-s1", "gan-s2"], "all at once where no jobs are asked for"


def test_no_more_tasks_than_jobs(ray_here, worked, made, tmp_path):
    begun, events = [], []
    worked.does = lambda run, board: begun.append(
        sum("begins" in e for _, e in events) - sum("ends" in e for _, e in events)
    )
    study = made.planned("gan", seeds=range(4))
    engine_on(tmp_path, study, lambda *event: events.append(event), jobs=2)
    assert begun == [2, 2, 2, 1]


@pytest.mark.parametrize(
    ("device", "has", "gpus"), [("auto", 2.0, 1), ("auto", 0.0, 0), ("cpu", 2.0, 0)]
)
def test_a_task_asks_for_a_gpu_where_it_is_to_use_one(
    ray_here, worked, made, tmp_path, device, has, gpus
):
    ray_here.has["GPU"] = has
    engine_on(tmp_path, made.planned("gan", device=device))
    assert ray_here.started[1]["num_gpus"] == gpus


@pytest.mark.parametrize(
    ("device", "has", "asked", "gpus"),
    [("auto", 2.0, None, 2), ("auto", 0.0, None, 0), ("cpu", 2.0, None, 0), ("auto", 2.0, 2.0, 2)],
)
def test_a_run_of_several_processes_asks_for_the_threads_and_gpus_of_all(
    ray_here, worked, made, tmp_path, device, has, asked, gpus
):
    ray_here.has["GPU"] = has
    study = made.planned("gan", device=device, threads=3, processes=2)
    engine_on(tmp_path, study, jobs=1, gpus=asked)
    assert ray_here.calls[0][1]["num_cpus"] == 6
    task = ray_here.started[1]
    assert (task["num_cpus"], task["num_gpus"]) == (6, gpus)


def test_runs_may_share_a_gpu(ray_here, worked, made, tmp_path):
    ray_here.has["GPU"] = 1.0
    engine_on(tmp_path, made.planned("gan", device="auto"), gpus=0.25)
    assert ray_here.started[1]["num_gpus"] == 0.25


@pytest.mark.parametrize(
    ("has", "more", "said"),
    [
        ({"CPU": 8.0}, {"gpus": 1.0}, "--gpus-per-run 1: this Ray has no GPU; leave it out"),
        ({"CPU": 8.0, "GPU": 1.0}, {"processes": 2}, "no node of this Ray has 6 CPUs and 2 GPUs"),
        ({"CPU": 5.0}, {"processes": 2}, "no node of this Ray has 6 CPUs and 0 GPUs"),
    ],
)
def test_a_cluster_that_cannot_hold_a_run_is_one_line(ray_here, made, tmp_path, has, more, said):
    ray_here.has = has
    gpus = more.pop("gpus", None)
    study = made.planned("gan", device="auto", threads=3, **more)
    with pytest.raises(UserError) as caught:
        engine_on(tmp_path, study, address="auto", gpus=gpus)
    assert str(caught.value).startswith(said)
    assert ray_here.calls[-1][0] == "shutdown"
    assert ray_here.started == []


@pytest.mark.parametrize(
    ("gpus", "processes", "device", "said"),
    [
        (0.0, 1, "auto", "wants a number above 0"),
        (-1.0, 1, "auto", "wants a number above 0"),
        (float("nan"), 1, "auto", "wants a number above 0"),
        (float("inf"), 1, "auto", "wants a number above 0"),
        (1.5, 1, "auto", "--gpus-per-run 1.5: above 1 wants a whole number of GPUs"),
        (1.0, 1, "cpu", "--device cpu"),
        (2.0, 1, "auto", "a run of one process uses one GPU; --processes-per-run 2"),
        (1.0, 2, "auto", "give --gpus-per-run 2"),
        (0.5, 2, "auto", "give --gpus-per-run 2"),
        (4.0, 2, "cuda", "give --gpus-per-run 2"),
    ],
)
def test_gpus_that_a_run_could_not_use_are_refused(gpus, processes, device, said):
    with pytest.raises(UserError) as caught:
        cluster.require_gpus(gpus, processes, device)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("gpus", "processes", "device"),
    [(None, 2, "cpu"), (None, 1, "auto"), (1.0, 1, "cuda"), (0.25, 1, "auto"), (4.0, 4, "auto")],
)
def test_gpus_that_a_run_can_use_are_taken(gpus, processes, device):
    cluster.require_gpus(gpus, processes, device)


@pytest.mark.parametrize(
    ("address", "error", "said"),
    [
        ("far:1", ConnectionError("no such host\nand a long trace"),
         "--engine ray --address far:1: no such host"),
        (None, Exception("The node timed out."), "--engine ray: The node timed out."),
        (None, RuntimeError(), "--engine ray: RuntimeError"),
    ],
)  # fmt: skip
def test_a_ray_that_does_not_start_is_one_line(ray_here, made, tmp_path, address, error, said):
    def init(**asked):
        raise error

    ray_here.init = init
    with pytest.raises(UserError) as caught:
        engine_on(tmp_path, made.planned("gan"), address=address)
    assert str(caught.value) == said
    assert [name for name, _ in ray_here.calls] == ["shutdown"], "nothing half begun stays"


def test_a_ray_of_its_own_ends_with_an_error_too(ray_here, worked, made, tmp_path):
    def watch(run, event):
        raise RuntimeError("a broken watch")

    with pytest.raises(RuntimeError, match="broken watch"):
        engine_on(tmp_path, made.planned("gan"), watch)
    assert ray_here.calls[-1][0] == "shutdown"


def test_a_task_that_ray_gives_up_is_a_failed_run_and_the_others_go_on(
    ray_here, worked, made, tmp_path
):
    def does(run, board):
        if run == "gan-s0":
            raise ray_here.exceptions.RayError("the worker died\nand a long trace")

    worked.does = does
    events = []
    study = made.planned("gan", seeds=(0, 1))
    failures = engine_on(tmp_path, study, lambda *event: events.append(event), jobs=1)
    assert failures == {"gan-s0": ("the worker died", 1)}
    assert worked.runs[-1] == "gan-s1"
    assert ("gan-s0", {"ends": "the worker died"}) in events


def test_a_task_that_lost_a_process_of_its_run_is_tried_again(ray_here, worked, made, tmp_path):
    events = []
    worked.does = lambda run, board: ("process 1 of this run was killed by SIGKILL", 6)
    study = made.planned("gan", seeds=(0,))
    failures = engine_on(tmp_path, study, lambda *event: events.append(event), jobs=1)
    assert failures == {"gan-s0": ("process 1 of this run was killed by SIGKILL", 6)}
    assert worked.runs == ["gan-s0"] * (1 + cluster.RETRIES)
    says = [event["says"] for _, event in events if "says" in event]
    assert len(says) == cluster.RETRIES
    assert says[0].endswith("was killed by SIGKILL; going on from its last checkpoint")


def test_a_stop_leaves_waiting_runs_unbegun_and_ends_no_run(ray_here, worked, made, tmp_path):
    """The first run ends, so the third could begin; the second is asked to stop."""
    study, looks, events = made.planned("gan", seeds=(0, 1, 2)), [], []

    def stop():
        looks.append(list(worked.runs))
        return Stopped("stopped", 143) if worked.runs else None

    with pytest.raises(Stopped):
        through(ray_here, study, tmp_path, jobs=2, stop=stop, events=events)
    assert worked.runs == ["gan-s0", "gan-s1"]
    begins = {"begins": True}
    assert events == [("gan-s0", begins), ("gan-s1", begins), ("gan-s0", {"ends": ""})]
    assert looks == [[], ["gan-s0"]], "once it is known, nobody looks again"


def test_a_task_that_does_not_stop_is_left_when_patience_ends(
    ray_here, worked, made, tmp_path, monkeypatch
):
    monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 0.2)
    waits = []

    def wait(references, num_returns, timeout):
        waits.append(time.monotonic())
        time.sleep(0.01)
        return [], references

    ray_here.wait = wait
    stop = lambda: Stopped("stopped", 143) if waits else None  # noqa: E731
    with pytest.raises(Stopped):
        through(ray_here, made.planned("gan", "wgan"), tmp_path, jobs=1, stop=stop)
    assert 0.15 < waits[-1] - waits[0] < 60
    assert worked.runs == []


def test_a_task_works_with_the_modules_the_cache_and_the_folder_of_the_study(
    ray_here, made, tmp_path, monkeypatch
):
    given = {}

    def work(out, run, tell, stop, trust_code):
        given.update(out=out, run=run, path=sys.path[0], cache=os.environ["STEADYGAN_CACHE"])

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("STEADYGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cluster, "work", work)
    started = cluster._Tasks._started

    def elsewhere(tasks, run):
        reference = started(tasks, run)
        monkeypatch.setenv("STEADYGAN_CACHE", "/of/another/node")
        return reference

    monkeypatch.setattr(cluster._Tasks, "_started", elsewhere)
    through(ray_here, made.planned("gan"), Path("s"), trust_code=True)
    assert given == {"out": tmp_path / "s", "run": "gan-s0", "path": str(tmp_path),
                     "cache": str(tmp_path / "cache")}  # fmt: skip


def test_a_task_that_has_nothing_to_tell_asks_the_board_all_the_same(
    ray_here, tmp_path, monkeypatch
):
    """Such as in a step of many seconds, or while it is judged."""

    def work(out, run, tell, stop, trust_code):
        for _ in range(100):
            if (stopped := stop()) is not None:
                raise stopped

    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("STEADYGAN_CACHE", "unused")
    monkeypatch.setattr(cluster, "work", work)
    board = cluster.Board()
    given = (str(tmp_path), "gan-s0", Actor(board), str(tmp_path), "unused")
    assert cluster._work(*given) == ("", 0)
    board.stop()
    assert cluster._work(*given) == ("the study was stopped, state saved", 143)
