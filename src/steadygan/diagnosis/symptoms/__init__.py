"""Symptoms, one a file, found by listing: adding one adds one file here and nothing else.

A symptom file has a docstring (how it shows, why, its source) and `look(evidence)`, which gives a
`Finding` where the symptom holds, and None where it does not or cannot be told. The name of the
file, with `-` for `_`, is the name of its finding; `explains` lists the findings that are its
effects.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding

Look = Callable[[Evidence], Finding | None]


@cache
def symptoms() -> dict[str, Look]:
    """Every symptom by name, in alphabetical order."""
    found: dict[str, Look] = {}
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{__name__}.{info.name}")
        found[info.name.replace("_", "-")] = module.look
    return found


def findings(evidence: Evidence) -> list[Finding]:
    """Everything that holds of a run, in no order."""
    held = {name: look(evidence) for name, look in symptoms().items()}
    return [replace(finding, name=name) for name, finding in held.items() if finding is not None]
