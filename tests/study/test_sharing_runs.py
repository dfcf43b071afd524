"""Studies whose runs are trained by two processes each: the game of one, whatever is killed."""

import os
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from steadygan.study import cluster
from steadygan.study.compare import StudyHooks, run_study
from steadygan.study.plan import Evaluation
from steadygan.training import checkpoint
from steadygan.training.runfolder import read_facts, read_history
from tests.reliability import children, games
from tests.study.test_queue import logged, until

pytestmark = pytest.mark.long

STEPS = 80
SETTINGS = ("log_every=5", "save_every=20", "threads=1", "precision=fp32")
METHOD = "wgan-gp"
RUN = "wgan-gp-s0"


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """One run by one process and by two, worked on in this process: its folders."""
    from tests.study.conftest import here, planned

    evaluation = Evaluation(every="30", count=100)
    study = planned(METHOD, steps=STEPS, settings=SETTINGS, evaluation=evaluation)
    out = tmp_path_factory.mktemp("studied")
    for count in (1, 2):
        hooks = StudyHooks(engine=here)
        run_study(replace(study, processes=count), out / str(count), hooks)
        assert hooks.failed == {}
    return {count: out / str(count) / "runs" / RUN for count in (1, 2)}


def test_two_processes_play_the_game_of_one(studied):
    facts = {count: read_facts(run) for count, run in studied.items()}
    assert {count: each["processes"] for count, each in facts.items()} == {1: 1, 2: 2}
    one, two = (list(read_history(studied[count])) for count in (1, 2))
    counters = ("step", "images")
    assert [[line[k] for k in counters] for line in two] == [
        [line[k] for k in counters] for line in one
    ]
    assert [line["step"] for line in two] == sorted({line["step"] for line in two})
    for ours, theirs in zip(one, two, strict=True):
        for key in set(ours) & {"d_loss", "g_loss", "d_gradient_norm", "energy_distance"}:
            assert theirs[key] == pytest.approx(ours[key], rel=1e-2, abs=1e-3), (key, ours["step"])
    states = {n: checkpoint.load(checkpoint.listed(r / "checkpoints")[0]).tensors
              for n, r in studied.items()}  # fmt: skip
    assert set(states[1]) == set(states[2])
    for name in (each for each in states[1] if each.startswith("counters/")):
        assert int(states[1][name]) == int(states[2][name]), name


def test_it_is_judged_once_by_one_process(studied):
    one, two = (read_facts(studied[count]) for count in (1, 2))
    assert two["judged_step"] == one["judged_step"] == STEPS
    assert set(two["measures"]["quality"]) == set(one["measures"]["quality"])
    assert two["measures"]["quality"]["count"] == 100
    evaluated = [line["step"] for line in read_history(studied[2]) if "energy_distance" in line]
    assert evaluated == [0, 30, 60, 80]


