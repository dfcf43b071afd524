"""Methods on a folder of one's own pictures, on this machine, for the same seconds.

    npm pack openmoji@17.0.0 && tar xzf openmoji-17.0.0.tgz              # makes package/
    python -m benchmarks.own_pictures draw openmoji package openmoji_png
    npm pack @tabler/icons@3.51.0 && tar xzf tabler-icons-3.51.0.tgz     # makes package/, too
    python -m benchmarks.own_pictures draw tabler package tabler_png
    steadygan data build folder openmoji_png openmoji64 --size 64 --trim --dedupe
    steadygan data build folder tabler_png tabler64 --size 64 --grey --trim --dedupe
    python -m benchmarks.own_pictures run --data folder:openmoji64 --out own --budget 10m \\
        --seeds 0,1,2 --runs "dcgan preset=light --add diffaugment" "small"
    python -m benchmarks.own_pictures table own
    python -m benchmarks.own_pictures real --data folder:openmoji64   # held-out images as samples
    python -m benchmarks.own_pictures sort package openmoji64 groups64    # a class for each group
    python -m benchmarks.own_pictures again own --by folder:groups64

Each run is `steadygan train` as a process of its own, one after the other. Every one is judged by
2,000 samples of its last average, not of its best evaluation: FID, KID (times 1,000), precision,
recall and coverage in the features of `effnet-96` (of data with classes in those of the
classifier), and the energy distance (times 1,000) in fixed random convolutional features that no
method has seen. `again` judges the finished runs once more, in the features of a classifier of the
data that `--by` names: for emoji of the groups that OpenMoji sorts them by. Beside it: images/s,
seconds from the command to the first step, the share of the time that evaluations took, and peak
memory. A picture a run: 64 samples as they come.

The table of docs/studies/small-images.md:

    python -m benchmarks.own_pictures run --data fashion-mnist --size 28 --out small \\
        --seeds 0,1,2 --runs "dcgan preset=light size=28 --evaluate-every none --steps 5700"

A run may have a number of steps of its own (`--runs "dcgan preset=light --steps 5000"`), such as
those of a budget at a speed that was measured before: what it learns then depends on no other work
of the machine, and neither images/s nor the evaluations' share of the time are given.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from PIL import Image

from steadygan.data import Dataset, DataSettings, open_data
from steadygan.diagnosis.features import Scale
from steadygan.features.extract import extract, find_features, quiet
from steadygan.metrics.energy_distance import energy_distance
from steadygan.metrics.frechet import frechet_distance, moments
from steadygan.metrics.kernel import kernel_distance
from steadygan.metrics.prdc import BOUND, prdc
from steadygan.metrics.reference import evenly
from steadygan.metrics.samples import drawn
from steadygan.training.inputs import as_played
from steadygan.training.pictures import grid, save_png
from steadygan.training.runfolder import read_facts, read_history

COUNT = 2000
SHOWN, COLUMNS = 64, 8
#: Groups of fewer emoji (flags, parts of others) are left out.
LEAST_OF_GROUP = 50


# ---- the pictures --------------------------------------------------------------------------


def emoji(package: Path) -> Iterator[tuple[str, str]]:
    """(name, SVG) of each colour emoji of one code point: no flag, skin tone, key or sign of
    OpenMoji's own."""
    for path in sorted((package / "color" / "svg").glob("*.svg")):
        points = [int(each, 16) for each in path.stem.split("-") if each != "FE0F"]
        first = points[0]
        own, flag, tone = (0xE000 <= first <= 0xF8FF, 0x1F1E6 <= first <= 0x1F1FF,
                           0x1F3FB <= first <= 0x1F3FF)  # fmt: skip
        if len(points) == 1 and first >= 0x80 and not (own or flag or tone):
            yield path.stem, path.read_text()


def icons(package: Path) -> Iterator[tuple[str, str]]:
    """(name, SVG) of each outline icon, black on white."""
    for path in sorted((package / "icons" / "outline").glob("*.svg")):
        yield path.stem, path.read_text().replace("currentColor", "#000")


SETS = {"openmoji": (emoji, 72), "tabler": (icons, 128)}


