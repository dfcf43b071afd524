"""So much noise is put on D's inputs that real and generated samples look alike to it."""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding
from steadygan.stability.signals import number


def look(evidence: Evidence) -> Finding | None:
    sigma = number((evidence.parts().get("instance-noise") or {}).get("sigma")) or 0.0
    if sigma < 1 or evidence.is_good:
        return None
    says = f"noise of standard deviation {sigma:g} is put on D's inputs, which lie in [-1, 1]"
    advice = [Advice("instance-noise.sigma=0.1", "the usual size"),
              Advice("--drop instance-noise", "without it")]  # fmt: skip
    return finding("cause", says, 0.85, [evidence.number("auc", ".6 to 1")], advice, ON_GAME)
