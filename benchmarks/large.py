"""Large folders of pictures: preparation, start and memory, of 10,000 to 1,000,000 images.

    python -m benchmarks.large make tiny DIR              # 1,000,000 grey PNGs of 28 px
    python -m benchmarks.large make middle DIR            # 200,000 colour JPEGs of 128 px
    python -m benchmarks.large make large DIR             # 10,000 colour JPEGs of 256 px
    python -m benchmarks.large measure DIR --data "size=28 channels=1"
    python -m benchmarks.large decode DIR --data "size=28 channels=1"
    python -m benchmarks.large look DIR
    python -m benchmarks.large measure DIR --data "size=256" --killed none --steps 8 \\
        --runs "dcgan preset=light" "r3gan preset=light" "fastgan batch=8"

`make` draws smooth colours with a disc and noise, each a function of kind and number alone, in
folders of 1,000 below ten classes (`--images` draws fewer). `measure` runs `steadygan train`, one
process after the other, with a cache of its own beside DIR (removed at the end):

- killed: a preparation ended by SIGKILL when the given share of the pixels is on disk (`--killed`);
- first: the same command anew, which goes on from there, or prepares all with `--killed none`;
- cached: each of `--runs` once more, everything decoded: from the command to the first step in
  a new process. Files and cache lie in the page cache, as far as they fit.

`decode` prepares all by processes and by threads, in turn. `look` asks whether the folder has
changed, and lists its files, in turn.

Memory is that of the process and its children, read from /proc ten times a second: resident with
and without pages of mapped files, which the kernel takes back when it needs them (RssAnon).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from steadygan.data import DataSettings, decoding, open_data
from steadygan.data.attempt import LINES, ROWS
from steadygan.data.scan import scan
from steadygan.data.stamps import stamped
from steadygan.training.runfolder import read_history

#: Count, side, channels and ending.
KINDS = {
    "tiny": (1_000_000, 28, 1, "png"),
    "middle": (200_000, 128, 3, "jpg"),
    "large": (10_000, 256, 3, "jpg"),
}
FOLDER, AT_ONCE, CLASSES, COARSE, NOISE = 1000, 50, 10, 4, 6


# ---- the pictures --------------------------------------------------------------------------


def pictures(seed: tuple[int, int], count: int, side: int, channels: int) -> np.ndarray:
    """uint8 (count, side, side, channels): smooth colours, a disc of another one, some noise."""
    random = np.random.default_rng(seed)
    # Many at once, by products with tents: a picture's own calls take longer than its pixels.
    places = np.linspace(0, COARSE - 1, side, dtype=np.float32)
    tents = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(COARSE, dtype=np.float32)))
    coarse = random.random((count, channels, COARSE, COARSE), dtype=np.float32) * 255
    pixels = tents @ coarse @ tents.T
    x, y, radius = random.uniform([[0.2], [0.2], [0.1]], [[0.8], [0.8], [0.3]], (3, count)) * side
    steps = np.arange(side)
    across, down = (steps - x[:, None]) ** 2, (steps - y[:, None]) ** 2
    disc = down[:, :, None] + across[:, None, :] < radius[:, None, None] ** 2
    colour = random.random((count, channels, 1, 1), dtype=np.float32) * 255
    pixels = np.where(disc[:, None], colour, pixels)
    pixels += random.integers(-NOISE, NOISE + 1, (count, 1, side, side), dtype=np.int8)
    return pixels.clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)


def draw_folder(asked: tuple[Path, str, int, int]) -> int:
    """Draw the pictures `start` to `end` of a kind into a folder of theirs; how many."""
    out, kind, start, end = asked
    _, side, channels, ending = KINDS[kind]
    home = out / f"class{start // FOLDER % CLASSES}" / f"{start // FOLDER:05d}"
    home.mkdir(parents=True, exist_ok=True)
    for at in range(start, end, AT_ONCE):
        drawn = pictures((channels, at), min(AT_ONCE, end - at), side, channels)
        for number, pixels in enumerate(drawn, at):
            image = Image.fromarray(pixels.squeeze(2) if channels == 1 else pixels)
            image.save(home / f"{number:07d}.{ending}", quality=90, compress_level=1)
    return end - start


def make(kind: str, out: Path, images: int) -> None:
    out.mkdir(parents=True)
    started, drawn = time.monotonic(), 0
    shares = [(out, kind, at, min(at + FOLDER, images)) for at in range(0, images, FOLDER)]
    with multiprocessing.Pool() as pool:
        for count in pool.imap_unordered(draw_folder, shares):
            drawn += count
            print(f"\r{drawn:,} of {images:,}", end="", file=sys.stderr, flush=True)
    print(f"\n{images:,} pictures in {time.monotonic() - started:.0f} s")


# ---- a process that is watched -------------------------------------------------------------


@dataclass
class Memory:
    """The greatest resident memory so far in MiB, with and without pages of mapped files, and the
    latter at the last look."""

    resident: float = 0.0
    private: float = 0.0
    last: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.resident:,.0f} MiB resident, {self.private:,.0f} private "
            f"({self.last:,.0f} at the end)"
        )

    def look(self, process: int) -> None:
        found = [of_process(each) for each in tree(process)]
        self.resident = max(self.resident, sum(each[0] for each in found))
        self.last = sum(each[1] for each in found) or self.last
        self.private = max(self.private, self.last)


def tree(process: int) -> Iterator[int]:
    """A process and all below it."""
    yield process
    try:
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from tree(int(child))
    except OSError:  # it has just ended
        return


def of_process(process: int) -> tuple[float, float]:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    kib = {key: words for key, _, words in (line.partition(":") for line in lines)}
    resident, private = (int(kib.get(key, "0").split()[0]) for key in ("VmRSS", "RssAnon"))
    return resident / 1024, private / 1024


def processor_seconds(process: int) -> float:
    """Of a process and all below it so far."""
    ticks = 0
    for each in tree(process):
        with suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(value) for value in fields[11:15])  # own and of children that ended
    return ticks / os.sysconf("SC_CLK_TCK")


def watched(
    command: list[str], cache: Path, log: Path, look: Callable[[subprocess.Popen, float], None]
) -> int:
    """Run a command with that cache; `look` is called ten times a second with the process and the
    seconds since its start. Its exit code."""
    started = time.monotonic()
    with open(log, "w") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, env={**os.environ, "STEADYGAN_CACHE": str(cache)}
        )
        while process.poll() is None:
            look(process, time.monotonic() - started)
            time.sleep(0.1)
    return process.returncode


# ---- what is measured ----------------------------------------------------------------------


def training(words: str, asked: argparse.Namespace, run: Path) -> list[str]:
    return [sys.executable, "-m", "steadygan", "train", *shlex.split(words),
            *shlex.split(asked.data), "--data", f"folder:{asked.folder.absolute()}", "--steps",
            str(asked.steps), "log_every=1", "--evaluate-every", "none",
            "--out", str(run)]  # fmt: skip


def entries(cache: Path) -> list[Path]:
    """Whole entries of a cache."""
    return [path for path in cache.glob("folder-*") if path.is_dir()]


def decoded(cache: Path) -> int:
    """Bytes of pixels that an unfinished preparation has on disk."""
    return sum(path.stat().st_size for path in cache.glob(f".*/{ROWS}"))


def killed(asked: argparse.Namespace, cache: Path, work: Path, pixels: int) -> None:
    """A preparation that is killed when a share of the pixels is there."""
    ended = 0.0

    def look(process: subprocess.Popen, seconds: float) -> None:
        nonlocal ended
        if not ended and decoded(cache) >= float(asked.killed) * pixels:
            os.kill(process.pid, signal.SIGKILL)
            ended = seconds

    command = training(asked.runs[0], asked, work / "killed")
    watched(command, cache, work / "killed.log", look)
    share = decoded(cache) / pixels
    kept = sum(path.read_bytes().count(b"\n") for path in cache.glob(f".*/{LINES}"))
    print(f"killed after {ended:.1f} s, with {kept:,} images ({share:.1%} of the pixels) on disk",
          flush=True)  # fmt: skip


def prepared(asked: argparse.Namespace, cache: Path, work: Path, images: int) -> None:
    """The first whole preparation: seconds from the command until the entry is in place."""
    memory, ready, work_done = Memory(), 0.0, 0.0

    def look(process: subprocess.Popen, seconds: float) -> None:
        nonlocal ready, work_done
        if not ready:
            memory.look(process.pid)
            work_done = processor_seconds(process.pid)
            ready = seconds if entries(cache) else 0.0

    code = watched(training(asked.runs[0], asked, work / "first"), cache, work / "first.log", look)
    require(code == 0, work / "first.log")
    size = sum(path.stat().st_size for path in entries(cache)[0].iterdir())
    print(f"prepared in {ready:.1f} s, {work_done:.1f} of processor time ({images / ready:,.0f} "
          f"and {images / work_done:,.0f} images/s), at most {memory}; the cache has "
          f"{size / 1e6:,.0f} MB", flush=True)  # fmt: skip


def started(words: str, asked: argparse.Namespace, cache: Path, work: Path, number: int) -> None:
    """A run on cached data: seconds to the first step, memory, and speed after it."""
    memory, run = Memory(), work / f"run{number}"
    first, work_done = 0.0, 0.0

    def look(process: subprocess.Popen, seconds: float) -> None:
        nonlocal first, work_done
        memory.look(process.pid)
        if not first:
            work_done = processor_seconds(process.pid)
            if any(line.get("step", 0) >= 1 for line in read_history(run)):
                first = seconds

    code = watched(training(words, asked, run), cache, work / f"run{number}.log", look)
    require(code == 0, work / f"run{number}.log")
    lines = [line for line in read_history(run) if line.get("step", 0) >= 1]
    start, end = lines[0], lines[-1]
    spent = end["seconds"] - start["seconds"]
    speed = f"{(end['images'] - start['images']) / spent:.1f} images/s" if spent else "one step"
    print(f"{words}: first step {first:.1f} s after the command, {work_done:.1f} of processor "
          f"time, at most {memory}, {speed}", flush=True)  # fmt: skip


def require(good: bool, log: Path) -> None:
    if not good:
        raise SystemExit(f"{log.read_text()[-2000:]}\nfailed: {log}")


def measure(asked: argparse.Namespace) -> None:
    images = sum(len(files) for _, _, files in os.walk(asked.folder))
    keys = dict(word.split("=", 1) for word in shlex.split(asked.data))
    pixels = images * int(keys.get("channels", 3)) * int(keys.get("size", 64)) ** 2
    work = asked.folder.absolute().with_name(f"{asked.folder.name}-measured")
    cache = work / "cache"
    work.mkdir()
    try:
        print(f"{images:,} images in {asked.folder}, {asked.data}", flush=True)
        if asked.killed != "none":
            killed(asked, cache, work, pixels)
        prepared(asked, cache, work, images)
        for number, words in enumerate(asked.runs):
            started(words, asked, cache, work, number)
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    shutil.rmtree(work)


def decode(asked: argparse.Namespace) -> None:
    """Prepare the folder by processes and by threads, in turn, three times each."""
    settings = DataSettings(**{k: int(v) for k, v in (w.split("=") for w in asked.data.split())})
    for _ in range(3):
        for how, fewest in (("processes", 1), ("threads", sys.maxsize)):
            decoding.FEWEST = fewest
            with tempfile.TemporaryDirectory() as cache:
                os.environ["STEADYGAN_CACHE"] = cache
                started = time.perf_counter()
                found = open_data(f"folder:{asked.folder.absolute()}", settings)
                taken = time.perf_counter() - started
            print(f"{how}: {len(found.train):,} images in {taken:.1f} s", flush=True)


def look(folder: Path) -> None:
    """Seconds until it is known whether the folder has changed, and until its files are listed,
    three times each."""
    for _ in range(3):
        for how in (stamped, scan):
            started = time.perf_counter()
            how(folder)
            print(f"{how.__name__}: {time.perf_counter() - started:.2f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    making.add_argument("kind", choices=KINDS)
    making.add_argument("folder", type=Path)
    making.add_argument("--images", type=int)
    measuring = commands.add_parser("measure")
    measuring.add_argument("folder", type=Path)
    measuring.add_argument("--data", default="size=64")
    measuring.add_argument("--runs", nargs="+", default=["dcgan preset=light"])
    measuring.add_argument("--steps", type=int, default=20)
    measuring.add_argument("--killed", default="0.5")
    both_ways = commands.add_parser("decode")
    both_ways.add_argument("folder", type=Path)
    both_ways.add_argument("--data", default="size=28 channels=1")
    looking = commands.add_parser("look")
    looking.add_argument("folder", type=Path)
    asked = parser.parse_args()
    if asked.command == "make":
        make(asked.kind, asked.folder, asked.images or KINDS[asked.kind][0])
    elif asked.command == "decode":
        decode(asked)
    elif asked.command == "look":
        look(asked.folder)
    else:
        measure(asked)


if __name__ == "__main__":
    main()
