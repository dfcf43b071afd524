"""From what holds of a run to one answer: the cause, its effects, and what else holds.

Exact findings come before causes, causes before effects, surer ones first. A finding that another
one explains is no headline. Notes are none either; without a headline the samples decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from steadygan.diagnosis.advice import fitting
from steadygan.diagnosis.evidence import LEAST, Evidence
from steadygan.diagnosis.finding import KINDS, Diagnosis, Finding, Number
from steadygan.diagnosis.symptoms import findings

#: Faults that samples may have which a probe's distance finds good: of codes, noise or an encoder,
#: which single samples do not show, and of data that G has learned as they are.
HIDDEN = (
    "non-finite", "codes-ignored", "noise-ignored", "encoder-failed", "blank-images", "one-class",
    "unshuffled",
)  # fmt: skip
#: An effect by itself names no cause: below this confidence it is only what is seen.
NAMED = 0.6


def diagnosed(evidence: Evidence) -> Diagnosis:
    """What is wrong with a run, as far as `evidence` can tell."""
    found = fitting(findings(evidence), evidence.recipe)
    held = ordered(as_notes(found) if evidence.is_good else found)
    if few := missing(evidence):  # then only what needs no threshold
        held = [finding for finding in held if finding.kind == "exact"]
    explained = {name for finding in held if finding.kind != "note" for name in finding.explains}
    candidates = [f for f in held if f.kind != "note" and f.name not in explained]
    notes = [f for f in held if f.kind == "note"]
    improving = next((f for f in notes if f.name == "still-improving"), None)
    numbers = of_samples(evidence)
    if candidates and (candidates[0].kind in ("exact", "cause") or not improving):
        head, *rest = candidates
        if head.name != "bad-samples" and (head.kind != "effect" or head.confidence >= NAMED):
            effects = tuple(f for f in held if f.name in head.explains)
            others = tuple(f for f in (*rest, *notes) if f not in effects)
            return Diagnosis("fault", head, head.says, effects, others, numbers=numbers)
    if improving is not None:
        says = f"not good yet, and {improving.says}"
        others = tuple(f for f in held if f is not improving)
        return Diagnosis("improving", improving, says, others=others, numbers=numbers)
    if few:
        if (share := evidence.come) is not None and share > 0.2 and not evidence.is_good:
            says = f"samples have come {share:.0%} of the way from the start, and the run is short"
            return Diagnosis("improving", None, says, others=tuple(held), needs=few,
                             numbers=numbers)  # fmt: skip
        return Diagnosis("undecided", None, f"not enough evidence: {few}", others=tuple(held),
                         needs=few, numbers=numbers)  # fmt: skip
    if evidence.is_bad:
        says = "the samples are bad, and the cause was not found"
        return Diagnosis("unexplained", None, says, others=tuple(held), numbers=numbers)
    good = evidence.is_good and evidence.usable is not False
    says = "healthy so far" if good else "healthy so far; the samples are not good yet"
    return Diagnosis("healthy", None, says, others=tuple(held), numbers=numbers)


def as_notes(held: Sequence[Finding]) -> list[Finding]:
    """What holds of a run with good samples: what does no harm is no fault."""
    return [f if f.name in HIDDEN else replace(f, kind="note") for f in held]


def ordered(held: Sequence[Finding]) -> list[Finding]:
    """Surer kinds first, then surer findings, then those that explain more."""
    return sorted(
        held, key=lambda f: (KINDS.index(f.kind), -f.confidence, -len(f.explains), f.name)
    )


def missing(evidence: Evidence) -> str:
    """What a verdict still needs, in words, or nothing."""
    count = len(evidence.trained)
    if not evidence.probes:
        return "needs probes, which runs of this version take while they train"
    if count < LEAST:
        return f"needs {LEAST - count} more probes: train on with `steadygan resume`"
    return ""


def of_samples(evidence: Evidence) -> tuple[Number, ...]:
    """The numbers that every answer shows."""
    wanted = (("ema_way", "0 to .15"), ("diversity", ".8 to 1.1"), ("auc", ".6 to .98"))
    return tuple(evidence.number(key, healthy) for key, healthy in wanted
                 if evidence.late(key) is not None)  # fmt: skip
