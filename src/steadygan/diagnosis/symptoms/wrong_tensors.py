"""One optimizer holds weights of both networks: each of its steps moves both by one loss.

soumith/ganhacks#29: no list of variables, so that G's step weakens D. One optimizer of a loss with
the gradient reversed is no fault: so it is a note where samples are good.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding, Kind
from steadygan.diagnosis.rules import ON_GAME, finding


def look(evidence: Evidence) -> Finding | None:
    if evidence.facts.get("shared_optimizer") is not True:
        return None
    says = "one optimizer holds weights of both networks, so that each of its steps moves both"
    advice = [Advice("", "give each optimizer the parameters of one network")]
    kind: Kind = "note" if evidence.is_good else "exact"
    return finding(kind, says, 1.0, (), advice,
                   (*ON_GAME, "g-trained-backwards", "d-trained-backwards"))  # fmt: skip
