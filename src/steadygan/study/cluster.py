"""The same study on Ray: a task for each run, with the CPUs and GPUs of all its processes. A task
whose process dies is restarted by Ray, and resumes from the last checkpoint of its run. So the
study's folder and the cache must be on storage that every node can access.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

from steadygan.data.cache import cache_root
from steadygan.errors import UserError, in_a_line
from steadygan.game.processes import ProcessLostError
from steadygan.study.plan import processes_of, read_study
from steadygan.study.queue import RETRIES, Engine, Failure, Watch
from steadygan.study.work import Stop, work
from steadygan.training import Stopped

#: Seconds between two exchanges with the board.
OFTEN = 0.5
#: Tasks that were asked to stop have this long to save.
PATIENCE_SECONDS = 90.0


class Board:
    """A Ray actor to which tasks send events, and from which they learn whether to stop."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.stopping = False

    def tell(self, run: str, event: dict[str, Any]) -> bool:
        """Add an event; True where the study is to stop."""
        self.events.append((run, event))
        return self.stopping

    def take(self) -> list[tuple[str, dict[str, Any]]]:
        """The events added since the last call."""
        taken, self.events = self.events, []
        return taken

    def stop(self) -> None:
        self.stopping = True


def on_ray(
    address: str | None = None,
    jobs: int | None = None,
    gpus: float | None = None,
    trust_code: bool = False,
) -> Engine:
    """The engine that works on a Ray cluster at `address` (such as `auto` or HOST:PORT), or on a
    Ray of its own on this machine; at most `jobs` runs at a time where that is given, each with so
    many `gpus` (see `require_gpus`; None: one a process where there are any). `trust_code`: see
    `work`.

    Raises `UserError` where ray is not installed, the cluster cannot be reached, or no node of it
    can hold a run.
    """

    def engine(out: Path, runs: list[str], watch: Watch, stop: Stop) -> dict[str, Failure]:
        try:
            import ray
        except ModuleNotFoundError:
            raise UserError(
                "--engine ray: ray is not installed: pip install 'steadygan[ray]'"
            ) from None
        facts = read_study(out)
        cpus = facts["threads"] * processes_of(facts)
        asked: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if not address:
            asked |= {"num_cpus": (jobs or 1) * cpus, "include_dashboard": False}
        try:
            try:
                ray.init(address=address, **asked)
            except Exception as error:  # a node that does not start raises a plain one
                where = f" --address {address}" if address else ""
                raise UserError(f"--engine ray{where}: {_in_a_line(error)}") from None
            needs = {"num_cpus": cpus, "num_gpus": _gpus_of_a_run(ray, facts, gpus)}
            _require_room(ray, needs)
            return _Tasks(ray, out, watch, stop, needs, trust_code).through(runs, jobs or len(runs))
        finally:
            ray.shutdown()

    return engine


def require_gpus(gpus: float | None, processes: int, device: str) -> None:
    """Raise `UserError` where a run of so many `processes` cannot be given `gpus`: each process
    takes a GPU of its own, so several want as many, and one wants one or a fraction of one, which
    it shares with other runs."""
    if gpus is None:
        return
    said = f"--gpus-per-run {gpus:g}"
    if device == "cpu":
        raise UserError(f"{said}: with --device cpu no GPU is used; leave one of the two out")
    if not (math.isfinite(gpus) and gpus > 0):
        raise UserError(f"{said}: wants a number above 0, such as 1, or .25 to share a GPU")
    if gpus > 1 and gpus != int(gpus):
        raise UserError(f"{said}: above 1 wants a whole number of GPUs")
    if processes > 1 and gpus != processes:
        raise UserError(
            f"{said}: each of the {processes} processes of a run takes a GPU of its own; give "
            f"--gpus-per-run {processes}, or leave it out"
        )
    if processes == 1 and gpus > 1:
        raise UserError(
            f"{said}: a run of one process uses one GPU; --processes-per-run {gpus:g} uses all"
        )


def _gpus_of_a_run(ray: Any, facts: dict[str, Any], gpus: float | None) -> float:
    """What a run asks Ray for; refused: GPUs that are wanted and nowhere there."""
    there = ray.cluster_resources().get("GPU", 0)
    if gpus is None:
        return processes_of(facts) if there and facts["device"] != "cpu" else 0
    if not there:
        raise UserError(
            f"--gpus-per-run {gpus:g}: this Ray has no GPU; leave it out, or give the --address of "
            "a cluster with one"
        )
    return gpus


