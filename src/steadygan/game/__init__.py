"""The game: pure tensor maths. No files, devices, loggers or step counters live here.

Importing the package imports every family of parts, so that they can be found by name.
"""

from steadygan.game import (
    constraints,
    information,
    objectives,
    optimizers,
    penalties,
    priors,
    tricks,
)

__all__ = [
    "constraints", "information", "objectives", "optimizers", "penalties", "priors", "tricks",
]  # fmt: skip
