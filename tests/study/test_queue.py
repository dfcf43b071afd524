"""Worker processes: they work side by side, are started again when killed, and leave no orphans."""

import json
import os
import signal
import time
from pathlib import Path
from queue import SimpleQueue

import pytest
from tiny import run_facts

from steadygan.study import queue
from steadygan.study.compare import StudyHooks, run_study
from steadygan.study.plan import Evaluation, begin
from steadygan.study.queue import RETRIES, Worker, local
from steadygan.study.work import mark_failed
from steadygan.training import StopAsked, Stopped, checkpoint
from steadygan.training.runfolder import RunFolder, read_facts, read_history
from tests.reliability import children

STEPS = 60
SETTINGS = ("log_every=5", "save_every=20", "threads=1", "precision=fp32")
METHODS = ("wgan-gp:d_steps=2", "wgan-gp:d_steps=3")
RUNS = ("wgan-gp-d_steps-2-s0", "wgan-gp-d_steps-3-s0")


class Command:
    """`steadygan compare` of two runs side by side, in a process of its own."""

    def __init__(self, folder):
        self.folder, self.out, self.said = folder, folder / "s", folder / "said.txt"
        self.held = {}

    def go(self):
        line = ["compare", *METHODS, "--data", "ring", "--steps", STEPS, "--device", "cpu",
                "--jobs", "2", "--evaluate-every", "30", "--count", "100", "width=4", "batch=8",
                *SETTINGS, "--out", self.out]  # fmt: skip
        line = [str(word) for word in line]
        cache = str(self.folder / "cache")
        self.process = children.start(children.command, line, cache, stderr=self.said)

    def end(self, limit=300.0):
        self.process.join(limit)
        assert "Traceback" not in self.said.read_text(), self.said.read_text()
        return self.process.exitcode

    def hold(self, beyond):
        """Halt each worker as soon as its run is past the step `beyond`; their process ids."""
        self.held = {}

        def all_held():
            workers = self.workers()
            for run in set(RUNS) - set(self.held):
                if run in workers and logged(self.out / "runs" / run) > beyond.get(run, 10):
                    os.kill(workers[run], signal.SIGSTOP)
                    self.held[run] = workers[run]
            assert self.process.exitcode is None, self.said.read_text()
            return len(self.held) == len(RUNS)

        until(all_held)
        return self.held

    def let_go(self):
        for process in self.held.values():
            os.kill(process, signal.SIGCONT)

    def workers(self):
        """The process ids of the study's workers by run."""
        found = {}
        for folder in Path("/proc").iterdir():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"work" in words and str(self.out).encode() in words:
                found[words[words.index(b"work") + 2].decode()] = int(folder.name)
        return found

    def saved(self):
        """The steps at which the runs stopped, their states saved there."""
        steps = {}
        for run in RUNS:
            path = self.out / "runs" / run
            status = json.loads((path / "run.json").read_text())["status"]
            assert (status["state"], status["reason"][:18]) == ("stopped", "stopped by SIGTERM")
            newest = checkpoint.listed(path / "checkpoints")[0]
            assert checkpoint.step_of(newest) == status["step"] < STEPS
            steps[run] = status["step"]
        return steps


