"""Several processes against one: `python -m benchmarks.processes`.

    python -m benchmarks.processes [--processes 2] [--repeats 3] [--steps 120] [--data mnist]
        [--runs "dcgan preset=light" "wgan-gp preset=light"]

Each run is a `steadygan train` of its own: one process with as many threads as there are processes,
and as many processes with one thread each, by torchrun. They alternate. images/s are those of the
training loop after the first tenth of the steps, as its history has them; medians, and their
smallest and largest. First, how long the processes take to add a message of some sizes
(`game.processes.Processes.summed`), and how long gloo's own sum takes.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.distributed as dist

from steadygan.launch import rank_and_count
from steadygan.training.joining import join, leave
from steadygan.training.runfolder import read_history


def images_a_second(run: Path, steps: int) -> float:
    """Of the steps after the first tenth."""
    lines = [line for line in read_history(run) if line["step"] >= steps // 10]
    first, last = lines[0], lines[-1]
    return (last["images"] - first["images"]) / (last["seconds"] - first["seconds"])


def trained(words: list[str], data: str, steps: int, processes: int, threads: int) -> float:
    """images/s of a run."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        start = [sys.executable, "-m"]
        if processes > 1:
            start += ["torch.distributed.run", "--nproc-per-node", str(processes), "-m"]
        command = [*start, "steadygan", "train", *words, "--data", data, "--steps", str(steps),
                   "--out", str(run), "--evaluate-every", "none"]  # fmt: skip
        settings = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        subprocess.run(command, env=settings, check=True, capture_output=True)
        return images_a_second(run, steps)


#: Numbers of a message, and how often each is sent.
SIZES, TIMES = (64, 4096, 65_536, 1_048_576), 100


def messages() -> None:
    """In each process that torchrun starts: milliseconds a message, said by the first."""
    processes, _ = join("cpu")
    for size in SIZES:
        taken = []
        for add in (processes.summed, dist.all_reduce):
            processes.wait()
            started = time.perf_counter()
            for _ in range(TIMES):
                add(torch.ones(size))
            taken.append((time.perf_counter() - started) / TIMES * 1e3)
        if processes.first:
            print(f"{size:,} numbers: {taken[0]:.2f} ms added, {taken[1]:.2f} ms by gloo's sum")
    leave()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--runs", nargs="+", default=["dcgan preset=light", "wgan-gp preset=light"])
    asked = parser.parse_args()
    if rank_and_count()[1] > 1:
        return messages()
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, --data {asked.data}", flush=True)
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node"]
    subprocess.run(
        [*start, str(asked.processes), "-m", "benchmarks.processes"],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for run in asked.runs:
        one, several = [], []
        for _ in range(asked.repeats):
            words = shlex.split(run)
            one.append(trained(words, asked.data, asked.steps, 1, asked.processes))
            several.append(trained(words, asked.data, asked.steps, asked.processes, 1))
        rate = statistics.median(several) / statistics.median(one)
        print(f"{run}: one process {statistics.median(one):.0f} images/s ({min(one):.0f} to "
              f"{max(one):.0f}), {asked.processes} processes {statistics.median(several):.0f} "
              f"({min(several):.0f} to {max(several):.0f}): {rate:.2f}x", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
