"""Synthetic run and study folders that look like real ones: no training, no torch."""

from __future__ import annotations

import functools
import io
import json
import math
import random
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

MILESTONES = [round(1000 * 2 ** (k / 2)) for k in range(12)]
LOOKS = {  # objective, parts on D, D's critic steps, share recognised, G and D parameters
    "gan": ("non-saturating", [], 1, 0.41, 1_486_352, 1_460_225),
    "dcgan": ("non-saturating", [], 1, 0.83, 1_068_545, 662_529),
    "infogan": ("non-saturating", [], 1, 0.78, 1_078_785, 795_284),
    "wgan": ("wasserstein", [{"name": "weight-clip", "bound": 0.01}], 5, 0.07, 1_068_545, 662_529),
    "wgan-gp": ("wasserstein", [{"name": "gradient-penalty", "weight": 10.0}], 5, 0.64, 1_068_545,
                661_633),
}  # fmt: skip


def recipe(method):
    objective, on_d, d_steps, *_ = LOOKS.get(method, LOOKS["gan"])
    wasserstein = objective == "wasserstein"
    made = {
        "networks": {"name": "mlp" if method == "gan" else "dcgan", "width": 64},
        "objective": {"name": objective},
        "on_d": on_d,
        "d_optimizer": {"name": "rmsprop", "lr": 5e-5}
        if method == "wgan"
        else {"name": "adam", "lr": 1e-4 if wasserstein else 2e-4, "betas": [0.5, 0.999]},
        "d_steps": d_steps,
        "batch": 64,
        "prior": {"name": "gaussian", "size": 62 if method == "infogan" else 100},
        "ema": {"name": "ema", "halflife_images": 10000},
        "horizon_images": 2_000_000,
    }
    if method == "infogan":
        made["on_g"] = [{"name": "mutual-information", "weight": 1.0, "categories": 10}]
    return made


def history(method, seed=0, lines=240, steps=900):
    """Curves with the shapes that the methods really show."""
    rng = random.Random(f"{method}{seed}")
    found = []
    for i in range(lines):
        t, step = (i + 1) / lines, round((i + 1) * steps / lines)
        decay, noise = math.exp(-6 * t), rng.gauss(0, 1)
        line = {"step": step, "images": step * 64, "seconds": round(45 * t, 3)}
        if method.startswith("wgan"):
            gap = 0.12 + 1.4 * decay + 0.05 * noise
            line |= {"d_loss": -gap, "d_loss/adversarial": -gap, "g_loss": 0.3 * t + 0.06 * noise,
                     "wasserstein_estimate": gap}  # fmt: skip
            if method == "wgan":
                line["clipped_share"] = 0.62 - 0.3 * decay + 0.01 * noise
            else:
                penalty = 9 * math.exp(-40 * t) + 0.05 + 0.01 * abs(noise)
                line |= {"d_loss": penalty - gap, "d_loss/gradient-penalty": penalty,
                         "critic_gradient_norm": 1 - 0.8 * math.exp(-30 * t)}  # fmt: skip
        else:
            line["d_loss"] = 0.55 + 0.8 * decay + 0.08 * noise
            line["g_loss"] = 1.6 + 1.1 * t * (method == "gan") - decay + 0.22 * noise
            line |= {"d_loss/adversarial": line["d_loss"], "g_loss/adversarial": line["g_loss"]}
            real = 1 / (1 + math.exp(-(0.9 + 0.2 * noise)))
            line |= {"d_real_probability": real, "d_fake_probability": 1 - real + 0.04 * decay}
            line |= {"d_accuracy_real": min(1, real + 0.12), "d_accuracy_heldout": real + 0.04,
                     "d_accuracy_fake": min(1, real + 0.15)}  # fmt: skip
        if method == "infogan":
            bound = 2.2 - 2.2 * math.exp(-5 * t) + 0.03 * noise
            line |= {"mutual_information": bound, "g_loss/mutual-information": 2.3 - bound,
                     "g_loss": line["g_loss"] + 2.3 - bound}  # fmt: skip
        scale = 0.02 if method == "wgan" else 1.5
        line |= {"d_score_real": scale * (1 + 0.1 * noise), "d_score_heldout": scale * 0.8,
                 "d_score_fake": -scale * (0.5 + decay)}  # fmt: skip
        line |= {"d_gradient_norm": math.exp(0.4 * noise) * (0.2 + decay),
                 "g_gradient_norm": math.exp(0.5 * rng.gauss(0, 1)) * 0.6}  # fmt: skip
        found.append(line)
    return found


