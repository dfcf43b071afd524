"""The game: pure tensor maths. No files, devices, loggers or step counters live here.

Importing the package imports every family of parts, so that they can be found by name.
"""

from steadygan.game import (
    augment,
    classes,
    constraints,
    energy,
    information,
    l2,
    least_squares,
    margins,
    matching,
    noise,
    normalisation,
    objectives,
    optimizers,
    penalties,
    priors,
    rebuilds,
    regularisers,
    relativistic,
    replay,
    targets,
    tricks,
)

__all__ = [
    "augment", "classes", "constraints", "energy", "information", "l2", "least_squares",
    "margins", "matching", "noise", "normalisation", "objectives", "optimizers", "penalties",
    "priors", "rebuilds", "regularisers", "relativistic", "replay", "targets", "tricks",
]  # fmt: skip
