"""Findings of a run while it trains: each is reported once, as soon as it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.ranking import diagnosed
from steadygan.diagnosis.recorder import Evaluate, Prober
from steadygan.training import Goal, Hooks, Stopped, Trainer
from steadygan.training.runfolder import read_facts, read_history

#: A finding by causes is reported from this confidence on; exact ones always are.
SURE = 0.9
#: A total collapse that holds at so many probes in a row is not left any more.
HELD = 4
#: What ends a run under `stop_on_fault` beside exact findings: steps in the wrong direction.
LOST = ("g-trained-backwards", "d-trained-backwards")


@dataclass
class LiveFindings:
    """Called with each probe of a run. `say` is given each finding once, in a line; run.json keeps
    them as `findings`. With `stop_on_fault`, `stopped()` gives the reason to end a run that is
    certainly lost."""

    say: Callable[[str], None] = lambda text: None
    stop_on_fault: bool = False
    _known: set[str] = field(default_factory=set, init=False)
    _collapsed: int = field(default=0, init=False)
    _lost: str = field(default="", init=False)

    def __call__(self, trainer: Trainer, signals: dict[str, float]) -> None:
        path = trainer.folder.path
        now = {"step": trainer.iteration, "images": trainer.images, "probe": signals}
        found = diagnosed(Evidence(read_facts(path), [*read_history(path), now]))
        head = found.headline
        if head is None or found.verdict != "fault":
            self._collapsed = 0
            return
        self._collapsed = self._collapsed + 1 if head.name == "total-collapse" else 0
        sure = head.kind == "exact" or (head.kind == "cause" and head.confidence >= SURE)
        if (sure or self._collapsed >= HELD) and head.name not in self._known:
            self._report(trainer, head)
        if head.kind == "exact" or head.name in LOST or self._collapsed >= HELD:
            self._lost = f"{head.name}: {head.says}"

    def _report(self, trainer: Trainer, head: Finding) -> None:
        self._known.add(head.name)
        self.say(f"finding at step {trainer.iteration:,}: {head.name}: {head.says}")
        known = read_facts(trainer.folder.path).get("findings") or []
        fact = {"name": head.name, "step": trainer.iteration, "says": head.says}
        trainer.folder.update_facts(findings=[*known, fact])

    def stopped(self) -> Stopped | None:
        """Why the run is to end now; None where it goes on."""
        if not (self.stop_on_fault and self._lost):
            return None
        return Stopped(f"stopped on a fault ({self._lost}); its state is saved", 1)


def with_diagnosis(
    hooks: Hooks, goal: Goal, say: Callable[[str], None], stop_on_fault: bool = False
) -> Hooks:
    """`hooks` with probes, and with findings as they appear."""
    live = LiveFindings(say, stop_on_fault)
    evaluate: Evaluate = hooks.evaluate
    stop = hooks.stop
    return Hooks(
        on_iteration=hooks.on_iteration,
        stop=lambda: live.stopped() or stop(),
        on_stage=hooks.on_stage,
        evaluate=Prober(goal, evaluate, live, say),
    )
