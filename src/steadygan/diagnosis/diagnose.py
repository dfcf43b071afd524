"""The diagnosis of a run folder: computed, kept in run.json, and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import TITLES, Advice, Diagnosis, as_command
from steadygan.diagnosis.ranking import diagnosed
from steadygan.training.runfolder import RunFolder

#: How many alternatives and pieces of advice are shown.
MOST = 3


def diagnose(run: Path | str) -> Diagnosis:
    """What is wrong with the run in a folder, or that nothing is. Raises `UserError` where it is no
    run folder."""
    return diagnosed(Evidence.of_run(Path(run)))


def conclude(run: Path) -> Diagnosis:
    """Diagnose a run that has ended, and keep the answer in its run.json."""
    found = diagnose(run)
    with RunFolder.open(run) as folder:
        folder.update_facts(diagnosis=as_recorded(found))
    return found


def as_recorded(found: Diagnosis) -> dict[str, Any]:
    """A diagnosis as JSON values; numbers that are not finite are left out."""
    return _plain(found.as_facts())


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    return value


def in_words(found: Diagnosis, method: str, run: str) -> Iterator[str]:
    """A diagnosis as lines of text; `method` and `run` are what commands are given."""
    yield f"{TITLES[found.verdict]}: {found.says}"
    head = found.headline
    if head is not None and found.verdict == "fault":
        yield f"  {head.name}, confidence {head.confidence:.0%}"
    shown = head.numbers if head is not None and head.numbers else found.numbers
    for number in shown:
        yield f"  {number}"
    if found.effects:
        yield "  explains: " + "; ".join(f"{f.name} ({f.says})" for f in found.effects)
    if head is not None:
        for advice in head.advice[:MOST]:
            yield f"  try: {command(advice, method, run)}"
    others = [f for f in found.others if f.name != "bad-samples"]
    for other in others[:MOST]:
        numbers = "; ".join(str(number) for number in other.numbers)
        yield f"  also: {other.name}: {other.says}" + (f" ({numbers})" if numbers else "")


def command(advice: Advice, method: str, run: str) -> str:
    """A piece of advice as a line that can be pasted, with its reason."""
    why = advice.why.replace("RUN", run)
    return f"{as_command(method, advice.settings)}  ({why})" if advice.settings else why


def first_line(found: Diagnosis) -> str:
    """A diagnosis in a line."""
    return f"diagnosis: {TITLES[found.verdict]}: {found.says}"
