"""A study of Chinese characters: is D saturated, what gradient is left to G, what can be read?

    python -m benchmarks.characters STUDY [--picture OUT.png] [--text 永和九年...] [--lines 3]

STUDY is the folder of a finished `steadygan compare` on characters. The picture shows, of each
method's first seed, lines of text above each other, every line in one handwriting, below lines of
held-out real images.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from steadygan.data import Dataset, DataSettings, open_data
from steadygan.study.results import read_results
from steadygan.training.pictures import generate, grid, to_uint8
from steadygan.training.runfolder import read_facts, read_history
from steadygan.training.sampling import class_index, class_names_in, draw_table, load_parts

TEXT = "永和九年岁在癸丑暮春之初会于稽山阴兰亭"
#: Where D is saturated: its loss below, or the mean score of a batch beyond.
LOSS, SCORE = 1e-3, 10.0
ZOOM, HEAD = 2, 18
COLUMNS = (
    "run", "images", "steps", "D loss < 1e-3", "scores > 10", "largest score",
    "G gradient, median", "5th percentile", "read correctly", "of real", "FID", "sharpness",
)  # fmt: skip


def saturation(history: list[dict]) -> dict[str, float]:
    """Of the logged steps: shares with D's adversarial loss below 1e-3 and with a batch's mean
    score beyond 10; the largest such score; medians and the 5th percentile of |gradient of G|."""
    lines = [line for line in history if "d_loss/adversarial" in line and "g_gradient_norm" in line]
    scores = [max(abs(line["d_score_real"]), abs(line["d_score_fake"])) for line in lines]
    norms = [line["g_gradient_norm"] for line in lines]
    return {
        "steps": lines[-1]["step"],
        "loss < 1e-3": float(np.mean([line["d_loss/adversarial"] < LOSS for line in lines])),
        "|score| > 10": float(np.mean([score > SCORE for score in scores])),
        "max |score|": max(scores),
        "G gradient": statistics.median(norms),
        "its 5th percentile": float(np.percentile(norms, 5)),
    }


def written(run: Path, text: str, lines: int) -> np.ndarray:
    """Lines of text by a run's generator, uint8 (lines * characters, H, W, C)."""
    generator, prior, facts = load_parts(run)
    names = facts["data"]["class_names"]
    latents = draw_table(prior, lines, 0, class_names_in(text, names), names, across=True)
    return to_uint8(torch.cat(list(generate(generator, latents))))


def real(data: Dataset, text: str, lines: int) -> np.ndarray:
    """Lines of text of held-out images, uint8 (lines * characters, H, W, C)."""
    classes = [class_index(each, data.class_names, data.classes) for each in text]
    rows = [np.flatnonzero(data.test.labels == each)[:lines] for each in classes]
    return data.test.items[np.stack(rows, 1).ravel()].transpose(0, 2, 3, 1)


def picture(parts: dict[str, np.ndarray], columns: int) -> Image.Image:
    """Grids below each other, each under its name, at twice their size."""
    grids = {name: grid(images, columns) for name, images in parts.items()}
    width = max(each.width for each in grids.values())
    height = sum(each.height * ZOOM + HEAD for each in grids.values())
    canvas, top = Image.new("L", (width * ZOOM, height), 255), 0
    for name, each in grids.items():
        ImageDraw.Draw(canvas).text((4, top + 3), name, fill=90)
        large = each.convert("L").resize((each.width * ZOOM, each.height * ZOOM), 0)
        canvas.paste(large, (0, top + HEAD))
        top += large.height + HEAD
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--text", default=TEXT)
    parser.add_argument("--lines", type=int, default=3)
    asked = parser.parse_args()
    runs = read_results(asked.study).runs
    parts: dict[str, np.ndarray] = {}
    print("| " + " | ".join(COLUMNS) + " |")
    print("|---" * len(COLUMNS) + "|")
    for run in runs:
        folder = asked.study / "runs" / run.name
        facts = read_facts(folder)
        found, last = saturation(list(read_history(folder))), facts["measures"]["quality"]["last"]
        of_real = last["legibility"]["accuracy_over_real"]
        print(
            f"| {run.name} | {facts['status']['images']:,} | {found['steps']:,} | "
            f"{found['loss < 1e-3']:.1%} | {found['|score| > 10']:.1%} | "
            f"{found['max |score|']:.1f} | {found['G gradient']:.2f} | "
            f"{found['its 5th percentile']:.2f} | {last['legible']:.1%} | {of_real:.0%} | "
            f"{last['fid']:.1f} | {last['sharpness']:.1f} |"
        )
        if asked.picture and run.name.endswith(f"-s{min(each.seed for each in runs)}"):
            parts[run.name] = written(folder, asked.text, asked.lines)
    if asked.picture:
        data = open_data(facts["data"]["spec"], DataSettings(**facts["data"]["settings"]))
        parts = {"held-out real images": real(data, asked.text, asked.lines), **parts}
        picture(parts, len(asked.text)).save(asked.picture)


if __name__ == "__main__":
    main()
