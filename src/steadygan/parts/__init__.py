"""What a recipe adds beside losses: constraints, augmentation, targets, changes of networks.

Importing the package imports every file, so that parts can be found by name.
"""

from steadygan.parts import (
    ada,
    augment,
    constraints,
    equilibrium,
    modify,
    noise,
    normalisation,
    replay,
    targets,
    tricks,
)

__all__ = [
    "ada", "augment", "constraints", "equilibrium", "modify", "noise",
    "normalisation", "replay", "targets", "tricks",
]  # fmt: skip
