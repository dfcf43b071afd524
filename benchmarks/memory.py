"""What `recompute=true` saves, and what it takes: `python -m benchmarks.memory`.

    python -m benchmarks.memory "began size=128 batch=16" ["dcgan size=256 batch=64" ...]

Each recipe (`preset=light` unless it says otherwise) plays iterations on noise of three channels by
one thread in a process of its own: with activations kept, then with them made again. The memory is
the peak of the process beyond what it held before the first iteration, gradients and moments among
it; the time is the median of the iterations after the first.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from statistics import median

import torch

from benchmarks.costs import pictures
from benchmarks.overhead import trainer_of
from steadygan.methods import find
from steadygan.study.compose import compose
from steadygan.training.status import peak_memory

ITERATIONS = 4


def measured(words: list[str], recompute: bool) -> tuple[float, float]:
    """MiB, and seconds an iteration, of a recipe given as `method key=value ...`."""
    torch.set_num_threads(1)
    name, *pairs = words
    keys = {"preset": "light", **dict(pair.split("=", 1) for pair in pairs)}
    size = int(keys.pop("size", "64"))
    keys["recompute"] = str(recompute).lower()
    data = pictures(size)
    trainer = trainer_of(compose(find(name), data.shape, keys), data)
    before, seconds = _held(), []
    for _ in range(ITERATIONS):
        start = time.perf_counter()
        trainer.iterate()
        seconds.append(time.perf_counter() - start)
    peak = peak_memory(torch.device("cpu"))["peak_memory_mib"]
    return peak - before, median(seconds[1:])


def _held() -> float:
    """MiB that this process holds now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20


def apart(words: str, recompute: bool) -> tuple[float, float]:
    """`measured` in a process of its own."""
    code = f"from benchmarks.memory import measured; print(*measured({words.split()}, {recompute}))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    mebibytes, seconds = said.stdout.split()
    return float(mebibytes), float(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", nargs="+")
    print("| recipe | MiB, kept | made again | of it | s, kept | made again | times |")
    print("|---" * 7 + "|")
    for words in parser.parse_args().recipes:
        (kept, once), (again, twice) = apart(words, False), apart(words, True)
        print(f"| `{words}` | {kept:,.0f} | {again:,.0f} | {again / kept:.2f} "
              f"| {once:.2f} | {twice:.2f} | {twice / once:.2f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
