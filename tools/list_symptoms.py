"""Write docs/symptoms.md and a page a symptom, docs/diagnosis/NAME.md: `python
tools/list_symptoms.py`.

A page is the docstring of the symptom's file, what it says of an example (tests/diagnosis/cases.py)
with its numbers and advice, and how often it was right about the runs that ship with
benchmarks/diagnosis.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.diagnosis.kinds import BY_NAME  # noqa: E402
from benchmarks.diagnosis.score import named, runs_of  # noqa: E402
from steadygan.diagnosis.finding import Advice  # noqa: E402
from steadygan.diagnosis.symptoms import findings, symptoms  # noqa: E402
from tests.diagnosis.cases import CASES, evidence  # noqa: E402

DOCS = ROOT / "docs"
RUNS = ROOT / "benchmarks" / "diagnosis"
KINDS = {"exact": "needs no threshold", "cause": "a cause", "effect": "an effect", "note": "a note"}
HEAD = """# Symptoms

What `steadygan diagnose` and `steadygan.watch` look for. Each is a file in
`src/steadygan/diagnosis/symptoms/`, whose docstring its page repeats (`python
tools/list_symptoms.py` writes this page and those). The last column is of the {count} runs that
ship with `benchmarks/diagnosis`: of how many it is the headline, and of how many of these rightly,
by what was done to the run. How that was measured: [diagnosis.md](diagnosis.md).

| symptom | | what it is | headline, right |
|---|---|---|---|
"""


def counted() -> tuple[int, Counter[str], Counter[str]]:
    """The number of shipped runs, how many have each headline, and how many rightly."""
    told: Counter[str] = Counter()
    right: Counter[str] = Counter()
    lines = [line for path in sorted(RUNS.glob("*.jsonl.gz")) for line in runs_of(path)]
    for line in lines:
        name = named(line)
        told[name] += 1
        kind = BY_NAME[line["kind"]]
        right[name] += name in {*kind.causes, *kind.symptoms} or kind.name.startswith("healthy")
    return len(lines), told, right


def typed(advice: Advice) -> str:
    return f"`{advice.settings}`: {advice.why}" if advice.settings else advice.why


def page_of(name: str, told: int, right: int) -> str:
    """The page of a symptom."""
    doc = (sys.modules[symptoms()[name].__module__].__doc__ or "").strip()
    found = next(f for f in findings(evidence(**CASES[name])) if f.name == name)
    parts = [f"# {name}", doc, "## An example", f"> {found.says}"]
    if found.numbers:
        parts.append("\n".join(f"- {number}" for number in found.numbers))
    if found.advice:
        parts.append("Advice:\n\n" + "\n".join(f"- {typed(advice)}" for advice in found.advice))
    if found.explains:
        parts.append("It explains " + ", ".join(sorted(found.explains)) + ".")
    often = (
        f"The headline of {told} of the runs that ship with `benchmarks/diagnosis`, rightly (as "
        f"cause or effect of what was done to the run) of {right}."
        if told
        else "The headline of none of the runs that ship with `benchmarks/diagnosis`."
    )
    return "\n\n".join(
        [*parts, "## How often it is right", often, "[All symptoms](../symptoms.md)"]
    )


def pages() -> dict[Path, str]:
    """Every page as text, by its path."""
    count, told, right = counted()
    rows, found = [], {}
    for name in symptoms():
        found[DOCS / "diagnosis" / f"{name}.md"] = page_of(name, told[name], right[name]) + "\n"
        doc = (sys.modules[symptoms()[name].__module__].__doc__ or "").strip()
        first = " ".join(doc.split("\n\n")[0].split())
        kind = next(f.kind for f in findings(evidence(**CASES[name])) if f.name == name)
        often = f"{told[name]}, {right[name]}" if told[name] else "-"
        rows.append(f"| [{name}](diagnosis/{name}.md) | {KINDS[kind]} | {first} | {often} |")
    found[DOCS / "symptoms.md"] = HEAD.format(count=count) + "\n".join(rows) + "\n"
    return found


if __name__ == "__main__":
    (DOCS / "diagnosis").mkdir(exist_ok=True)
    written = pages()
    for path in (DOCS / "diagnosis").glob("*.md"):
        if path not in written:
            path.unlink()
    for path, text in written.items():
        path.write_text(text)
