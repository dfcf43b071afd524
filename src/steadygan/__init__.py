"""Train GANs that stay stable, and prove it.

The names below are the whole public list; each is imported when first asked for, so that the
command line answers without waiting for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steadygan.data import Dataset as Dataset
    from steadygan.data import DataSettings as DataSettings
    from steadygan.data import open_data as open_data
    from steadygan.diagnosis.diagnose import diagnose as diagnose
    from steadygan.errors import SteadyGanError as SteadyGanError
    from steadygan.errors import UserError as UserError
    from steadygan.game.recipe import Recipe as Recipe
    from steadygan.losses.information import category_information as category_information
    from steadygan.losses.l2 import discriminator_l2 as discriminator_l2
    from steadygan.losses.l2 import generator_l2 as generator_l2
    from steadygan.losses.least_squares import least_squares_d_loss as least_squares_d_loss
    from steadygan.losses.least_squares import least_squares_g_loss as least_squares_g_loss
    from steadygan.losses.objectives import (
        bce_d_loss as bce_d_loss,
    )
    from steadygan.losses.objectives import (
        hinge_d_loss as hinge_d_loss,
    )
    from steadygan.losses.objectives import (
        hinge_g_loss as hinge_g_loss,
    )
    from steadygan.losses.objectives import (
        minimax_g_loss as minimax_g_loss,
    )
    from steadygan.losses.objectives import (
        non_saturating_g_loss as non_saturating_g_loss,
    )
    from steadygan.losses.objectives import (
        wasserstein_d_loss as wasserstein_d_loss,
    )
    from steadygan.losses.objectives import (
        wasserstein_g_loss as wasserstein_g_loss,
    )
    from steadygan.losses.penalties import GradientPenalty as GradientPenalty
    from steadygan.losses.penalties import gradient_penalty as gradient_penalty
    from steadygan.losses.penalties import r1_penalty as r1_penalty
    from steadygan.methods import find as find_method  # noqa: F401 - in _HOME
    from steadygan.methods import methods as all_methods  # noqa: F401 - in _HOME
    from steadygan.networks import OwnNetworks as OwnNetworks
    from steadygan.parts.constraints import WeightClip as WeightClip
    from steadygan.report import write_report as write_report
    from steadygan.training import replay as replay
    from steadygan.training import resume as resume
    from steadygan.training import train as train
    from steadygan.training.generator import load_generator as load_generator
    from steadygan.training.sample_files import sample as sample
    from steadygan.watching import watch as watch

#: Where each public name is: a module, and the name there where it is another.
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
    "diagnose": "diagnosis.diagnose",
    "discriminator_l2": "losses.l2",
    "find_method": "methods:find",
    "generator_l2": "losses.l2",
    "gradient_penalty": "losses.penalties",
    "hinge_d_loss": "losses.objectives",
    "hinge_g_loss": "losses.objectives",
    "least_squares_d_loss": "losses.least_squares",
    "least_squares_g_loss": "losses.least_squares",
    "load_generator": "training.generator",
    "all_methods": "methods:methods",
    "minimax_g_loss": "losses.objectives",
    "non_saturating_g_loss": "losses.objectives",
    "open_data": "data",
    "r1_penalty": "losses.penalties",
    "replay": "training",
    "resume": "training",
    "sample": "training.sample_files",
    "train": "training",
    "watch": "watching",
    "wasserstein_d_loss": "losses.objectives",
    "wasserstein_g_loss": "losses.objectives",
    "write_report": "report",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'steadygan' has no attribute '{name}'")
    home, _, there = _HOME[name].partition(":")
    return getattr(importlib.import_module(f"steadygan.{home}"), there or name)


def __dir__() -> list[str]:
    return sorted(_HOME)
