"""Does a run show its data? The share of samples that a classifier of the data recognises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from steadygan.data import Dataset
from steadygan.features.classifier import Classifier, Progress, classifier_of
from steadygan.training import pictures
from steadygan.training.inputs import as_played
from steadygan.training.runfolder import RunFolder, read_facts
from steadygan.training.sampling import draw_latents, load_parts

COUNT = 1000
#: A sample is recognised when the classifier gives one class at least this much.
SURE = 0.5
#: A run shows its data when this share is recognised, in at least half of the classes (of as many
#: as there are samples, where there are more classes).
ENOUGH = 0.5
#: A class is seen when it has this share of an even share of the samples, and one at least.
SEEN = 0.1
#: What the pictures of a data set are called.
NOUNS = {"mnist": "digits", "fashion-mnist": "garments", "hanzi": "characters",
         "hwdb": "characters", "cifar10": "objects"}  # fmt: skip
NOUN = "known classes"


def share_recognised(classifier: Classifier, images: Tensor) -> tuple[float, int]:
    """The share of images recognised as one of the data's, and how many classes are seen.

    Images (N, C, H, W) in [-1, 1].
    """
    sure, chosen = classifier.probabilities(images).max(1)
    recognised = (chosen < classifier.classes) & (sure >= SURE)
    counts = np.bincount(chosen[recognised].numpy(), minlength=classifier.classes)
    wanted = max(1.0, SEEN * len(images) / classifier.classes)
    return float(recognised.float().mean()), int((counts >= wanted).sum())


def judge(classifier: Classifier, images: Tensor, data: Dataset) -> dict[str, Any]:
    """The verdict on samples with its references: held-out real images, and noise."""
    rows = np.linspace(0, len(data.test) - 1, min(COUNT, len(data.test))).astype(int)
    real = as_played(torch.from_numpy(data.test.items[rows]))
    noise = torch.rand(images.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    share, classes_seen = share_recognised(classifier, images)
    shows = share >= ENOUGH and classes_seen >= min(classifier.classes, len(images)) / 2
    noun = NOUNS.get(data.name, NOUN)
    short = f"shows {noun}, of too few classes" if share >= ENOUGH else f"shows no {noun}"
    return {
        "share": round(share, 4),
        "classes_seen": classes_seen,
        "classes": classifier.classes,
        "real": round(share_recognised(classifier, real)[0], 4),
        "noise": round(share_recognised(classifier, noise)[0], 4),
        "count": len(images),
        "classifier_accuracy": round(classifier.accuracy, 4),
        "shows_data": shows,
        "verdict": f"shows {noun}" if shows else short,
    }


def judge_run(
    run: Path,
    data: Dataset,
    say: Callable[[str], None],
    progress: Progress = lambda done, total: None,
    trust_code: bool = False,
) -> None:
    """Put the verdict on a finished run's samples into its run.json. Vectors get none."""
    if len(data.shape) != 3:
        return
    generator, prior, _ = load_parts(run, say, trust_code=trust_code)
    latents = draw_latents(prior, COUNT, seed=0)
    images = torch.cat(list(pictures.generate(generator, latents)))
    verdict = judge(classifier_of(data, say, progress), images, data)
    with RunFolder.open(run) as folder:
        known = read_facts(run).get("measures") or {}
        folder.update_facts(measures={**known, "recognisable": verdict})
