"""Gradients are never cleared between steps: `zero_grad` is missing.

How it shows: the gradient norm grows about evenly with the steps, and samples soon run away. Seen
exactly in a watched loop: at the last probe every backward of five steps in a row or more began
with a gradient left over (`g_uncleared`, `d_uncleared`).

Why: every step then follows the sum of all gradients so far, most of them of networks long past.

What helps: call `zero_grad()` of the network's own optimizer before each backward of its loss. Sums
over several backwards of one step, as for large batches, do not alarm. Nor does a gradient of the
other player's loss that is left over, which needs the same call.

Source: Lightning-AI/pytorch-lightning#591 (gradients of the other network's backward left over: no
GAN trained).
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
