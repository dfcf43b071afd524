"""One optimizer holds weights of both networks: each of its steps moves both by one loss.

How it shows: G's loss falls to 0 at once while samples stay bad, and D's loss rises. Seen exactly
in a watched loop: an optimizer that steps holds parameters of G and of D.

Why: a list of parameters was left out or concatenated, so that G's step weakens D instead of
improving G.

What helps: give each optimizer the parameters of one network. One optimizer of a loss with the
gradient reversed is no fault: so it is a note where samples are good.

Source: soumith/ganhacks#29 (no list of variables, so that G's step weakens D).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding


def look(evidence: Evidence) -> Finding | None:
    if evidence.facts.get("shared_optimizer") is not True:
        return None
    says = "one optimizer holds weights of both networks, so that each of its steps moves both"
    advice = [Advice("", "give each optimizer the parameters of one network")]
    return finding("exact", says, 1.0, (), advice,
                   (*ON_GAME, "g-trained-backwards", "d-trained-backwards"))  # fmt: skip
