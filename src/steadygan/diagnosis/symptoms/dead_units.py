"""Many ReLU channels are off for every sample.

How it shows: samples are flat or show few shapes, and part of the gradient's entries are exactly 0.
Of the ReLU channels of a network 40 % or more are off for every sample of a probe (`g_dead`,
`d_dead`), and the distance is above .2. Networks without plain ReLU have no such signal.

Why: one large step can move a channel's bias so far that it is never on again, and then no gradient
comes back through it.

What helps: a smaller rate, the default initialisation, or LeakyReLU. Some dead channels are normal,
and beside good samples they are left alone.

Source: mit-han-lab/data-efficient-gans#61 (a massive loss of filters, with black patches in the
images).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import finding, scaled


def look(evidence: Evidence) -> Finding | None:
    dead = {player: evidence.late(f"{player}_dead") or 0.0 for player in ("g", "d")}
    player = max(dead, key=lambda name: dead[name])
    if dead[player] < 0.4 or not evidence.is_bad:
        return None
    says = f"{dead[player]:.0%} of the ReLU channels of {player.upper()} are off for every sample"
    numbers = [evidence.number(f"{player}_dead", "below .1")]
    advice = [scaled(evidence, player, 0.3, "a smaller rate")]
    return finding("effect", says, 0.6, numbers, advice, ("bad-samples",))