def grid(path, clarity, shape=(28, 28), cells=(8, 8), seed=0):
    """A grid of digits that come out of noise as `clarity` goes from 0 to 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(drawn(clarity, shape, cells, seed))


@functools.cache
def drawn(clarity, shape, cells, seed):
    rng = random.Random(seed)
    height, width = shape
    columns, rows = cells
    sheet = Image.new("L", (columns * (width + 2) + 2, rows * (height + 2) + 2), 28)
    font = ImageFont.load_default(size=round(height * 0.85))
    for place in range(columns * rows):
        digit = str(rng.randrange(10)) if cells == (8, 8) else str(place // columns)
        cell = Image.new("L", (width, height), 0)
        lean = (place % columns - columns / 2) / columns
        ImageDraw.Draw(cell).text((width * 0.27, -height * 0.08), digit, fill=255, font=font)
        cell = cell.transform(cell.size, Image.Transform.AFFINE, (1, lean, -lean * 12, 0, 1, 0))
        haze = Image.frombytes("L", cell.size, rng.randbytes(width * height))
        cell = Image.blend(haze, cell, max(0.0, min(1.0, clarity)))
        at = (2 + place % columns * (width + 2), 2 + place // columns * (height + 2))
        sheet.paste(cell, at)
    png = io.BytesIO()
    sheet.save(png, "png")
    return png.getvalue()


def run_json(method, seed=0, **changes):
    _, _, _, share, g, d = LOOKS.get(method, LOOKS["gan"])
    info = {
        "format": 1,
        "name": f"{method}-s{seed}",
        "method": method,
        "title": f"{method} in words. Author et al. 2016, A paper about it, arXiv:1511.06434",
        "command": f"steadygan train {method} --data mnist --budget 45s",
        "recipe": recipe(method),
        "data": {"name": "mnist", "spec": "mnist", "fingerprint": "ab12cd34", "shape": [1, 28, 28],
                 "train": 9000, "test": 1000, "class_names": [str(i) for i in range(10)],
                 "settings": {}},
        "quarantine": [],
        "seed": seed,
        "device": "cpu",
        "precision": "fp32",
        "threads": 2,
        "versions": {"steadygan": "0.1.0", "python": "3.11.7", "torch": "2.13.0"},
        "parameters": {"g": g, "d": d},
        "goal": {"budget_seconds": 45.0},
        "status": {"state": "finished", "reason": "", "step": 900, "images": 57600,
                   "seconds": 45.0, "wall_seconds": 52.0},
        "inexact": [],
        "measures": {"recognisable": {
            "share": share, "classes_seen": 10 if share > 0.1 else 3, "real": 0.99, "noise": 0.01,
            "count": 1000, "classifier_accuracy": 0.985,
            "verdict": "shows digits" if share > 0.3 else "shows no digits",
            "shows_data": share > 0.3}},
    }  # fmt: skip
    return info | changes


def write_run(folder, info, lines, pictures=True):
    """Writes a run folder; pictures every milestone of images seen that the history reaches."""
    folder.mkdir(parents=True, exist_ok=True)
    method = info.get("method", "gan")
    last = lines[-1]["images"] if lines else 0
    for k, images in enumerate(item for item in MILESTONES if item <= last and pictures):
        line = next(each for each in lines if each["images"] >= images)
        line["images"] = images
        line["samples"] = f"samples/step-{line['step']:06d}.png"
        share = LOOKS.get(method, LOOKS["gan"])[3]
        grid(folder / line["samples"], share * (k + 1) / 11, seed=info.get("seed", 0))
        if method == "infogan":
            line["codes"] = f"samples/codes-step-{line['step']:06d}.png"
            grid(folder / line["codes"], share * (k + 1) / 10, cells=(10, 10))
        if method == "acgan":
            line["classes"] = f"samples/classes-step-{line['step']:06d}.png"
            rows = min(len(info["data"]["class_names"] or "unknown"), 10)
            grid(folder / line["classes"], share * (k + 1) / 10, cells=(10, rows))
    if lines and method in ("wgan", "wgan-gp"):
        lines[-1]["weight_histogram"] = histogram(method)
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "history.jsonl").write_text(text, encoding="utf-8")
    return folder


def histogram(method):
    if method == "wgan":
        return {"low": -0.01, "high": 0.01, "counts": [250] + [10] * 48 + [270]}
    counts = [round(2000 * math.exp(-(((i - 24.5) / 6) ** 2))) for i in range(50)]
    return {"low": -0.2, "high": 0.2, "counts": counts}


def write_study(folder, runs, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    study = {"format": 1, "command": "steadygan compare gan dcgan --data mnist --budget 45s",
             "data": "mnist", "runs": runs, "budget_seconds": 45.0}  # fmt: skip
    (folder / "study.json").write_text(json.dumps(study | changes), encoding="utf-8")
    return folder


def five_methods(folder, steps=(1400, 900, 820, 700, 560)):
    """The demo's study: five methods, one budget."""
    for method, last in zip(LOOKS, steps, strict=True):
        status = {"state": "finished", "reason": "", "step": last, "images": last * 64,
                  "seconds": 45.0, "wall_seconds": 49.5}  # fmt: skip
        info = run_json(method, status=status)
        write_run(folder / "runs" / f"{method}-s0", info, history(method, steps=last))
    command = f"steadygan compare {' '.join(LOOKS)} --data mnist --budget 45s preset=light"
    return write_study(folder, [f"runs/{method}-s0" for method in LOOKS], command=command)


