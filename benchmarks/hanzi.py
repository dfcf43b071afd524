"""How fast characters are drawn, and how well the real ones are read.

python -m benchmarks.hanzi PACKAGE [--sizes 28 32 64] [--read 1000]

PACKAGE is the unpacked npm package hanzi-writer-data. Drawn on one thread: 100 characters evenly
spread over the 3,740, by 60 writers each. Read: that many characters, evenly spread, each by a
writer of its own; also after a Gaussian blur whose standard deviation is a fortieth of the side.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from steadygan.data.build.brush import draw, outline
from steadygan.data.build.hanzi import CLASSES, chosen_characters
from steadygan.data.sources.hanzi_strokes import read_characters
from steadygan.metrics import legibility
from steadygan.metrics.sharpness import sharpness

WRITERS = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[28, 32, 64])
    parser.add_argument("--read", type=int, default=1000)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    network = legibility.reader()
    names = [name for name in chosen_characters() if name in network.places]
    some = read_characters(asked.package, [names[i] for i in spread(len(names), 100)])[0]
    read = read_characters(asked.package, [names[i] for i in spread(len(names), asked.read)])[0]
    print(f"{network.name}, {asked.read} of {CLASSES} characters")
    print("size  drawn/s  read correctly  mean p  blurred: read  mean p  sharpness  ms a character")
    for size in asked.sizes:
        started = time.process_time()
        for each in some:
            draw(outline(each), range(WRITERS), size, 0)
        rate = len(some) * WRITERS / (time.process_time() - started)
        images = [draw(outline(each), [n], size, 0) for n, each in enumerate(read)]
        images = np.stack(images)
        targets = [each.name for each in read]
        started = time.process_time()
        right, chance = network.read(images, targets)
        each_ms = (time.process_time() - started) / len(images) * 1000
        soft = gaussian_filter(images.astype(np.float32), (0, 0, size / 40, size / 40))
        soft = soft.round().astype(np.uint8)
        right_soft, chance_soft = network.read(soft, targets)
        sharp = sharpness(soft).mean() / sharpness(images).mean()
        print(
            f"{size:4}  {rate:7,.0f}  {right.mean():12.1%}  {chance.mean():6.3f}  "
            f"{right_soft.mean():13.1%}  {chance_soft.mean():6.3f}  {sharp:8.0%}   {each_ms:.1f}",
            flush=True,
        )


def spread(count: int, wanted: int) -> list[int]:
    return np.linspace(0, count - 1, wanted).astype(int).tolist()


if __name__ == "__main__":
    main()
