"""What is known of a run: its facts, its history and its probes. Each of them may be absent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from statistics import median
from typing import Any

from steadygan.diagnosis.finding import Number
from steadygan.diagnosis.sheet import changes_of
from steadygan.records import read_facts, read_history
from steadygan.stability.curve import RELAPSE, Levels, evaluations_in, late_slope, levels_of, ratio
from steadygan.stability.signals import number

#: The share of probes, the last ones, that medians are taken over.
LAST = 1 / 3
#: Probes after the start that a symptom of the game needs.
LEAST = 3
#: What good runs of each method show; `benchmarks/diagnosis/bands.py` writes it.
BANDS = Path(__file__).with_name("bands.json")


@cache
def healthy_bands() -> dict[str, dict[str, tuple[float, float]]]:
    """The range of a signal in good untouched runs, by method and signal: 5th to 95th percentile of
    its late values in the runs that ship with `benchmarks/diagnosis`."""
    return json.loads(BANDS.read_text())


@dataclass(frozen=True)
class Evidence:
    """`facts` is run.json, `history` the lines of history.jsonl in order of their steps."""

    facts: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]] = field(default_factory=list)

    @classmethod
    def of_run(cls, folder: Path) -> Evidence:
        """That of a run folder."""
        return cls(read_facts(folder), list(read_history(folder)))

    # ---- facts -------------------------------------------------------------------------------

    @property
    def method(self) -> str:
        return str(self.facts.get("method") or "")

    @property
    def recipe(self) -> Mapping[str, Any]:
        found = self.facts.get("recipe")
        return found if isinstance(found, Mapping) else {}

    @property
    def objective(self) -> str:
        return str(self.spec("objective").get("name", ""))

    def parts(self) -> dict[str, Mapping[str, Any]]:
        """The parts of the recipe by name."""
        found = {}
        for side in ("on_d", "on_g", "shared", "tricks"):
            parts = self.recipe.get(side)
            for part in parts if isinstance(parts, (list, tuple)) else ():
                if isinstance(part, Mapping) and isinstance(part.get("name"), str):
                    found[part["name"]] = part
        return found

    def spec(self, name: str) -> Mapping[str, Any]:
        """The recorded settings of `networks`, `d_optimizer`, ...; empty where there are none."""
        found = self.recipe.get(name)
        return found if isinstance(found, Mapping) else {}

    @cached_property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """What differs from the method's own settings: the key, and the value there and here."""
        return changes_of(self.method, self.recipe)

    def rate_factor(self, player: str) -> float:
        """How many times the method's learning rate a player has; 1 where it has that."""
        there, here = self.changes.get(f"{player}_optimizer.lr", (None, None))
        before, now = number(there), number(here)
        return now / before if before and now else 1.0

    # ---- probes ------------------------------------------------------------------------------

    @cached_property
    def probes(self) -> list[tuple[int, Mapping[str, float]]]:
        """(step, signals) of each probe, the first perhaps before training."""
        return [(int(line["step"]), line["probe"]) for line in self.history
                if isinstance(line.get("probe"), Mapping)]  # fmt: skip

    @property
    def trained(self) -> list[tuple[int, Mapping[str, float]]]:
        """The probes after the start."""
        return [(step, signals) for step, signals in self.probes if step > 0]

    def series(self, key: str, start: bool = False) -> list[tuple[int, float]]:
        """(step, value) of a signal, without the probe before training unless `start`."""
        probes = self.probes if start else self.trained
        found = [(step, number(signals.get(key))) for step, signals in probes]
        return [(step, value) for step, value in found if value is not None]

    def late(self, key: str) -> float | None:
        """The median of a signal over the last third of the probes; None where it is not known."""
        values = [value for _, value in self.series(key)]
        return median(values[-max(1, round(LAST * len(values))) :]) if values else None

    def last(self, key: str) -> float | None:
        values = self.series(key)
        return values[-1][1] if values else None

    def at_start(self, key: str) -> float | None:
        """A signal before training."""
        known = self.probes[0][1].get(key) if self.probes and self.probes[0][0] == 0 else None
        return number(known)

    def of_data(self, key: str) -> float | None:
        """A signal of the data, by the first probe that has it: before training in runs of ours,
        later in watched loops."""
        known = self.series(key, start=True)
        return known[0][1] if known else None

    def share(self, key: str, low: float = float("-inf"), high: float = float("inf")) -> float:
        """The share of probes after the start at which a signal lies from `low` to `high`; 0 where
        it is never known."""
        values = [value for _, value in self.series(key)]
        return sum(low <= v <= high for v in values) / len(values) if values else 0.0

    def number(self, key: str, healthy: str, value: float | None = None) -> Number:
        """A signal as a finding shows it: its late value, and the steps that is of. `healthy` is
        said where no band was measured for the method (see `healthy_bands`)."""
        low, high = healthy_bands().get(self.method, {}).get(key, (None, None))
        if low is not None and high is not None:
            healthy = f"{low:g} to {high:g}"
        series = self.series(key)
        value = self.late(key) if value is None else value
        late = series[-max(1, round(LAST * len(series))) :]
        steps = (late[0][0], late[-1][0]) if late else None
        return Number(key, float("nan") if value is None else value, healthy, steps)

    # ---- history -----------------------------------------------------------------------------

    def logged(self, key: str) -> list[tuple[int, float]]:
        """(step, value) of a key of the log."""
        found = [(int(line["step"]), number(line.get(key))) for line in self.history]
        return [(step, value) for step, value in found if value is not None]

    @property
    def steps(self) -> int:
        return int(self.history[-1]["step"]) if self.history else 0

    # ---- samples -----------------------------------------------------------------------------

    @property
    def way(self) -> float | None:
        """How far the samples that a user gets lie from real ones, 0, towards noise, 1, at the
        end."""
        average = self.late("ema_way")
        return self.late("way") if average is None else average

    @property
    def is_bad(self) -> bool:
        if self.of_points and self.usable is not None:
            return not self.usable
        return self.way is not None and self.way > BAD

    @property
    def is_good(self) -> bool:
        if self.of_points and self.usable is not None:
            return self.usable
        return self.way is not None and self.way <= GOOD

    @property
    def come(self) -> float | None:
        """The share of the distance before training that the samples have come by the end."""
        start, now = self.at_start("way"), self.last("way")
        return None if not start or now is None else 1 - now / start

    @cached_property
    def evaluated(self) -> list[tuple[int, float]]:
        """(step, distance above that of real samples) of the evaluations during training after the
        start. They are of hundreds of samples or thousands, a probe of 128: where both are there,
        these tell the course. Empty with fewer than `LEAST`, or where the last one is long past.
        """
        found = [(int(line["step"]), self.levels.excess(distance))
                 for line, distance in evaluations_in(self.history)
                 if distance is not None and line["step"] > 0]  # fmt: skip
        late = bool(found) and found[-1][0] >= (1 - LAST / 3) * self.steps
        return found if len(found) >= LEAST and late else []

    @property
    def levels(self) -> Levels:
        """The distances of real samples and of noise that the evaluations are held against."""
        known = self.facts.get("evaluation")
        return levels_of(known if isinstance(known, Mapping) else {})

    @property
    def usable(self) -> bool | None:
        """Whether the last samples are usable by the evaluation at the end (docs/stability.md);
        None where there is none, or no level to hold it against."""
        found = evaluations_in(self.history)
        if not found or found[-1][0]["step"] < (1 - LAST / 3) * self.steps:
            return None
        distance = found[-1][1]
        return self.levels.usable(distance) if distance is not None and self.levels.known else None

    @property
    def of_points(self) -> bool:
        """Whether the samples are points: so few numbers each that 128 of them lie as far from
        other 128 of the data as from noise, and that probes say little of how good they are."""
        data = self.facts.get("data")
        shape = data.get("shape") if isinstance(data, Mapping) else None
        return isinstance(shape, (list, tuple)) and len(shape) == 1

    @property
    def kept_best(self) -> bool:
        """Whether the evaluations say that the last samples are about as near as the best ones."""
        far = [value for _, value in self.evaluated]
        return bool(far) and ratio(far[-1], min(far)) <= RELAPSE

    @property
    def fell(self) -> float:
        """By what share the distance of the samples fell in the last third of the run."""
        if self.evaluated and (slope := late_slope(self.evaluated)) is not None:
            return 1 - (1 / (1 - LAST)) ** slope
        key = "ema_way" if self.late("ema_way") is not None else "way"
        series = self.series(key)
        if len(series) < LEAST:
            return 0.0
        end, value = series[-1]
        before = [v for step, v in series if step <= (1 - LAST) * end]
        return 1 - value / before[-1] if before and before[-1] > 0 else 0.0


#: Above `BAD` samples of a run are not worth having, up to `GOOD` they are: see
#: `benchmarks/diagnosis` for the runs that these were read off.
BAD, GOOD = 0.2, 0.15
