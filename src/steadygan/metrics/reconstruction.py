"""How well a pre-trained auto-encoder reconstructs images, and whether its feature is informative.

PSNR and SSIM of 8-bit images by torchmetrics. A U-Net's skips can carry an image past its
bottleneck, so good reconstructions prove nothing about the feature: images are also decoded from
the feature alone.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor

from steadygan.data.dataset import Split
from steadygan.networks.unet import UNet
from steadygan.training import Trainer, pictures
from steadygan.training.inputs import as_played
from steadygan.training.runfolder import read_facts

if TYPE_CHECKING:
    from steadygan.methods.decoding import Decoding

#: Images of each part that are measured: at most COUNT, for large images at most VALUES values.
COUNT, VALUES = 2000, 30_000_000
#: The upper limit of PSNR, in dB: that of equal images would be infinite. One grey level in one of
#: 512 x 512 x 3 values is 107 dB; such an image and an equal one both count as this.
CAP = 100.0
#: The side of SSIM's window, which follows from its sigma of 1.5.
WINDOW = 11
BATCH = 250
#: The standard deviation of the noise on the copies by which images are retrieved; images are in
#: [-1, 1].
NOISE = 0.25
SHOWN = 12


def psnr(images: Tensor, rebuilt: Tensor, scale: float = 255.0) -> Tensor:
    """10 log10(scale^2 / MSE) in dB of each pair of (N, C, H, W) in [0, scale], at most `CAP`."""
    functional = _torchmetrics()
    found = functional.peak_signal_noise_ratio(
        rebuilt, images, data_range=scale, reduction="none", dim=(1, 2, 3)
    )
    return found.clamp_max(CAP)


def ssim(images: Tensor, rebuilt: Tensor, scale: float = 255.0) -> Tensor:
    """Structural similarity in [-1, 1] of each pair of (N, C, H, W) in [0, scale].

    Wang et al. 2004: Gaussian window of 11 x 11 with sigma 1.5, K1 = .01, K2 = .03, where the
    window lies inside the image; the mean over channels.
    """
    functional, found = _torchmetrics(), []
    border = WINDOW // 2  # torchmetrics fills it by reflection, and counts it in its own mean
    for pair in zip(rebuilt.split(BATCH), images.split(BATCH), strict=True):
        _, everywhere = functional.structural_similarity_index_measure(
            *pair, gaussian_kernel=True, sigma=1.5, k1=0.01, k2=0.03, data_range=scale,
            reduction="none", return_full_image=True,
        )  # fmt: skip
        found.append(everywhere[..., border:-border, border:-border].flatten(1).mean(1))
    return torch.cat(found)


def _torchmetrics() -> Any:
    """torchmetrics' image functions; imported late (a second), without the warnings of its
    imports."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torchmetrics.functional.image as functional
    return functional


