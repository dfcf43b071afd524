"""What several symptoms share: advice from the method's sheet, and plain findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding, Kind, Number

#: The effects of a game that does not get anywhere.
ON_SAMPLES = ("bad-samples", "total-collapse", "partial-collapse", "still-improving",
              "saturated-output", "plateau")  # fmt: skip
#: Those, and what a bad game does to D.
ON_GAME = (*ON_SAMPLES, "d-overpowers", "d-too-weak", "hardly-moved", "dead-units")


def finding(
    kind: Kind,
    says: str,
    confidence: float,
    numbers: Sequence[Number] = (),
    advice: Sequence[Advice | None] = (),
    explains: Sequence[str] = (),
    source: str = "",
    step: int | None = None,
) -> Finding:
    """A finding without its name, which is that of its file; advice that is None is left out."""
    given = tuple(each for each in advice if each is not None)
    return Finding("", kind, says, confidence, tuple(numbers), given, tuple(explains), source, step)


def back_to_sheet(evidence: Evidence, *keys: str) -> Advice | None:
    """Undo what the run changes in the method's own settings, of those keys; None where it does
    not. The first advice wherever it applies: of what was tried it helped most often."""
    there = {key: evidence.changes[key] for key in keys if key in evidence.changes}
    if not there:
        return None
    settings = " ".join(f"{key}={typed(before)}" for key, (before, _) in there.items()
                        if before is not None)  # fmt: skip
    said = ", ".join(f"{key} is {typed(now)}" for key, (_, now) in there.items())
    return Advice(settings, f"{evidence.method}'s own value: here {said}")


def scaled(evidence: Evidence, player: str, factor: float, why: str) -> Advice | None:
    """A learning rate times `factor`, as it is typed."""
    rate = evidence.spec(f"{player}_optimizer").get("lr")
    if not isinstance(rate, (int, float)):
        return None
    return Advice(f"{player}_optimizer.lr={rate * factor:.3g}", why)


def typed(value: Any) -> str:
    """A value as one types it."""
    if isinstance(value, (list, tuple)):
        return ",".join(typed(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def longer(evidence: Evidence) -> Advice:
    return Advice("", "give it more: `steadygan resume RUN --more 10m`")