HASH = "8b353e29255e" + "0" * 52
METRICS = (("fid", "FID-classifier", True), ("inception_score", "IS-classifier", False),
           ("precision", "precision", False), ("recall", "recall", False),
           ("sharpness", "mean sharpness", None))  # fmt: skip


def judge(info, lines, level, every=20):
    """Puts evaluations into history lines, distances falling from 200 to `level` and rising by a
    tenth at the end, and what a study measures of a finished run into run.json."""
    best = len(lines) - every - 1
    for place in range(every - 1, len(lines), every):
        line, t = lines[place], (place + 1) / len(lines)
        distance = level if place == best else level + (200 - level) * max(0.1, 1 - t) ** 2
        line |= {"fid": distance, "precision": t / 2, "recall": t / 3, "evaluate_seconds": 0.5}
    lines.insert(0, {"step": 0, "images": 0, "seconds": 0.0, "fid": 200.0, "precision": 0.0,
                     "recall": 0.0, "evaluate_seconds": 0.5})  # fmt: skip
    real = {"fid": 0.57, "precision": 0.87, "recall": 0.86}
    shared = {"features": "classifier", "feature_hash": HASH, "feature_accuracy": 0.99}
    numbers = {"inception_score": 8.0, "precision": 0.5, "recall": 0.33, "sharpness": 150.0}
    info["evaluation"] = {**shared, "every": "5%", "count": 2000, "real": 0.33,
                          "real_sd": 0.02, "noise": 262.0}  # fmt: skip
    info["judged_step"] = info["status"]["step"]
    info["measures"]["quality"] = {
        **shared, "count": 10_000, "real": {"inception_score": 9.5, "sharpness": 212.0},
        "last": {"step": info["status"]["step"], "fid": 1.1 * level, "real_against_real": real,
                 **numbers},
        "best": {"step": lines[best + 1]["step"], "fid": level, **numbers},
    }  # fmt: skip
    return info, lines


def seeded_study(folder, levels, lines=100, **looks):
    """A study of judged runs, seeds by method: the best distance of each; with its tables."""
    runs = []
    for method, of_seeds in levels.items():
        for seed, level in enumerate(of_seeds):
            info = run_json(method, seed)
            judged = judge(info, history(method, seed, lines), level)
            path = write_run(folder / "runs" / info["name"], *judged, **looks)
            runs.append(f"runs/{path.name}")
    write_study(folder, runs, seeds=sorted({s for of in levels.values() for s in range(len(of))}))
    (folder / "tables.json").write_text(json.dumps(tables(levels)), encoding="utf-8")
    return folder


def tables(levels):
    """tables.json of such a study, in its form; the intervals are made up."""

    def spread(values):
        mean = sum(values) / len(values)
        return {"n": len(values), "mean": mean, "sd": 0.25, "low": mean - 1.5, "high": mean + 2.5}

    def quality(of, factor):
        others = {"inception_score": 8.0, "precision": 0.5, "recall": 0.33, "sharpness": 150.0}
        flat = {key: spread([value] * len(of)) for key, value in others.items()}
        return {"fid": spread([factor * level for level in of]), **flat}

    names = list(levels)
    pair = {"one": names[0], "other": names[-1], "n": 3, "paired": True, "mean": 12.5, "low": 3.25,
            "high": 21.75, "p": 0.25, "agreeing": 1.0, "verdict": "likely"}  # fmt: skip
    return {
        "format": 1, "notes": [], "main": "fid", "seeds": [0, 1, 2],
        "said_of_differences": "Of 1 pairs of methods, 0 differ at p <= .05.",
        "said_of_leaders": "FID: no method is better than every other by the study's test.",
        "leaders": {"fid": None},
        "metrics": [{"key": k, "title": t, "lower_is_better": b} for k, t, b in METRICS],
        "entries": [{"name": name, "method": name, "quality": {
            "last": quality(of, 1.1), "best": quality(of, 1.0)}} for name, of in levels.items()],
        "runs": [{"name": f"{name}-s{s}", "entry": name, "seed": s, "state": "finished"}
                 for name, of in levels.items() for s in range(len(of))],
        "differences": {"fid": [pair, {**pair, "one": "nobody", "verdict": "open"}]},
    }  # fmt: skip


VOID = {"meta", "img", "input", "br", "link", "hr"}


class Page(HTMLParser):
    """Tags with their attributes in order, the texts, and whether every tag is closed in order."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.scripts, self.open = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        inside = self.open[-1] if self.open else ""
        (self.scripts if inside in ("script", "style") else self.text).append(data)

    @property
    def said(self):
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="session")
def study_page(tmp_path_factory):
    """The text of the report on the demo's study."""
    from steadygan.report import write_report

    path = write_report(five_methods(tmp_path_factory.mktemp("study")))
    return Path(path).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def make():
    """The makers of this file, for tests."""
    from types import SimpleNamespace

    return SimpleNamespace(
        Page=Page,
        recipe=recipe, history=history, grid=grid, run_json=run_json, write_run=write_run,
        write_study=write_study, five_methods=five_methods, histogram=histogram,
        judge=judge, seeded_study=seeded_study, tables=tables,
    )  # fmt: skip
