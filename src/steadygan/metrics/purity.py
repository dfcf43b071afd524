"""Do InfoGAN's categories match the classes of the data? Its purity by a classifier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from steadygan.data import Dataset
from steadygan.errors import UserError
from steadygan.features.classifier import classifier_of
from steadygan.priors import Coded
from steadygan.training import pictures
from steadygan.training.sampling import draw_latents, load_parts


def matched_accuracy(categories: np.ndarray, classes: np.ndarray, count: int) -> float:
    """The share of samples whose class is the one matched to their category, under the best
    one-to-one matching of categories to classes (Hungarian algorithm).

    `categories`, `classes`: (N,) integers; a class of `count` or more matches none.
    """
    table = np.zeros((int(categories.max()) + 1, count))
    real = classes < count
    np.add.at(table, (categories[real], classes[real]), 1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / len(categories))


def purity_of_run(
    run: str | Path,
    data: Dataset,
    count: int = 2000,
    say: Callable[[str], None] = print,
    trust_code: bool = False,
) -> float:
    """The purity of a run with a coded prior: `count` samples, their categories against the classes
    that a classifier of `data` gives them (samples it assigns to none count as wrong)."""
    generator, prior, _ = load_parts(run, say, trust_code=trust_code)
    if not isinstance(prior, Coded):
        raise UserError(f"{run}: purity wants categories: a method such as infogan")
    latents = draw_latents(prior, count, seed=0)
    images = torch.cat(list(pictures.generate(generator, latents)))
    classifier = classifier_of(data, say)
    classes = classifier.probabilities(images).argmax(1).numpy()
    return matched_accuracy(prior.category(latents).numpy(), classes, classifier.classes)
