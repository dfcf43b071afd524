"""Commands that users might type, right and wrong: methods, data of every source, overrides."""

from __future__ import annotations

import random
import struct
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from steadygan.data.build.hanzi import build_hanzi
from steadygan.data.sources.cifar import NAMES, TEST, TRAIN
from steadygan.game.part import Part
from steadygan.game.recipe import Recipe
from steadygan.methods import methods
from steadygan.recipes.overrides import keys_of
from tests.reliability import children

STROKES = Path(__file__).parents[1] / "data" / "strokes"
#: Keys of the data, of the run and of nothing, with values that are likely right.
OTHER_KEYS = {
    "size": ("16", "28", "32"), "channels": ("1", "3"), "flip": ("true",), "holdout": ("0.1",),
    "attribute": ("Smiling",), "allow_bad": ("true",), "precision": ("auto", "fp32"),
    "threads": ("1", "2"), "log_every": ("1", "10"), "save_every": ("1",), "sample_every": ("2",),
    "nonsense": (), "lr.x": (), "x.y.z": (),
}  # fmt: skip
#: Words that are the value of some key, and words that are the value of none.
VALUES = (
    "0", "1", "2", "3", "8", "16", "32", "64", "-1", "0.5", "1e-4", "1e-3", "2.5", "true", "false",
    "none", "nan", "inf", "-inf", "1e400", "9" * 30, "1000000", "", " ", "banana", "永", "0,0.9",
    "0.5,0.999", "1,2,3", "(0.5, 0.9)", "sphere", "uniform", "normal:dim=16", "normal:dim=-4",
    "hinge", "minimax", "wasserstein", "least-squares", "adam", "sgd:lr=0.1", "rmsprop", "batch",
    "light", "paper", "fp32", "bf16", "Smiling", "[]", "{}", "null", "'8'", "8;rm -rf", "../..",
    "a.b:C", "os:system",
)  # fmt: skip
#: Mostly small games: the default networks of some methods take seconds a step.
SMALL = ("preset=light", "width=4", "batch=8", "width=8", "batch=4", "size=16", "size=32")


def write_sources(folder: Path) -> tuple[str, ...]:
    """Small files of every source that reads files; what `--data` takes, each source once."""
    pictures = folder / "pictures 图"
    for number in range(120):
        path = pictures / ("永" if number % 2 else "chairs") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        _picture(number, 20 + number % 40, 30).save(path)
    with zipfile.ZipFile(folder / "pictures.zip", "w") as archive:
        for path in sorted(pictures.rglob("*.png")):
            archive.write(path, path.relative_to(pictures))
    build_hanzi(STROKES, folder / "hanzi", characters="一九口和年我永鹰", writers=16)
    _write_cifar(folder / "cifar")
    _write_celeba(folder / "celeba")
    _write_hwdb(folder / "hwdb")
    return (
        "mnist", "fashion-mnist", "stacked-mnist", "ring", "grid", f"folder:{pictures}",
        f"zip:{folder}/pictures.zip", f"hanzi:{folder}/hanzi", f"cifar10:{folder}/cifar",
        f"celeba:{folder}/celeba", f"hwdb:{folder}/hwdb",
    )  # fmt: skip


