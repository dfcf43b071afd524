"""Can generated Chinese characters be read? By the text recognition network PP-OCR: extra `ocr`.

The ONNX file that comes inside the wheel of `rapidocr` is called through onnxruntime. An image is
grey, resized to 48 x 48 px, bicubic, and scaled to (x / 255 - 0.5) / 0.5. The network gives each of
T places along it probabilities of a blank and of its characters (CTC, Graves et al. 2006).

Blur hardly lowers these numbers, and one fixed image per class not at all: read them beside FID and
sharpness, and against those of real images.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from steadygan.data import Dataset
from steadygan.data.mapped import Items
from steadygan.errors import UserError
from steadygan.features.cached import cached_facts
from steadygan.features.extract import Progress, quiet
from steadygan.metrics.reference import evenly

COUNT = 2000  # images that are read, of the samples and of the held-out real ones
SIDE = 48
_BATCH = 16
_BLANK = 0


class Reader:
    """The network with its characters. `places` maps a character to its place among the outputs."""

    def __init__(self, file: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        data = file.read_bytes()
        self.name, self.hash = file.stem, hashlib.sha256(data).hexdigest()
        self.session = onnxruntime.InferenceSession(
            data, options, providers=["CPUExecutionProvider"]
        )
        listed = self.session.get_modelmeta().custom_metadata_map.get("character", "")
        # After the blank come the characters of the list, after them a space.
        self.characters = ["", *listed.split("\n"), " "]
        self.places = {name: place for place, name in enumerate(self.characters) if name}

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """uint8 (B, 1 or 3, H, W) to float32 (B, T, 1 + characters + 1)."""
        x = (np.stack([_square(image) for image in images]) / np.float32(255) - 0.5) / 0.5
        x = np.repeat(x[:, None], 3, axis=1)
        made = self.session.run(None, {self.session.get_inputs()[0].name: x})[0]
        if made.shape[2] != len(self.characters):
            raise UserError(
                f"{self.name} has {made.shape[2]:,} outputs for {len(self.characters):,} "
                "characters: install the rapidocr of constraints.txt"
            )
        return made

    def read(
        self, images: np.ndarray, targets: Sequence[str], progress: Progress = quiet
    ) -> tuple[np.ndarray, np.ndarray]:
        """Which images (N, C, H, W) are read as their target, bool (N,), and the probability of
        the target's text, float64 (N,) from 0 to 1. The targets are characters in `places`."""
        right, chance = [], []
        for start in range(0, len(images), _BATCH):
            wanted = np.array([self.places[name] for name in targets[start : start + _BATCH]])
            made = self.probabilities(images[start : start + _BATCH])
            right += [
                read == [place] for read, place in zip(map(greedy, made), wanted, strict=True)
            ]
            rows = np.arange(len(made))
            chance.append(chance_of_one(made[:, :, _BLANK], made[rows, :, wanted]))
            progress(min(start + _BATCH, len(images)), len(images))
        return np.array(right, dtype=bool), np.concatenate(chance)


def greedy(probabilities: np.ndarray) -> list[int]:
    """The likeliest at each place (T, K), repeats and then blanks left out. Graves et al. 2006,
    section 3.2, "best path decoding"."""
    best = probabilities.argmax(1)
    changes = np.concatenate([[True], best[1:] != best[:-1]])
    return [int(place) for place in best[changes] if place != _BLANK]


def chance_of_one(blank: np.ndarray, target: np.ndarray) -> np.ndarray:
    """P(text = one character), float64 (B,), of the probabilities of the blank and of the
    character at each place, (B, T) each: the sum over all paths blank* character+ blank*."""
    before, inside, after = np.ones(len(blank)), np.zeros(len(blank)), np.zeros(len(blank))
    for b, t in zip(blank.T.astype(np.float64), target.T.astype(np.float64), strict=True):
        before, inside, after = before * b, (before + inside) * t, (inside + after) * b
    return inside + after


def is_chinese(names: Sequence[str] | None) -> bool:
    """Whether the classes are single Chinese characters, two at least."""
    names = names or ()
    return len(names) > 1 and all(
        len(name) == 1 and ("\u3400" <= name <= "\u9fff" or "\U00020000" <= name <= "\U000323af")
        for name in names
    )


def installed() -> bool:
    """Whether the extra `ocr` is installed."""
    return all(importlib.util.find_spec(name) for name in ("rapidocr", "onnxruntime"))


def can_read(data: Dataset) -> bool:
    """Whether the extra is installed and the classes are single Chinese characters."""
    return len(data.shape) == 3 and is_chinese(data.class_names) and installed()


def require(data: Dataset) -> None:
    """Raises UserError where the images of `data` cannot be read."""
    if not is_chinese(data.class_names) or len(data.shape) != 3:
        raise UserError(
            f"--legibility: the classes of {data.spec} are not single Chinese characters"
        )
    if not installed():
        raise UserError(
            "--legibility wants the extra ocr: pip install -c constraints.txt -e '.[ocr]'"
        )


@lru_cache(maxsize=1)
def reader() -> Reader:
    """The network of the installed rapidocr. Raises UserError where it holds none."""
    package = importlib.util.find_spec("rapidocr")
    assert package is not None  # see `require`
    assert package.origin is not None
    home = Path(package.origin).parent / "models"
    found = sorted(home.glob("*rec*.onnx"))
    if not found:
        raise UserError(f"{home} holds no recognition model: install the rapidocr of constraints")
    return Reader(found[0])


def legibility(
    images: np.ndarray,
    labels: np.ndarray,
    data: Dataset,
    *,
    say: Callable[[str], None] = print,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """How well samples, uint8 (N, C, H, W), are read as their classes, beside real images.

    `accuracy`: share whose text is their character; `p`: mean probability of that text; `_real` for
    held-out images, `_over_real` the ratio. 2,000 a side at most, evenly spread. Classes whose
    character the network cannot output, `unknown`, are left out. Raises UserError as `require`.
    """
    require(data)
    characters, test_labels = data.class_names, data.test.labels
    assert characters is not None
    assert test_labels is not None
    network = reader()
    unknown = [name for name in characters if name not in network.places]

    def measured(images: Items, labels: np.ndarray) -> dict[str, Any]:
        known = np.array([name in network.places for name in characters])
        kept = np.flatnonzero(known[labels])
        kept = kept[evenly(len(kept), COUNT)]
        if not len(kept):
            raise UserError(f"--legibility: {network.name} knows none of the characters")
        names = [characters[label] for label in labels[kept]]
        right, chance = network.read(images[kept], names, progress)
        return {"accuracy": float(right.mean()), "p": float(chance.mean()), "count": len(kept)}

    key = {"version": 1, "data": data.fingerprint, "model": network.hash, "count": COUNT}
    real = cached_facts("legibility-real", key, say, lambda: measured(data.test.items, test_labels))
    made = measured(images, labels)
    return {
        **made,
        "accuracy_real": real["accuracy"],
        "p_real": real["p"],
        "count_real": real["count"],
        "accuracy_over_real": made["accuracy"] / real["accuracy"] if real["accuracy"] else None,
        "p_over_real": made["p"] / real["p"] if real["p"] else None,
        "unknown": unknown,
        "model": network.name,
        "model_hash": network.hash,
    }


def _square(image: np.ndarray) -> np.ndarray:
    """A uint8 image (1 or 3, H, W) as grey float32 (48, 48) in 0..255."""
    picture = Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))
    size = (SIDE, SIDE)
    return np.asarray(picture.convert("L").resize(size, Image.Resampling.BICUBIC), np.float32)