def until(condition, limit=300.0):
    end = time.monotonic() + limit
    while not (found := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
    return found


def logged(run):
    """The last step in a run's history, 0 before there is one."""
    return max((line["step"] for line in read_history(run)), default=0)


@pytest.mark.long
def test_whatever_ends_a_studys_processes_nothing_is_lost(tmp_path, made):
    """R9b, R11: a worker is killed, then the study is told to stop, then it is killed, then it
    goes on to its end: every bit as if nothing had happened, and no worker outlives its parent."""
    evaluation = Evaluation(every="30", count=100)
    study = made.planned(*METHODS, steps=STEPS, settings=SETTINGS, evaluation=evaluation)
    reference = run_study(study, tmp_path / "reference", StudyHooks(engine=made.here))
    command = Command(tmp_path)
    command.go()
    workers = command.hold({})
    os.kill(workers[RUNS[0]], signal.SIGKILL)
    until(lambda: command.workers().get(RUNS[0], workers[RUNS[0]]) != workers[RUNS[0]])
    command.held = {}
    before = {RUNS[0]: logged(command.out / "runs" / RUNS[0]), RUNS[1]: 0}
    command.hold(before)
    os.kill(command.process.pid, signal.SIGTERM)
    command.let_go()
    assert command.end() == 143
    said = command.said.read_text()
    assert f"{RUNS[0]}: its process was killed by SIGKILL; going on from its last" in said
    assert command.workers() == {}
    before = command.saved()
    command.go()
    command.hold(before)
    os.kill(command.process.pid, signal.SIGKILL)
    command.let_go()
    assert command.end() == -9
    until(lambda: command.workers() == {}, 60)
    after = command.saved()
    assert all(after[run] > before[run] for run in RUNS)
    command.go()
    assert command.end() == 0, command.said.read_text()
    for run in RUNS:
        made.same_end(command.out / "runs" / run, reference / "runs" / run)


# ---- one process of little weight ---------------------------------------------------------------


@pytest.fixture
def program(monkeypatch, tmp_path):
    """Workers that run a shell script instead of training."""

    def use(script):
        path = tmp_path / "worker"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(queue.sys, "executable", str(path))

    return use


def engine_on(out, runs=("gan-s0",), jobs=1, stop=lambda: None):
    events = []
    watch = lambda run, event: events.append((run, event))  # noqa: E731
    failures = local(jobs)(out, list(runs), watch, stop)
    return failures, events


def test_a_worker_that_dies_again_and_again_is_a_failed_run(program, tmp_path):
    program(f"echo x >> {tmp_path}/tries; kill -9 $$")
    failures, events = engine_on(tmp_path)
    assert failures == {"gan-s0": ("its process was killed by SIGKILL", 137)}
    assert (tmp_path / "tries").read_text().count("x") == 1 + RETRIES
    assert [e for _, e in events if "begins" in e] == [{"begins": True}]
    says = "its process was killed by SIGKILL; going on from its last checkpoint"
    assert [e["says"] for _, e in events if "says" in e] == [says] * RETRIES
    assert events[-1] == ("gan-s0", {"ends": "its process was killed by SIGKILL"})


def test_a_worker_that_lost_another_process_of_its_run_is_started_again(program, tmp_path):
    program(f"""echo x >> {tmp_path}/tries; test $(wc -l < {tmp_path}/tries) -gt {RETRIES} && exit 0
            echo steadygan: process 1 of this run was killed by SIGKILL >&2; exit 6""")
    failures, events = engine_on(tmp_path)
    assert failures == {}
    says = "process 1 of this run was killed by SIGKILL; going on from its last checkpoint"
    assert [e["says"] for _, e in events if "says" in e] == [says] * RETRIES
    assert events[-1] == ("gan-s0", {"ends": ""})


def test_what_a_dead_worker_leaves_behind_holds_up_nothing(program, tmp_path):
    program(f"(sleep 20; touch {tmp_path}/waited) & echo $! >> {tmp_path}/left; kill -9 $$")
    assert list(engine_on(tmp_path)[0]) == ["gan-s0"]
    assert not (tmp_path / "waited").exists()
    left = (tmp_path / "left").read_text().split()
    assert len(left) == 1 + RETRIES
    until(lambda: not any(Path(f"/proc/{process}").exists() for process in left), 10)


def test_a_run_that_fails_in_words_is_not_tried_again(program, tmp_path):
    program(f"echo x >> {tmp_path}/tries; echo a warning >&2; echo steadygan: no room >&2; exit 2")
    failures, events = engine_on(tmp_path, ("gan-s0", "wgan-s0"))
    assert failures == {"gan-s0": ("no room", 2), "wgan-s0": ("no room", 2)}
    assert (tmp_path / "tries").read_text().count("x") == 2, "the study goes on to the next run"
    assert ("gan-s0", {"says": "a warning"}) in events


def test_the_error_is_the_line_marked_as_one_and_is_not_said_twice(program, tmp_path):
    program("echo steadygan: no >&2; echo steadygan: no room >&2; echo at exit >&2; exit 2")
    failures, events = engine_on(tmp_path)
    assert failures == {"gan-s0": ("no room", 2)}
    said = [event["says"] for _, event in events if "says" in event]
    assert said == ["at exit"]


def test_a_run_that_wrote_down_why_it_failed_is_believed_but_not_one_that_was_killed(
    program, tmp_path
):
    path = tmp_path / "runs" / "gan-s0" / "run.json"
    path.parent.mkdir(parents=True)
    status = {"state": "failed", "reason": "NaN in D", "exit_code": 3, "step": 1}
    (tmp_path / "written").write_text(json.dumps(run_facts(status=status)))
    program(f"cp {tmp_path}/written {path}; echo steadygan: NaN >&2; exit 3")
    assert engine_on(tmp_path)[0] == {"gan-s0": ("NaN in D", 3)}
    program("kill -9 $$")
    assert engine_on(tmp_path)[0] == {"gan-s0": ("its process was killed by SIGKILL", 137)}


def test_what_a_run_wrote_down_of_an_earlier_failure_is_not_that_of_now(program, tmp_path):
    path = tmp_path / "runs" / "gan-s0" / "run.json"
    path.parent.mkdir(parents=True)
    status = {"state": "failed", "reason": "the disk is full", "exit_code": 2, "step": 1}
    path.write_text(json.dumps(run_facts(status=status)))
    program("echo steadygan: cannot go on exactly: torch a, now b >&2; exit 2")
    reason, code = engine_on(tmp_path)[0]["gan-s0"]
    assert (reason, code) == ("cannot go on exactly: torch a, now b", 2)
    mark_failed(path.parent, reason, code)
    assert read_facts(path.parent)["status"]["reason"] == reason
    path.write_text("{")
    assert engine_on(tmp_path)[0]["gan-s0"] == (reason, code), "damaged: its line is believed"


def test_a_worker_that_ends_without_a_word_has_its_exit_code_for_a_reason(program, tmp_path):
    program("exit 7")
    assert engine_on(tmp_path)[0] == {"gan-s0": ("its process ended with exit code 7", 7)}


def test_what_workers_tell_is_handed_on_and_other_lines_are_said(program, tmp_path):
    program("""echo '{"share": 0.5, "detail": "step 5"}'; echo 'hello'; echo '[1]'""")
    failures, events = engine_on(tmp_path)
    assert failures == {}
    told = [event for _, event in events]
    assert told == [{"begins": True}, {"share": 0.5, "detail": "step 5"}, {"says": "hello"},
                    {"says": "[1]"}, {"ends": ""}]  # fmt: skip


def test_what_a_worker_tells_at_its_very_end_is_handed_on_before_its_end(monkeypatch, tmp_path):
    """Told after the queue has looked at the events and before it looks at the worker."""

    class Late:
        def __init__(self, out, run, events, trust_code):
            self.run, self.events = run, events

        def ended(self):
            for n in (1, 2):
                self.events.put((self.run, {"says": f"last words {n}"}))
            return 0

    monkeypatch.setattr(queue, "Worker", Late)
    told = [event for _, event in engine_on(tmp_path)[1]]
    assert told == [{"begins": True}, {"says": "last words 1"}, {"says": "last words 2"},
                    {"ends": ""}]  # fmt: skip


def test_a_worker_has_ended_when_all_it_said_is_read(program, tmp_path):
    class Slow(Worker):
        def _read(self, pipe, taken):
            time.sleep(0.3)
            super()._read(pipe, taken)

    program("echo hello; echo a warning >&2")
    worker = Slow(tmp_path, "gan-s0", events := SimpleQueue())
    until(lambda: worker.ended() is not None, 10)
    assert events.qsize() == 2


def test_a_worker_has_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it(program, tmp_path):
    program("""read pid name state parent group session rest < /proc/$$/stat
            echo "$session is $pid" """)
    _, events = engine_on(tmp_path)
    session, own = events[1][1]["says"].split(" is ")
    assert session == own != str(os.getsid(0))


def test_no_more_than_the_jobs_asked_for_work_at_once(program, tmp_path):
    count = f"mkdir -p {tmp_path}/now; touch {tmp_path}/now/$$; ls {tmp_path}/now | wc -l"
    program(f"{count} >> {tmp_path}/most; sleep 0.3; rm {tmp_path}/now/$$")
    engine_on(tmp_path, [f"gan-s{n}" for n in range(5)], jobs=2)
    counts = [int(line) for line in (tmp_path / "most").read_text().split()]
    assert (len(counts), max(counts)) == (5, 2)


def test_a_stop_ends_waiting_runs_unbegun_and_lets_working_ones_save(program, tmp_path):
    program(f"cat > /dev/null; sleep 0.3; echo saved >> {tmp_path}/saved; exit 143")
    looks = []

    def stop():
        looks.append(1)
        return StopAsked(received=signal.SIGINT)() if len(looks) > 3 else None

    with pytest.raises(Stopped, match="SIGINT") as caught:
        engine_on(tmp_path, ("a-s0", "b-s0"), stop=stop)
    assert caught.value.exit_code == 130
    assert (tmp_path / "saved").read_text() == "saved\n"


@pytest.mark.parametrize("end", ["exit 143", "kill -9 $$"])
def test_a_worker_that_ends_by_a_stop_is_no_failure_and_makes_no_room(program, tmp_path, end):
    """The first run ends, so the third could begin; the second is asked to stop."""
    program(f"case $5 in b-s0) cat > /dev/null; echo x >> {tmp_path}/asked; {end};; esac")
    events = []

    def stop():
        over = ("a-s0", {"ends": ""}) in events
        return StopAsked(received=signal.SIGTERM)() if over else None

    watch = lambda run, event: events.append((run, event))  # noqa: E731
    with pytest.raises(Stopped):
        local(2)(tmp_path, ["a-s0", "b-s0", "c-s0"], watch, stop)
    assert (tmp_path / "asked").read_text() == "x\n"
    begins = {"begins": True}
    assert events == [("a-s0", begins), ("b-s0", begins), ("a-s0", {"ends": ""})]


def test_a_worker_that_does_not_stop_is_killed_when_patience_ends(program, tmp_path, monkeypatch):
    monkeypatch.setattr(queue, "PATIENCE_SECONDS", 0.2)
    program("exec sleep 60")
    worker = Worker(tmp_path, "gan-s0", SimpleQueue())
    worker.stop()
    assert until(worker.ended, 10) == -9


def test_an_error_of_the_studys_own_leaves_no_worker(program, tmp_path):
    program(f"echo $$ > {tmp_path}/pid; echo ready; cat > /dev/null")

    def watch(run, event):
        if "says" in event:
            raise RuntimeError("a broken watch")

    with pytest.raises(RuntimeError, match="broken watch"):
        local(1)(tmp_path, ["gan-s0"], watch, lambda: None)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_a_run_that_another_process_still_saves_is_waited_for(made, tmp_path):
    from steadygan.locks import BusyError
    from steadygan.study.work import until_free, work

    begin(made.planned("gan"), tmp_path)
    path = work(tmp_path, "gan-s0", lambda event: None, lambda: None)
    with RunFolder.open(path), pytest.raises(BusyError):
        until_free(path, seconds=0.3)
    until_free(path, seconds=0.0)
