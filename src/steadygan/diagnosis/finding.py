"""Findings: what a symptom file says of a run, with the numbers it rests on and what to change."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

#: exact: decided without a threshold. cause: decided by signals that show the cause itself.
#: effect: what a cause does to the samples or to D. note: no fault by itself, or none at all.
Kind = Literal["exact", "cause", "effect", "note"]
#: Where a headline may come from, the surer kinds first.
KINDS: tuple[Kind, ...] = ("exact", "cause", "effect", "note")
#: How verdicts are headed.
TITLES = {
    "fault": "fault", "unexplained": "bad, cause not found", "improving": "still improving",
    "undecided": "undecided", "healthy": "healthy",
}  # fmt: skip


@dataclass(frozen=True)
class Number:
    """A signal with the value that a finding rests on, what is healthy, and the steps it is of."""

    key: str
    value: float
    healthy: str
    steps: tuple[int, int] | None = None

    def __str__(self) -> str:
        where = "" if self.steps is None else f" (steps {self.steps[0]:,} to {self.steps[1]:,})"
        healthy = f"; healthy: {self.healthy}" if self.healthy else ""
        return f"{self.key} {self.value:.3g}{where}{healthy}"


@dataclass(frozen=True)
class Advice:
    """A change that can be pasted: `settings` as typed after `steadygan train METHOD`, or words
    alone where there is nothing to type; `why` in a sentence."""

    settings: str
    why: str


def as_command(method: str, settings: str) -> str:
    """What is typed to train with the `settings` of advice. A loop or a recipe of one's own, whose
    method is "own", has no command: these are the settings alone."""
    return settings if method in ("", "own") else f"steadygan train {method} ... {settings}"


@dataclass(frozen=True)
class Finding:
    """One thing that holds of a run. `says` is a sentence for people; `step` the first at which it
    held; `confidence` 0 to 1; `source` where the symptom is described."""

    name: str
    kind: Kind
    says: str
    confidence: float
    numbers: tuple[Number, ...] = ()
    advice: tuple[Advice, ...] = ()
    explains: tuple[str, ...] = ()
    source: str = ""
    step: int | None = None

    def as_facts(self) -> dict[str, Any]:
        """As JSON values, for run.json."""
        return asdict(self)


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a run, or that nothing is.

    `verdict` is "fault", "healthy", "improving" (bad so far, still getting better), "unexplained"
    (bad, cause not found) or "undecided" (`needs` says what is missing). `headline` is the cause,
    None without one; `effects` are what it explains, `others` what else holds.
    """

    verdict: Literal["fault", "healthy", "improving", "unexplained", "undecided"]
    headline: Finding | None
    says: str
    effects: tuple[Finding, ...] = ()
    others: tuple[Finding, ...] = ()
    needs: str = ""
    numbers: tuple[Number, ...] = ()

    @property
    def is_fault(self) -> bool:
        return self.verdict in ("fault", "unexplained")

    def as_facts(self) -> dict[str, Any]:
        """As JSON values, for run.json and `--json`."""
        return asdict(self)
