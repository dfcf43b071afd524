"""Many ReLU channels are off for every sample."""

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
