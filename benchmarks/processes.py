"""Several processes against one: `python -m benchmarks.processes`.

    python -m benchmarks.processes [--processes 2] [--repeats 3] [--steps 120] [--data mnist]
        [--runs "dcgan preset=light" "wgan-gp preset=light"]

Each run is a `steadygan train` of its own: one process with as many threads as there are processes,
and as many processes with one thread each, by torchrun. They alternate. images/s are those of the
training loop after the first tenth of the steps, as its history has them; medians, and their
smallest and largest.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--runs", nargs="+", default=["dcgan preset=light", "wgan-gp preset=light"])
    asked = parser.parse_args()
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, --data {asked.data}")
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