class Command:
    """`steadygan compare` of one run by two processes, in a process of its own."""

    def __init__(self, folder):
        self.out, self.said, self.cache = folder / "s", folder / "said.txt", str(folder / "cache")
        self.run = self.out / "runs" / RUN
        words = ["compare", METHOD, "--data", "ring", "--steps", STEPS, "--device", "cpu",
                 "--evaluate-every", "30", "--count", "100", "width=4", "batch=8", *SETTINGS,
                 "--processes-per-run", "2", "--out", self.out]  # fmt: skip
        self.words = [str(word) for word in words]
        self.reached = 0

    def go(self):
        self.process = children.start(children.command, self.words, self.cache, stderr=self.said)

    def end(self):
        self.process.join(300)
        assert "Traceback" not in self.said.read_text(), self.said.read_text()
        return self.process.exitcode

    def processes(self):
        """The ids of the two processes of the run by what they are; empty unless both train."""
        found = {}
        for folder in Path("/proc").iterdir():
            try:
                words = (folder / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if str(self.out) in words and "work" in words:
                found["second" if "--follows" in words else "first"] = int(folder.name)
        return found

    def hold(self, gone=()):
        """Halt both processes, none of which is `gone`, once the run is further than it was when
        they were halted before; their ids."""

        def further():
            assert self.process.exitcode is None, self.said.read_text()
            found = self.processes()
            new = len(found) == 2 and not set(gone) & set(found.values())
            return found if new and logged(self.run) > self.reached else None

        found = until(further)
        for process in found.values():
            os.kill(process, signal.SIGSTOP)
        self.reached = logged(self.run)
        return found


def let_go(*processes):
    for process in processes:
        os.kill(process, signal.SIGCONT)


def test_whatever_process_of_a_run_is_killed_it_goes_on_bit_for_bit(studied, tmp_path, made):
    """The second process is killed, then the first, then the study is told to stop, then it goes
    on: every bit as if nothing had happened, and no process outlives the study."""
    command = Command(tmp_path)
    command.go()
    held = command.hold()
    os.kill(held["second"], signal.SIGKILL)
    let_go(held["first"])
    again = command.hold(gone=held.values())
    os.kill(again["first"], signal.SIGKILL)
    let_go(again["second"])
    until(lambda: again["second"] not in command.processes().values(), 60)
    last = command.hold(gone=again.values())
    os.kill(command.process.pid, signal.SIGTERM)
    let_go(*last.values())
    assert command.end() == 143
    assert command.processes() == {}
    said = command.said.read_text()
    assert f"{RUN}: process 1 of this run was killed by SIGKILL; going on from its last" in said
    assert f"{RUN}: its process was killed by SIGKILL; going on from its last" in said
    status = read_facts(command.run)["status"]
    assert (status["state"], status["reason"][:18]) == ("stopped", "stopped by SIGTERM")
    command.go()
    assert command.end() == 0, command.said.read_text()
    made.same_end(command.run, studied[2])
    assert read_facts(command.run)["inexact"] == []


# ---- Ray -----------------------------------------------------------------------------------------


@pytest.fixture
def ray_with_a_gpu(monkeypatch):
    """A Ray of its own that has, as it believes, 4 CPUs and a GPU."""
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else a busy machine leaves them nothing
    begin = partial(ray.init, num_gpus=1)
    monkeypatch.setattr(ray, "init", lambda **asked: begin(**{**asked, "num_cpus": 4}))


def through(study, out, stop=lambda: None, **more):
    hooks = StudyHooks(engine=cluster.on_ray(**more), stop=stop)
    return run_study(study, out, hooks), hooks.failed


@pytest.mark.filterwarnings("ignore::Warning")  # Ray's own, of its start and its end
def test_on_ray_a_run_of_two_processes_is_that_of_the_local_engine(
    studied, ray_with_a_gpu, made, tmp_path
):
    evaluation = Evaluation(every="30", count=100)
    study = made.planned(METHOD, steps=STEPS, settings=SETTINGS, evaluation=evaluation)
    out, failed = through(replace(study, processes=2), tmp_path / "s")
    assert failed == {}
    made.same_end(out / "runs" / RUN, studied[2])
    assert read_facts(out / "runs" / RUN)["processes"] == 2


@pytest.mark.filterwarnings("ignore::Warning")  # Ray's own, of its start and its end
def test_on_ray_two_runs_share_a_gpu_at_the_same_time(ray_with_a_gpu, made, tmp_path):
    import ray

    free = set()

    def look():
        """The driver asks twice a second whether to stop."""
        if ray.is_initialized():
            free.add(ray.available_resources().get("GPU", 0.0))

    study = made.planned("gan", seeds=(0, 1), steps=3, threads=1, device="auto")
    out, failed = through(study, tmp_path / "s", look, gpus=0.25)
    assert failed == {}
    assert [games.history(out / "runs" / f"gan-s{seed}")[-1]["step"] for seed in (0, 1)] == [3, 3]
    assert min(free) == 0.5, "both held a quarter at the same time"
