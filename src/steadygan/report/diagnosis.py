"""What run.json says went wrong: the verdict of each run, its numbers, and small curves of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from steadygan.diagnosis.finding import TITLES, as_command
from steadygan.report.facts import as_dict, as_list
from steadygan.report.read import Run, Study, dig
from steadygan.report.samples import read_png, source
from steadygan.report.text import count, words
from steadygan.stability.signals import number

#: The tone of a verdict's mark.
TONES = {"fault": "bad", "unexplained": "bad", "improving": "poor", "healthy": "good"}
#: Size of a curve in its picture, and the most pieces of advice and alternatives shown.
WIDTH, HEIGHT, MOST = 180, 44, 4
#: Pictures of evidence in the run folder, what they show, and the findings that they are shown of.
PICTURES = {
    "samples/twins.png": (
        "The samples that are nearest to another one; below them that other one, and the nearest "
        "real image.",
        {"total-collapse", "partial-collapse", "within-class-collapse", "classes-missing",
         "latent-ignored", "noise-ignored", "copies", "few-images", "d-memorises"},
    ),
    "samples/modes.png": (
        "The same latents by the generator in training mode, in eval mode, and by its moving "
        "average.",
        {"train-eval-gap", "stale-average"},
    ),
}  # fmt: skip
#: Cards of a study that stand open.
MOST_OPEN = 6


@dataclass(frozen=True)
class Row:
    """A number of a finding: its value beside what is healthy, and its course over the run."""

    key: str
    value: str
    healthy: str
    steps: str
    curve: Curve | None


@dataclass(frozen=True)
class Curve:
    """A signal over the run as an SVG path, with the healthy band (top and height) where it is
    given as a range, and the least and largest value."""

    path: str
    band: tuple[float, float] | None
    low: str
    high: str


@dataclass(frozen=True)
class Card:
    """The diagnosis of one run."""

    run: int
    verdict: str
    tone: str
    says: str
    name: str
    confidence: str
    rows: list[Row]
    effects: list[str]
    advice: list[tuple[str, str]]
    others: list[str]
    pictures: list[tuple[str, str]]


def cards(study: Study) -> list[Card]:
    """A card for each run that has a diagnosis, faults first."""
    found = [card for index, run in enumerate(study.runs) if (card := card_of(index, run))]
    order = list(TITLES.values())
    return sorted(found, key=lambda card: order.index(card.verdict))


def shown(study: Study) -> tuple[list[Card], list[Card]]:
    """The cards that stand open, and those that are folded: of a study the healthy ones, and all
    after `MOST_OPEN`."""
    found = cards(study)
    if study.single:
        return found, []
    first = [card for card in found if card.verdict != TITLES["healthy"]][:MOST_OPEN]
    return first, [card for card in found if card not in first]


def first_line(study: Study) -> str:
    """The diagnosis of a single run, or how many runs of a study have which, in a sentence."""
    found = cards(study)
    if not found:
        return ""
    if study.single:
        return f"Diagnosis: {found[0].verdict}: {found[0].says}."
    counted = {verdict: sum(c.verdict == verdict for c in found) for verdict in TITLES.values()}
    said = [f"{n} {verdict}" for verdict, n in counted.items() if n]
    return f"Diagnosis of {count(len(found))} runs: {', '.join(said)}."


def in_short(run: Run) -> tuple[str, str]:
    """(the finding's name or the verdict, its tone) of a run; empty where it has no diagnosis."""
    card = card_of(0, run)
    if card is None:
        return "", ""
    return (card.name if card.verdict == TITLES["fault"] else card.verdict), card.tone


def card_of(index: int, run: Run) -> Card | None:
    """The card of a run; None where run.json has no diagnosis that can be read."""
    found = as_dict(run.get("diagnosis"))
    verdict = TITLES.get(str(found.get("verdict")))
    if verdict is None:
        return None
    head = as_dict(found.get("headline"))
    numbers = as_list(head.get("numbers")) or as_list(found.get("numbers"))
    sure = number(head.get("confidence"))
    method = words(run.get("method"))
    return Card(
        run=index,
        verdict=verdict,
        tone=tone_of(run, found),
        says=words(found.get("says")),
        name=words(head.get("name")) if head else "",
        confidence=f"{sure:.0%}" if sure is not None and verdict == "fault" else "",
        rows=[row_of(run, as_dict(each)) for each in numbers],
        effects=[_said(each) for each in as_list(found.get("effects"))],
        advice=[
            _advised(as_dict(each), method, str(run.folder))
            for each in as_list(head.get("advice"))[:MOST]
        ],
        others=[
            _said(each) for each in as_list(found.get("others"))[:MOST]
            if dig(each, "name") != "bad-samples"
        ],
        pictures=pictures_of(run, {
            words(dig(each, "name"))
            for each in (head, *as_list(found.get("effects")), *as_list(found.get("others")))
        }),
    )  # fmt: skip


def tone_of(run: Run, found: dict[str, Any]) -> str:
    """The tone of a verdict. That no fault was found is no praise of samples which are not good yet
    or do not show the data."""
    verdict = str(found.get("verdict"))
    shows = run.get("measures", "recognisable", "shows_data")
    if verdict == "healthy" and (shows is False or "not good yet" in words(found.get("says"))):
        return ""
    return TONES.get(verdict, "")


def pictures_of(run: Run, names: set[str]) -> list[tuple[str, str]]:
    """(source, caption) of the pictures that show findings of these names, where they are there."""
    found = []
    for path, (caption, shown_of) in PICTURES.items():
        if names & shown_of and (png := read_png(run.folder, path)):
            found.append((source(png), caption))
    return found


def _said(finding: Any) -> str:
    return f"{words(dig(finding, 'name'))}: {words(dig(finding, 'says'))}"


def _advised(advice: dict[str, Any], method: str, run: str) -> tuple[str, str]:
    """(what to paste or nothing, why)."""
    settings = str(advice.get("settings") or "")
    line = as_command(method, words(settings)) if settings else ""
    return line, words(advice.get("why")).replace("RUN", run)


def row_of(run: Run, facts: dict[str, Any]) -> Row:
    """A number with its curve."""
    key, value = words(facts.get("key")), number(facts.get("value"))
    ends = [number(each) for each in as_list(facts.get("steps"))]
    steps = "" if len(ends) != 2 or None in ends else f"{count(ends[0])} to {count(ends[1])}"
    healthy = words(facts.get("healthy"))
    said = "—" if value is None else f"{value:.3g}"
    return Row(key, said, healthy, steps, curve_of(run, key, healthy))


def curve_of(run: Run, key: str, healthy: str) -> Curve | None:
    """A probe's signal over the steps of the run; None with fewer than two values."""
    points = [(number(line.get("step")), number(dig(line, "probe", key))) for line in run.history]
    known = [(x, y) for x, y in points if x is not None and y is not None]
    if len(known) < 2:
        return None
    band = range_of(healthy)
    values = [y for _, y in known] + [end for end in band or () if end is not None]
    low, high = min(0.0, *values), max(values)
    high += 0.1 * (high - low)  # a band that ends above all values still shows
    spread, last = (high - low) or 1.0, known[-1][0] or 1.0

    def place(y: float) -> float:
        return round(HEIGHT - 2 - (y - low) / spread * (HEIGHT - 4), 1)

    path = " ".join(f"{'L' if i else 'M'}{round(x / last * WIDTH, 1)} {place(y)}"
                    for i, (x, y) in enumerate(known))  # fmt: skip
    drawn = None
    if band is not None:
        bottom = HEIGHT if band[0] is None else place(band[0])
        top = 0.0 if band[1] is None else place(band[1])
        drawn = (top, round(max(0.5, bottom - top), 1))
    return Curve(path, drawn, f"{min(y for _, y in known):.3g}", f"{max(y for _, y in known):.3g}")


def range_of(healthy: str) -> tuple[float | None, float | None] | None:
    """(from, to) of what is said to be healthy: `0 to .2`, `above .1`, `below .05`, or None."""
    decimal = r"(-?\d*\.?\d+)"
    if found := re.match(rf"{decimal} to {decimal}", healthy):
        return float(found[1]), float(found[2])
    if found := re.match(rf"above {decimal}", healthy):
        return float(found[1]), None
    if found := re.match(rf"below {decimal}", healthy):
        return None, float(found[1])
    return None
