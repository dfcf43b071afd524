"""Gradients are never cleared between steps: `zero_grad` is missing.

Seen exactly in a watched loop: no backward since the last step began without a gradient left over.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding


def look(evidence: Evidence) -> Finding | None:
    held = {p: evidence.last(f"{p}_uncleared") or 0.0 for p in ("g", "d")}
    name = max(held, key=lambda player: held[player])
    if held[name] < 5:
        return None
    whose = {"g": "generator", "d": "discriminator"}[name]
    says = f"gradients of the {whose} are never cleared: every step follows the sum of all before"
    numbers = [evidence.number(f"{name}_uncleared", "0", held[name])]
    advice = [Advice("", f"call zero_grad() of the {whose}'s optimizer before each backward")]
    return finding("exact", says, 0.98, numbers, advice, (*ON_GAME, "steps-too-large"))