def draw(name: str, package: Path, out: Path) -> None:
    import resvg_py

    drawings, side = SETS[name]
    out.mkdir(parents=True)
    for stem, svg in drawings(package):
        png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=side, height=side))
        with Image.open(io.BytesIO(png)) as image:
            image.save(out / f"{stem}.png")


def sort(package: Path, built: Path, out: Path) -> None:
    """The emoji of a set that `data build` made, each below the name of its group."""
    with (package / "data" / "openmoji.csv").open() as file:
        groups = {row["hexcode"]: row["group"] for row in csv.DictReader(file)}
    pictures = {path: groups.get(path.stem, "") for path in sorted(built.glob("t*/*.png"))}
    sizes = Counter(pictures.values())
    for path, group in pictures.items():
        if group and sizes[group] >= LEAST_OF_GROUP:
            place = out / path.parent.name / group
            place.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place / path.name)


# ---- one run -------------------------------------------------------------------------------


def trained(words: str, data: str, budget: str, seed: int, out: Path) -> dict[str, float]:
    """Train by the command line; what the process itself shows."""
    given = shlex.split(words)
    length = [] if "--steps" in given else ["--budget", budget]
    command = [sys.executable, "-m", "steadygan", "train", *given, "--data", data, *length,
               "--seed", str(seed), "--out", str(out)]  # fmt: skip
    started, first = time.monotonic(), None
    with open(f"{out}.log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        while process.poll() is None:
            if first is None and any(line.get("step", 0) >= 1 for line in read_history(out)):
                first = time.monotonic() - started
            time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{shlex.join(command)}: see {out}.log")
    peak = read_facts(out)["status"]["peak_memory_mib"]
    return {"first_step": first or 0.0, "wall": time.monotonic() - started, "peak_mib": peak}


def judged(run: Path, data: Dataset) -> dict[str, float]:
    """The measures of a run's samples."""
    samples = drawn(run, data, COUNT, 0, False, torch.device("cpu"), print, quiet)
    save_png(grid(samples[:SHOWN].transpose(0, 2, 3, 1), COLUMNS), Path(f"{run}.png"))
    return measured(samples, data)


def measured(samples: np.ndarray, data: Dataset) -> dict[str, float]:
    """The measures of `samples`, uint8 as the images of `data`, beside its training images."""
    items = data.train.items
    real = np.ascontiguousarray(items[evenly(len(items), COUNT)])
    labelled = data.classes > 1
    network = find_features("classifier" if labelled else "effnet-96", data)
    of_real, of_samples = (extract(network, each).values for each in (real, samples))
    count = min(len(of_real), len(of_samples))
    kid, _ = kernel_distance(of_real, of_samples)
    everything = extract(network, np.ascontiguousarray(items[evenly(len(items), 20_000)])).values
    found = {"kid": 1000 * kid, **prdc(of_real[:count], of_samples[:count], bound=BOUND),
             "fid": frechet_distance(moments(everything), moments(of_samples))}  # fmt: skip
    played = as_played(torch.from_numpy(real))
    scale = Scale(played)
    unseen = energy_distance(scale(played), scale(as_played(torch.from_numpy(samples))))
    return {**found, "unseen": 1000 * float(unseen)}


def folder_of(words: str, data: Dataset, seed: int, out: Path) -> Path:
    name = "".join(c if c.isalnum() else "-" for c in words).strip("-")
    return out / f"{name}-{data.name}-s{seed}"


def judged_again(line: dict[str, Any], by: Dataset, out: Path) -> dict[str, Any]:
    """The line of a finished run, with its last samples measured beside other images."""
    data = open_data(line["data"], DataSettings(size=by.shape[-1]))
    run = folder_of(line["run"], data, line["seed"], out)
    samples = drawn(run, data, COUNT, 0, False, torch.device("cpu"), print, quiet)
    return {**{key: line[key] for key in ("run", "data", "seed")}, **measured(samples, by)}


def run_of(words: str, data: Dataset, spec: str, budget: str, seed: int, out: Path) -> dict:
    folder = folder_of(words, data, seed, out)
    shown = trained(words, spec, budget, seed, folder)
    status = read_facts(folder)["status"]
    spent = sum(line.get("evaluate_seconds", 0.0) for line in read_history(folder))
    timed = {} if "--steps" in words else {
        "budget": budget, "speed": status["images"] / status["seconds"],
        "evaluating": spent / (status["seconds"] + spent),
    }  # fmt: skip
    return {
        "run": words, "data": spec, "seed": seed, "step": status["step"],
        "images": status["images"], **timed, **shown, **judged(folder, data),
    }  # fmt: skip


# ---- the command ---------------------------------------------------------------------------

TITLES = {"fid": "FID", "kid": "KID x 1000", "precision": "precision",
          "recall": "recall", "coverage": "coverage", "unseen": "unseen features x 1000",
          "speed": "images/s", "first_step": "s to first step",
          "evaluating": "share evaluating", "peak_mib": "peak MiB"}  # fmt: skip


def table(lines: list[dict[str, Any]]) -> Iterator[str]:
    """Mean and spread over seeds, a row a run, in Markdown."""
    keys = [key for key in TITLES if any(key in line for line in lines)]
    yield "| data | run | seeds | " + " | ".join(TITLES[key] for key in keys) + " |"
    yield "|---" * (3 + len(keys)) + "|"
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        groups[line["data"], line["run"]].append(line)
    for (data, run), each in groups.items():
        cells = []
        for key in keys:
            values = [line[key] for line in each if key in line]
            spread = f" ± {stdev(values):.2g}" if len(values) > 1 else ""
            cells.append(f"{mean(values):.3g}{spread}" if values else "-")
        yield f"| {data} | `{run}` | {len(each)} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    drawing = commands.add_parser("draw")
    drawing.add_argument("set", choices=SETS)
    drawing.add_argument("package", type=Path)
    drawing.add_argument("out", type=Path)
    running = commands.add_parser("run")
    running.add_argument("--data", required=True)
    running.add_argument("--size", type=int)
    running.add_argument("--budget", default="10m")
    running.add_argument("--seeds", default="0,1,2")
    running.add_argument("--runs", nargs="+", required=True)
    running.add_argument("--out", type=Path, required=True)
    level = commands.add_parser("real")
    level.add_argument("--data", required=True)
    level.add_argument("--size", type=int)
    sorting = commands.add_parser("sort")
    for name in ("package", "built", "out"):
        sorting.add_argument(name, type=Path)
    again = commands.add_parser("again")
    again.add_argument("out", type=Path)
    again.add_argument("--by", required=True)
    shown = commands.add_parser("table")
    shown.add_argument("out", type=Path)
    asked = parser.parse_args()
    if asked.command == "sort":
        sort(asked.package, asked.built, asked.out)
        return
    if asked.command == "draw":
        draw(asked.set, asked.package, asked.out)
        return
    if asked.command == "real":
        data = open_data(asked.data, DataSettings(size=asked.size))
        held_out = data.test.items[evenly(len(data.test), COUNT)]
        line = {"run": f"{len(held_out):,} held-out images", "data": asked.data}
        print("\n".join(table([{**line, **measured(np.ascontiguousarray(held_out), data)}])))
        return
    results = asked.out / "results.jsonl"
    known = [json.loads(text) for text in results.read_text().splitlines()] \
        if results.exists() else []  # fmt: skip
    if asked.command == "again":
        by = open_data(asked.by)
        known = [judged_again(line, by, asked.out) for line in known]
    if asked.command == "run":
        asked.out.mkdir(parents=True, exist_ok=True)
        data = open_data(asked.data, DataSettings(size=asked.size))
        done = {(line["run"], line["data"], line["seed"]) for line in known}
        for seed in map(int, asked.seeds.split(",")):
            for words in asked.runs:
                if (words, asked.data, seed) in done:
                    continue
                line = run_of(words, data, asked.data, asked.budget, seed, asked.out)
                known.append(line)
                with results.open("a") as file:
                    file.write(json.dumps(line) + "\n")
    print("\n".join(table(known)))


if __name__ == "__main__":
    main()