def _picture(number: int, width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def _write_cifar(folder: Path) -> None:
    folder.mkdir()
    draw = np.random.default_rng(0)
    for name in (*TRAIN, TEST):
        records = draw.integers(0, 256, (40, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        (folder / name).write_bytes(records.tobytes())
    (folder / NAMES).write_text("\n".join(f"class {k}" for k in range(10)) + "\n")


def _write_celeba(folder: Path, count: int = 100) -> None:
    images = folder / "img_align_celeba"
    images.mkdir(parents=True)
    rows = [str(count), "Smiling Young"]
    for number in range(1, count + 1):
        _picture(number, 178, 218).save(images / f"{number:06}.jpg")
        rows.append(f"{number:06}.jpg {1 if number % 2 else -1} 1")
    (folder / "list_attr_celeba.txt").write_text("\n".join(rows) + "\n")


def _write_hwdb(folder: Path) -> None:
    folder.mkdir()
    draw = np.random.default_rng(0)
    for writer in range(12):
        records = []
        for name in "一九口和年我永人大小":
            ink = draw.integers(0, 256, (20, 18), dtype=np.uint8)
            head = struct.pack("<I", 10 + ink.size) + name.encode("gbk")
            records.append(head + struct.pack("<HH", 18, 20) + ink.tobytes())
        (folder / f"{writer:03}-f.gnt").write_bytes(b"".join(records))


def words(seed: int, sources: tuple[str, ...], out: Path) -> list[str]:
    """One command, `train METHOD ... --data SOURCE --steps 1`, drawn by `seed`: more than half of
    its values are likely right, so that many commands train."""
    draw = random.Random(seed)
    method = draw.choice(sorted(methods()))
    source = sources[seed % len(sources)]
    asked = ["train", method, *draw.sample(SMALL, draw.choice((0, 1, 2)))]
    recipe = methods()[method].recipe
    for _ in range(draw.choice((0, 1, 1, 2, 3))):
        if draw.random() < 0.7:
            key = draw.choice(keys_of(recipe))
            likely = plausible(recipe, key)
        else:
            key = draw.choice(sorted(OTHER_KEYS))
            likely = OTHER_KEYS[key]
        value = draw.choice(likely if likely and draw.random() < 0.7 else VALUES)
        asked.append(f"{key}={value}")
    parts = sorted(Part.members())
    if draw.random() < 0.3:
        weight = f":weight={draw.choice(VALUES)}" if draw.random() < 0.3 else ""
        asked += ["--add", draw.choice(parts) + weight]
    if draw.random() < 0.1:
        asked += ["--drop", draw.choice(parts)]
    return [*asked, "--data", source, "--steps", "1", "--out", str(out)]


def plausible(recipe: Recipe, key: str) -> tuple[str, ...]:
    """Values that are likely right for a key of `recipe`: its own, and others of its kind."""
    head, _, field = key.partition(".")
    holders = [recipe] if not field else [getattr(recipe, head, None), *recipe.parts()]
    value = next((getattr(h, field or head) for h in holders if hasattr(h, field or head)), None)
    if isinstance(value, bool):
        return ("true", "false")
    if isinstance(value, int):
        return (str(value), str(max(1, value // 2)), str(value + 1), "1", "4")
    if isinstance(value, float):
        return (str(value), str(value / 2), str(value * 3))
    return (value,) if isinstance(value, str) else ()


def answered(seed: int, sources: tuple[str, ...], folder: Path) -> tuple[int, float, str]:
    """Runs the command of `seed`: its exit code, the longest time without a word, what it said."""
    said = folder / f"said-{seed}.txt"
    asked = words(seed, sources, folder / f"run-{seed}")
    code, silence = children.watched(
        children.command, asked, str(folder / "cache"), said=said, limit=300.0
    )
    return code, silence, said.read_text(errors="replace")


def fuzzed(count: int, folder: Path, tick: object = lambda: None, first: int = 0) -> str:
    """`count` commands: each exits 0 with a run or 2 with one line, or 3 naming the number that was
    not finite; none shows a traceback, none is silent for 20 seconds."""
    sources = write_sources(folder)
    codes: dict[int, int] = {}
    longest, broken = 0.0, []
    for seed in range(first, first + count):
        code, silence, said = answered(seed, sources, folder)
        codes[code] = codes.get(code, 0) + 1
        longest = max(longest, silence)
        if problem := problem_with(code, silence, said):
            asked = " ".join(words(seed, sources, Path("run")))
            broken.append(f"{seed}: {problem}: {asked}: {said[-400:]}")
        tick()
    assert not broken, f"{len(broken)} of {count} commands\n" + "\n".join(broken)
    tally = ", ".join(f"{n} exit {code}" for code, n in sorted(codes.items()))
    return f"{count} commands: {tally}; longest silence {longest:.1f} s"


def problem_with(code: int, silence: float, said: str) -> str:
    """What is wrong with an answer, or nothing."""
    last = said.strip().splitlines()[-1] if said.strip() else ""
    if "Traceback" in said or "unexpected" in last:
        return "an error that nobody foresaw"
    if silence > 20:
        return f"silent for {silence:.0f} s"
    if code == 0:
        return ""
    if code not in (2, 3):
        return f"exit code {code}"
    if code == 3 and "NaN or Inf" not in last:
        return "exit code 3 without the number that was not finite"
    return "" if last.startswith("steadygan: ") else "no line that says why"
