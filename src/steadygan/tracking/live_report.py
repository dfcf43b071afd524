"""A run's report, written again while it trains, so that a browser on the file shows progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steadygan.report import write_report

#: The share of the training time that it may take.
SHARE = 0.01
#: Seconds that the first page is taken to cost; then it is known.
FIRST = 1.5


@dataclass
class LiveReport:
    """Writes report.html at each line with new samples, as long as all of it is at most `SHARE` of
    the training time. A page of a run that is running loads itself again."""

    write: Callable[[Path], Path] = write_report
    clock: Callable[[], float] = time.perf_counter
    spent: float = 0.0
    cost: float = FIRST

    def line(self, run: Path, line: dict[str, Any]) -> None:
        trained = line.get("seconds") or 0.0
        if "samples" not in line or self.spent + self.cost > SHARE * trained:
            return
        started = self.clock()
        self.write(run)
        self.cost = self.clock() - started
        self.spent += self.cost

    def close(self, run: Path) -> None:
        """Who ends a run writes its last report."""
