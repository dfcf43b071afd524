"""Train GANs that stay stable, and prove it.

The names below are the whole public list; each is imported when first asked for, so that the
command line answers without waiting for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steadygan.data import Dataset, DataSettings, open_data
    from steadygan.errors import SteadyGanError, UserError
    from steadygan.game.recipe import Recipe
    from steadygan.losses.information import category_information
    from steadygan.losses.l2 import discriminator_l2, generator_l2
    from steadygan.losses.least_squares import least_squares_d_loss, least_squares_g_loss
    from steadygan.losses.objectives import (
        bce_d_loss,
        hinge_d_loss,
        hinge_g_loss,
        minimax_g_loss,
        non_saturating_g_loss,
        wasserstein_d_loss,
        wasserstein_g_loss,
    )
    from steadygan.losses.penalties import GradientPenalty, gradient_penalty, r1_penalty
    from steadygan.methods import find as find_method
    from steadygan.methods import methods as all_methods
    from steadygan.networks import OwnNetworks
    from steadygan.parts.constraints import WeightClip
    from steadygan.report import write_report
    from steadygan.training import replay, resume, train
    from steadygan.training.sampling import load_generator, sample

_HOME = {
    "DataSettings": "data",
    "Dataset": "data",
    "GradientPenalty": "losses.penalties",
    "OwnNetworks": "networks",
    "Recipe": "game.recipe",
    "SteadyGanError": "errors",
    "UserError": "errors",
    "WeightClip": "parts.constraints",
    "bce_d_loss": "losses.objectives",
    "category_information": "losses.information",
    "discriminator_l2": "losses.l2",
    "find_method": "methods:find",
    "generator_l2": "losses.l2",
    "gradient_penalty": "losses.penalties",
    "hinge_d_loss": "losses.objectives",
    "hinge_g_loss": "losses.objectives",
    "least_squares_d_loss": "losses.least_squares",
    "least_squares_g_loss": "losses.least_squares",
    "load_generator": "training.sampling",
    "all_methods": "methods:methods",
    "minimax_g_loss": "losses.objectives",
    "non_saturating_g_loss": "losses.objectives",
    "open_data": "data",
    "r1_penalty": "losses.penalties",
    "replay": "training",
    "resume": "training",
    "sample": "training.sampling",
    "train": "training",
    "wasserstein_d_loss": "losses.objectives",
    "wasserstein_g_loss": "losses.objectives",
    "write_report": "report",
}

__all__ = [
    "DataSettings",
    "Dataset",
    "GradientPenalty",
    "OwnNetworks",
    "Recipe",
    "SteadyGanError",
    "UserError",
    "WeightClip",
    "all_methods",
    "bce_d_loss",
    "category_information",
    "discriminator_l2",
    "find_method",
    "generator_l2",
    "gradient_penalty",
    "hinge_d_loss",
    "hinge_g_loss",
    "least_squares_d_loss",
    "least_squares_g_loss",
    "load_generator",
    "minimax_g_loss",
    "non_saturating_g_loss",
    "open_data",
    "r1_penalty",
    "replay",
    "resume",
    "sample",
    "train",
    "wasserstein_d_loss",
    "wasserstein_g_loss",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'steadygan' has no attribute '{name}'")
    home, _, there = _HOME[name].partition(":")
    return getattr(importlib.import_module(f"steadygan.{home}"), there or name)


def __dir__() -> list[str]:
    return sorted(__all__)