def _require_room(ray: Any, needs: dict[str, float]) -> None:
    """Refuse a run that no node could hold: Ray would wait for one without a word."""
    cpus, gpus = needs["num_cpus"], needs["num_gpus"]
    for node in ray.nodes():
        has = node["Resources"] if node["Alive"] else {}
        if has.get("CPU", 0) >= cpus and has.get("GPU", 0) >= gpus:
            return
    raise UserError(
        f"no node of this Ray has {cpus:g} CPUs and {gpus:g} GPUs, which each run takes (CPUs: "
        "threads x processes): lower threads= or --processes-per-run, or add a node"
    )


def _in_a_line(error: Exception) -> str:
    """The first line of an error's text, or its class name where there is none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


class _Tasks:
    def __init__(
        self, ray: Any, out: Path, watch: Watch, stop: Stop, needs: dict, trust_code: bool = False
    ) -> None:
        self.ray, self.watch, self.stop = ray, watch, stop
        self.folder = os.getcwd() if trust_code else None
        self.out = out.absolute()
        self.board = ray.remote(num_cpus=0)(Board).remote()
        # A fresh process for each run: thread counts and random states are set for a whole process.
        once = {"max_retries": RETRIES, "max_calls": 1}
        self.task = ray.remote(**once, **needs)(_work)
        self.running: dict[Any, str] = {}
        self.tries: dict[str, int] = {}
        self.failures: dict[str, Failure] = {}

    def through(self, runs: list[str], jobs: int) -> dict[str, Failure]:
        waiting = list(reversed(runs))
        stopped: Stopped | None = None
        asked = 0.0
        while self.running or (waiting and stopped is None):
            if stopped is None and (stopped := self.stop()) is not None:
                self.ray.get(self.board.stop.remote())
                asked = time.monotonic()
            if stopped is not None and time.monotonic() > asked + PATIENCE_SECONDS:
                break  # tasks that do not answer end with Ray; their checkpoints stay
            while stopped is None and waiting and len(self.running) < jobs:
                run = waiting.pop()
                self.watch(run, {"begins": True})
                self.running[self._started(run)] = run
            done, _ = self.ray.wait(list(self.running), num_returns=1, timeout=OFTEN)
            for run, event in self.ray.get(self.board.take.remote()):
                self.watch(run, event)
            for reference in done:
                self._end(self.running.pop(reference), reference, stopped)
        if stopped is not None:
            raise stopped
        return self.failures

    def _started(self, run: str) -> Any:
        self.tries[run] = self.tries.get(run, 0) + 1
        return self.task.remote(str(self.out), run, self.board, self.folder, str(cache_root()))

    def _end(self, run: str, reference: Any, stopped: Stopped | None) -> None:
        try:
            reason, code = self.ray.get(reference)
        except self.ray.exceptions.RayError as error:
            reason, code = _in_a_line(error), 1
        if stopped is not None:
            return
        if code == ProcessLostError.exit_code and self.tries[run] <= RETRIES:
            self.watch(run, {"says": f"{reason}; going on from its last checkpoint"})
            self.running[self._started(run)] = run
            return
        if reason:
            self.failures[run] = (reason, code)
        self.watch(run, {"ends": reason})


def _work(out: str, run: str, board: Any, folder: str | None, cache: str) -> Failure:
    """Work on a run in a Ray worker; why it failed, or nothing. `folder` is searched for the user's
    own modules, as on the command line; None where none may be imported. `cache` is the study's
    cache of data and features, which must be the same for all of its runs."""
    import ray

    if folder is not None:
        sys.path.insert(0, folder)
    os.environ["STEADYGAN_CACHE"] = cache
    asked = {"stop": False, "last": 0.0}

    def tell(event: dict[str, Any]) -> None:
        asked["last"] = time.monotonic()
        asked["stop"] = ray.get(board.tell.remote(run, event))

    def stop() -> Stopped | None:
        if time.monotonic() - asked["last"] > OFTEN:
            tell({})
        return Stopped("the study was stopped, state saved", 143) if asked["stop"] else None

    try:
        work(Path(out), run, tell, stop, trust_code=folder is not None)
    except Stopped as stopped:
        return str(stopped), stopped.exit_code
    except Exception as error:
        return in_a_line(error)
    return "", 0