def in_bytes(images: Tensor) -> Tensor:
    """Images in [-1, 1] as float32 whole numbers 0 to 255."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round()


def spread(values: Tensor) -> dict[str, float]:
    """Mean, standard deviation (over all, not a sample's), least and greatest of values (N,)."""
    named = {"mean": values.mean(), "std": values.std(correction=0), "min": values.min(),
             "max": values.max()}  # fmt: skip
    return {name: round(value.item(), 4) for name, value in named.items()}


# ---- is the feature informative? -----------------------------------------------------------------


def nearest(features: Tensor, known: Tensor) -> Tensor:
    """The row of `known` (M, n) that is nearest to each of `features` (N, n), (N,) int64."""
    return torch.cdist(features.flatten(1), known.flatten(1)).argmin(1)


def retrieved(features: Tensor, of_copies: Tensor) -> float:
    """The share of images whose noised copy, by its feature, is nearest to the image itself."""
    return (nearest(of_copies, features) == torch.arange(len(features))).float().mean().item()


def same_class(features: Tensor, labels: Tensor, known: Tensor, known_labels: Tensor) -> float:
    """The share of images whose nearest known image has their class."""
    return (known_labels[nearest(features, known)] == labels).float().mean().item()


def by_chance(labels: Tensor, known_labels: Tensor) -> float:
    """The chance that a known image drawn at random has an image's class."""
    classes = int(max(labels.max(), known_labels.max())) + 1
    shares = [
        torch.bincount(each, minlength=classes) / len(each) for each in (labels, known_labels)
    ]
    return torch.dot(*shares).item()


def is_informative(found: dict[str, Any]) -> bool:
    """True where half of the noised copies are retrieved by their features and, with labels,
    neighbours by feature share their class at least half-way from chance to what neighbours by
    pixels do."""
    known = found["retrieved"] >= 0.5
    if "same_class" in found:
        known &= found["same_class"] >= (found["chance"] + found["same_class_by_pixels"]) / 2
    return known


# ---- a run ---------------------------------------------------------------------------------------


class Rebuilder:
    """The auto-encoder of a running game: features and reconstructions, float32 on the CPU."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.network = cast(UNet, trainer.state.players["autoencoder"]["autoencoder"])

    def _ready(self, images: Tensor) -> Tensor:
        return self.trainer.source.on_device(images).samples

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Standardised features (N, dim) of images (N, C, H, W)."""
        code = cast("Decoding", self.trainer.recipe).code
        chunks = [code(self.trainer.state, self._ready(each)).cpu() for each in images.split(BATCH)]
        return torch.cat(chunks)

    @torch.no_grad()
    def rebuilt(self, images: Tensor) -> Tensor:
        """A(x), shape of `images`."""
        return torch.cat([self.network(self._ready(each)).cpu() for each in images.split(BATCH)])

    @torch.no_grad()
    def from_feature_alone(self, images: Tensor, others: Tensor) -> Tensor:
        """A(x) with the same skips for every image: their mean over `others`."""
        means = [skip.mean(0, keepdim=True) for skip in self.network.encode(self._ready(others))[1]]
        chunks = []
        for each in images.split(BATCH):
            feature, _ = self.network.encode(self._ready(each))
            skips = tuple(mean.expand(len(each), -1, -1, -1) for mean in means)
            chunks.append(self.network.decode(feature, skips).cpu())
        return torch.cat(chunks)


def part_of(split: Split, most: int = COUNT) -> tuple[Tensor, Tensor | None]:
    """At most `most` images of a part, evenly spread, in [-1, 1], with their labels."""
    count = min(most, len(split), max(SHOWN, VALUES // split.items[0].size))
    rows = np.linspace(0, len(split) - 1, count).astype(int)
    labels = None if split.labels is None else torch.from_numpy(split.labels[rows])
    return as_played(torch.from_numpy(split.items[rows])), labels


def measure(trainer: Trainer) -> tuple[dict[str, Any], np.ndarray]:
    """The measures of the auto-encoder of a running game, and pictures (rows, N, H, W, C): some
    held-out images, rebuilt, and (where there are skips) rebuilt from the feature alone."""
    rebuilder = Rebuilder(trainer)
    train, train_labels = part_of(trainer.data.train)
    test, labels = part_of(trainer.data.test)
    found: dict[str, Any] = {"psnr_cap": CAP}
    rebuilt = rebuilder.rebuilt(test)
    for part, images, made in (
        ("held_out", test, rebuilt),
        ("train", train, rebuilder.rebuilt(train)),
    ):
        pair = in_bytes(images), in_bytes(made)
        found[part] = {
            "count": len(images),
            "psnr": spread(psnr(*pair)),
            "ssim": spread(ssim(*pair)),
        }
    chosen = torch.linspace(0, len(test) - 1, min(SHOWN, len(test))).long()
    rows = [test[chosen], rebuilt[chosen]]
    if rebuilder.network.skips:
        alone = rebuilder.from_feature_alone(test, train[:BATCH])
        pair = in_bytes(test), in_bytes(alone)
        found["feature_alone"] = {"psnr": spread(psnr(*pair)), "ssim": spread(ssim(*pair))}
        rows.append(alone[chosen])
    random = torch.Generator().manual_seed(0)
    copies = (test + NOISE * torch.randn(test.shape, generator=random)).clamp(-1, 1)
    features = rebuilder.features(test)
    found["retrieved"] = round(retrieved(features, rebuilder.features(copies)), 4)
    if labels is not None:
        assert train_labels is not None  # both parts have labels, or none has
        known = rebuilder.features(train)
        found["same_class"] = round(same_class(features, labels, known, train_labels), 4)
        found["same_class_by_pixels"] = round(same_class(test, labels, train, train_labels), 4)
        found["chance"] = round(by_chance(labels, train_labels), 4)
    found["informative"] = is_informative(found)
    return found, np.stack([pictures.to_uint8(row) for row in rows])


def judge_stage(trainer: Trainer, stage: str) -> None:
    """After the last stage of a game that has an auto-encoder: `measures.autoencoder` in run.json
    and `samples/autoencoder.png`, a row each of originals and reconstructions."""
    if stage != trainer.recipe.stages[-1] or "autoencoder" not in trainer.state.players:
        return
    found, rows = measure(trainer)
    losses = cast(Tensor, trainer.state.part_states["features"].losses).tolist()
    found |= {"steps": trainer.stage_steps["autoencoder"], "losses": [round(v, 6) for v in losses]}
    path = trainer.folder.path
    found["picture"] = "samples/autoencoder.png"
    picture = pictures.grid(rows.reshape(-1, *rows.shape[2:]), rows.shape[1])
    pictures.save_png(picture, path / found["picture"])
    known = read_facts(path).get("measures") or {}
    trainer.folder.update_facts(measures={**known, "autoencoder": found})
