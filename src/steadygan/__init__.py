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
    from steadygan.game.constraints import WeightClip
    from steadygan.game.information import category_information
    from steadygan.game.l2 import discriminator_l2, generator_l2
    from steadygan.game.least_squares import least_squares_d_loss, least_squares_g_loss
    from steadygan.game.objectives import (
        bce_d_loss,
        hinge_d_loss,
        hinge_g_loss,
        minimax_g_loss,
        non_saturating_g_loss,
        wasserstein_d_loss,
        wasserstein_g_loss,
    )
    from steadygan.game.penalties import GradientPenalty, gradient_penalty, r1_penalty
    from steadygan.game.recipe import Recipe
    from steadygan.methods import find as find_method
    from steadygan.methods import methods as all_methods
    from steadygan.networks import OwnNetworks
    from steadygan.report import write_report
    from steadygan.training import replay, resume, train
    from steadygan.training.sampling import load_generator, sample

_HOME = {
    "DataSettings": "data",
    "Dataset": "data",
    "GradientPenalty": "game.penalties",
    "OwnNetworks": "networks",
    "Recipe": "game.recipe",
    "SteadyGanError": "errors",
    "UserError": "errors",
    "WeightClip": "game.constraints",
    "bce_d_loss": "game.objectives",
    "category_information": "game.information",
    "discriminator_l2": "game.l2",
    "find_method": "methods:find",
    "generator_l2": "game.l2",
    "gradient_penalty": "game.penalties",
    "hinge_d_loss": "game.objectives",
    "hinge_g_loss": "game.objectives",
    "least_squares_d_loss": "game.least_squares",
    "least_squares_g_loss": "game.least_squares",
    "load_generator": "training.sampling",
    "all_methods": "methods:methods",
    "minimax_g_loss": "game.objectives",
    "non_saturating_g_loss": "game.objectives",
    "open_data": "data",
    "r1_penalty": "game.penalties",
    "replay": "training",
    "resume": "training",
    "sample": "training.sampling",
    "train": "training",
    "wasserstein_d_loss": "game.objectives",
    "wasserstein_g_loss": "game.objectives",
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
