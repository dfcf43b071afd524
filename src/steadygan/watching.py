"""`watch`: the probes and the diagnosis for a training loop that is not ours.

Hooks on the two networks and on torch's optimizers see what the loop does; nothing in the loop
changes, and nothing is moved: no weight, buffer, gradient or random state. Where the hooks cannot
tell real samples from generated ones (augmented or concatenated batches) the watcher says so, and
takes `watcher.real(x)` and `watcher.fake(x)`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.utils.hooks import RemovableHandle

from steadygan.diagnosis.diagnose import as_recorded, first_line
from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Diagnosis
from steadygan.diagnosis.movement import Movement
from steadygan.diagnosis.probe import (
    COUNT,
    Kind,
    Reference,
    Subject,
    probe,
    signals_of_batch,
    signals_of_data,
)
from steadygan.diagnosis.ranking import diagnosed
from steadygan.errors import UserError
from steadygan.files import json_text, write_whole
from steadygan.game.player import frozen_buffers
from steadygan.training import pictures
from steadygan.training.facts import versions

#: G's steps between probes at first; the gap grows by `GROWTH`, so that few probes see a long run.
FIRST, GROWTH = 20, 1.35
#: The share of the loop's time that probes may take.
COST = 0.03
#: So many steps of one network without one of the other say that the other is never stepped.
PATIENCE = 20
#: D's steps without a sample that can be told as generated, after which scores are left out.
UNCLEAR = 3
#: Samples in a grid.
GRID = 64
T = TypeVar("T", bound=Tensor)


@dataclass
class _Player:
    """What is known of one network of the loop."""

    module: nn.Module
    movement: Movement = field(default_factory=Movement)
    steps: int = 0
    waited: int = 0  # steps of the other one since one of its own
    gain: float | None = None
    before: float | None = None
    optimizer: Optimizer | None = None
    backwards: int = 0  # since its last step
    cleared: bool = False  # one of them began with no gradient left over
    carried: int = 0  # steps in a row before which none did

    @property
    def parameters(self) -> list[nn.Parameter]:
        return list(self.module.parameters())


class Watcher:
    """Watch a training loop of one's own; call it before the first step.

        watcher = steadygan.watch(generator, discriminator)
        ...                                  # the loop as it is
        watcher.report("runs/mine")

    `heldout` (n, ...) are samples that the loop never trains on, as the discriminator would be
    given them: with them memorising is seen. `real_is_high=False` for a discriminator that scores
    real samples low. `every` probes after so many steps of G; by default at growing gaps, in at
    most 3 % of the loop's time. Findings are given to `say` as they appear.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        heldout: Tensor | None = None,
        real_is_high: bool = True,
        every: int | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self.players = {"g": _Player(_bare(generator)), "d": _Player(_bare(discriminator))}
        self.heldout, self.real_is_high, self.say = heldout, real_is_high, say
        self.every = every
        self.history: list[dict[str, Any]] = []
        self.started, self.spent = time.perf_counter(), 0.0
        self._latents: tuple[Any, ...] | None = None
        self._made: Tensor | None = None  # G's last output, for its storage
        self._real: list[Tensor] = []  # of the first batches, until there are `COUNT`
        self._batch: Tensor | None = None
        self._given: dict[str, tuple[Tensor, ...]] = {}  # D's other inputs with each kind
        self._reference: Reference | None = None
        self._next, self._gap = every or FIRST, float(FIRST)
        self._seen_fake = self._told = self._asleep = False
        self._unclear = 0
        self._shared_optimizer = False
        self._reported: set[str] = set()
        self._images = 0
        self._grids: dict[int, Tensor] = {}
        self._handles: list[RemovableHandle] = []
        self._attach()

    # ---- what a loop may say -----------------------------------------------------------------

    def real(self, samples: T) -> T:
        """Say that `samples` (B, ...) are real ones, as the discriminator is given them."""
        self._told = True
        self._take_real(samples.detach(), ())
        return samples

    def fake(self, samples: T) -> T:
        """Say that `samples` (B, ...) are the generator's, as the discriminator is given them."""
        self._told = self._seen_fake = True
        self._given["fake"] = ()
        return samples

    # ---- what comes out ----------------------------------------------------------------------

    @property
    def steps(self) -> int:
        """Steps of the optimizer that has made more: of G where they alternate, of a critic with
        several steps, of the other one where a network is never stepped."""
        return max(player.steps for player in self.players.values())

    def diagnosis(self) -> Diagnosis:
        """What is wrong, as far as the loop has got; a last probe is taken for it."""
        probed = self.history[-1]["step"] if self.history else -1
        if self._latents is not None and self._real and probed < self.steps:
            self._probe()
        return diagnosed(Evidence(self._facts(), self.history))

    def report(self, folder: str | Path) -> Diagnosis:
        """Write a run folder that `steadygan report` and `diagnose` read (run.json, history, sample
        grids, findings), with its report; the diagnosis. The hooks stay. Refused: a folder that
        holds anything else than an earlier report of a watcher."""
        from steadygan.report import write_report

        folder = Path(folder)
        found = self.diagnosis()
        known = folder / "run.json"
        ours = known.exists() and json.loads(known.read_text()).get("method") == "own"
        if folder.exists() and any(folder.iterdir()) and not ours:
            raise UserError(f"{folder}: not empty; give another folder")
        (folder / "samples").mkdir(parents=True, exist_ok=True)
        for step, grid in self._grids.items():
            name = f"samples/step-{step:08d}.png"
            pictures.save_png(pictures.grid(pictures.to_uint8(grid), 8), folder / name)
        lines = [json.dumps(line) for line in self.history]
        write_whole(folder / "history.jsonl", "\n".join(lines) + "\n")
        facts = {**self._facts(), "diagnosis": as_recorded(found)}
        write_whole(known, json_text(facts))
        write_report(folder)
        return found

    def close(self) -> None:
        """Take all hooks off."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    # ---- hooks -------------------------------------------------------------------------------

    def _attach(self) -> None:
        g, d = self.players["g"], self.players["d"]
        self._handles = [
            g.module.register_forward_hook(self._on_generated),
            d.module.register_forward_pre_hook(self._on_judged),
            register_optimizer_step_pre_hook(self._before_step),
            register_optimizer_step_post_hook(self._after_step),
        ]
        for player in self.players.values():
            first = next((p for p in player.parameters if p.requires_grad), None)
            if first is not None:
                self._handles.append(first.register_hook(self._on_gradient(player, first)))

    def _on_generated(self, _module: nn.Module, given: tuple[Any, ...], made: Any) -> None:
        if self._asleep or not isinstance(made, Tensor):
            return
        self._made = made.detach()  # its storage, without its graph
        if self._latents is None and given and all(isinstance(x, Tensor) for x in given):
            self._latents = tuple(x.detach().clone() for x in given)
            self._baseline()

    def _on_judged(self, _module: nn.Module, given: tuple[Any, ...]) -> None:
        if self._asleep or not given or not isinstance(given[0], Tensor):
            return
        samples, rest = given[0], tuple(x.detach() for x in given[1:] if isinstance(x, Tensor))
        made = self._made
        if made is not None and _same_storage(samples, made):
            self._seen_fake = True
            self._given["fake"] = rest
        elif not samples.requires_grad and not self._told:  # a penalty's points do
            if made is not None and len(samples) == 2 * len(made):
                self._unclear += 1
            self._take_real(samples, rest)

    def _take_real(self, samples: Tensor, rest: tuple[Tensor, ...]) -> None:
        self._images += len(samples)
        self._batch = samples
        if sum(map(len, self._real)) < COUNT:
            self._real.append(samples.detach().float().cpu().clone())
            self._given.setdefault("real", rest)

    def _on_gradient(self, player: _Player, weight: nn.Parameter) -> Callable[[Tensor], None]:
        def look(_gradient: Tensor) -> None:
            if self._asleep:
                return
            player.backwards += 1
            if weight.grad is None or not bool(weight.grad.any()):
                player.cleared = True

        return look

    def _before_step(self, optimizer: Optimizer, _given: Any, _named: Any) -> None:
        players = self._players_of(optimizer)
        self._shared_optimizer |= len(players) > 1
        for player in players:
            player.optimizer = optimizer
            left_over = player.backwards > 0 and not player.cleared
            player.carried = player.carried + 1 if left_over else 0
            player.backwards, player.cleared = 0, False
            wanted = self._is_due(ahead=1) and player.gain is None
            player.before = self._score_gap(player) if wanted else None

    def _after_step(self, optimizer: Optimizer, _given: Any, _named: Any) -> None:
        for player in self._players_of(optimizer):
            player.steps += 1
            if player.before is not None and (after := self._score_gap(player)) is not None:
                player.gain = after - player.before
            if player is self.players["d"]:
                self._unclear += not self._seen_fake
                self._seen_fake = False
            player.waited = 0
            other = self.players["g" if player is self.players["d"] else "d"]
            other.waited += 1
            if self._is_due() and all(p.gain is not None or p.waited > PATIENCE
                                      for p in self.players.values()):  # fmt: skip
                self._probe()

    def _players_of(self, optimizer: Optimizer) -> list[_Player]:
        """The networks of which `optimizer` holds a weight."""
        if self._asleep:
            return []
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        return [p for p in self.players.values() if any(id(w) in held for w in p.parameters)]

    # ---- probes ------------------------------------------------------------------------------

    def _is_due(self, ahead: int = 0) -> bool:
        """Whether a probe falls at this step of the loop, or in `ahead` steps."""
        if self._latents is None or not self._real or self.steps + ahead < self._next:
            return False
        spent = self.spent <= COST * (time.perf_counter() - self.started)
        return spent or self.every is not None

    @contextmanager
    def _nothing_moved(self) -> Iterator[None]:
        """Within, forwards of both networks move nothing, and our own hooks are quiet."""
        modules = [m for p in self.players.values() for m in p.module.modules()]
        modes = [(module, module.training) for module in modules]
        devices = [torch.device("cuda", n) for n in range(torch.cuda.device_count())]
        g, d = (p.module for p in self.players.values())
        # Layers of all kinds may move buffers in a forward (torch's spectral norm does): what has
        # moved is put back, and nothing else is written, since a graph may hold it.
        buffers = [(b, b.clone()) for p in self.players.values() for b in p.module.buffers()]
        self._asleep = True
        try:
            frozen = frozen_buffers(g), frozen_buffers(d)
            with torch.random.fork_rng(devices=devices), torch.no_grad(), frozen[0], frozen[1]:
                torch.manual_seed(0)
                yield
        finally:
            self._asleep = False
            for module, mode in modes:
                module.training = mode
            with torch.no_grad():
                for buffer, before in buffers:
                    if not torch.equal(buffer, before):
                        buffer.copy_(before)

    def _baseline(self) -> None:
        """Where both networks start from."""
        for player in self.players.values():
            player.movement.signals(player.parameters, 0)

    def _generate(self) -> Tensor:
        assert self._latents is not None  # `_is_due` asks for them
        return self.players["g"].module(*self._latents).detach().float()

    def _score(self, samples: Tensor, kind: str) -> Tensor:
        rest = self._given.get(kind) or self._given.get("real") or ()
        count = min([len(samples), *(len(x) for x in rest)])
        d = self.players["d"].module
        weight = next(d.parameters())
        scores = d(samples[:count].to(weight), *(x[:count] for x in rest))
        scores = scores[0] if isinstance(scores, tuple) else scores
        return scores.detach().float().flatten(1).mean(1) if scores.dim() else scores[None]

    def _score_gap(self, player: _Player) -> float | None:
        """What a step of `player` is to raise: for D how far real samples score above generated
        ones, for G the score of its samples; in units of the scores' spread."""
        if self._batch is None:
            return None
        started = time.perf_counter()
        sign = 1.0 if self.real_is_high else -1.0
        with self._nothing_moved():
            fake = self._score(self._generate(), "fake")
            real = self._score(self._batch, "real")
        spread = torch.cat([real, fake]).std().clamp_min(1e-12)
        self.spent += time.perf_counter() - started
        gap = fake.mean() if player is self.players["g"] else real.mean() - fake.mean()
        return float(sign * gap / spread)

    def _probe(self) -> None:
        started = time.perf_counter()
        with self._nothing_moved():
            found = self._signals()
        steps = self.steps - (int(self.history[-1]["step"]) if self.history else 0)
        for name, player in self.players.items():
            moved = player.movement.signals(player.parameters, max(1, steps))
            found |= {f"{name}_{key}": value for key, value in moved.items()}
            if player.gain is not None:
                found[f"{name}_gain"], player.gain = player.gain, None
            found[f"{name}_uncleared"] = float(player.carried)
        if self._unclear > UNCLEAR and not self._told:
            of_scores = ("auc", "score_", "d_gain", "g_gain", "batch_")
            found = {key: value for key, value in found.items() if not key.startswith(of_scores)}
        self._gap *= GROWTH
        self._next = self.steps + (self.every or round(self._gap))
        self.spent += time.perf_counter() - started
        self.history.append(
            {"step": self.steps, "images": self._images,
             "seconds": round(time.perf_counter() - self.started, 3),
             "probe": {key: round(value, 6) for key, value in found.items()}}
        )  # fmt: skip
        self._report_findings()

    def _signals(self) -> dict[str, float]:
        real = torch.cat(self._real)[:COUNT]
        if self._reference is None or len(self._reference.real) < len(real):
            self._reference = Reference(real, self.heldout)
        samples = self._generate()
        if samples.dim() == 4 and samples.shape[1] in (1, 3):
            self._grids[self.steps] = samples[:GRID].clamp(-1, 1).cpu()
            for step in sorted(self._grids)[1:-7]:  # the first and the last ones
                del self._grids[step]

        def score(kind: Kind) -> Tensor | None:
            if kind == "fake":
                return self._score(samples, kind)
            given = real if kind == "real" else self.heldout
            return None if given is None else self._score(given, kind)

        def evaluated() -> Tensor:
            g = self.players["g"].module
            modes = [(m, m.training) for m in g.modules()]
            g.eval()
            try:
                return self._generate()
            finally:
                for module, mode in modes:
                    module.training = mode

        subject = Subject(
            reference=self._reference,
            generate=lambda: samples,
            evaluated=evaluated,
            score=score,
            real_is_high=self.real_is_high,
        )
        found = probe(subject)
        if self._batch is not None and len(self._batch) > 1:
            found |= signals_of_batch(self._batch.float().cpu(), self._reference)
        if not self.history:
            found |= signals_of_data(real, self._reference)
        return found

    def _report_findings(self) -> None:
        found = diagnosed(Evidence(self._facts(), self.history))
        head = found.headline
        sure = (
            head is not None
            and found.verdict == "fault"
            and (head.kind == "exact" or head.confidence >= 0.9)
        )
        if head is not None and sure and head.name not in self._reported:
            self._reported.add(head.name)
            self.say(f"step {self.steps:,}: {first_line(found)}")
        if self._unclear > UNCLEAR and not self._told and "unclear" not in self._reported:
            self._reported.add("unclear")
            self.say(
                f"step {self.steps:,}: cannot tell real samples from generated ones here "
                "(augmented or concatenated batches): wrap them as watcher.real(x), watcher.fake(x)"
            )

    # ---- facts -------------------------------------------------------------------------------

    def _facts(self) -> dict[str, Any]:
        """run.json of the loop."""
        shape = list(self._real[0].shape[1:]) if self._real else [1]
        g, d = self.players["g"], self.players["d"]
        return {
            "format": 1, "name": "watched", "method": "own", "title": "A watched training loop",
            "recipe": {
                "method": "own", "networks": {"name": "own"},
                **{f"{name}_optimizer": _optimizer_facts(p.optimizer)
                   for name, p in self.players.items()},
            },
            "data": {"name": "own", "spec": "own", "shape": shape, "settings": {}},
            "seed": 0, "device": "cpu", "precision": "fp32", "threads": torch.get_num_threads(),
            "parameters": {name: sum(w.numel() for w in p.parameters)
                           for name, p in self.players.items()},
            "goal": {"steps": max(1, self.steps)}, "inexact": [], "command": "",
            "versions": versions(),
            "status": {"state": "finished", "step": self.steps, "images": self._images,
                       "seconds": round(time.perf_counter() - self.started, 3)},
            "watched": {"g_steps": g.steps, "d_steps": d.steps},
            "shared_optimizer": self._shared_optimizer,
        }  # fmt: skip


def _same_storage(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are views of one memory, as a tensor and its `detach` are."""
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def _bare(module: nn.Module) -> nn.Module:
    """The network inside DataParallel or DistributedDataParallel."""
    inner = getattr(module, "module", None)
    return inner if isinstance(inner, nn.Module) else module


def _optimizer_facts(optimizer: Optimizer | None) -> dict[str, Any]:
    """Kind, rate and betas of an optimizer."""
    if optimizer is None:
        return {}
    group = optimizer.param_groups[0]
    found: dict[str, Any] = {"name": type(optimizer).__name__.lower()}
    if isinstance(group.get("lr"), (int, float)):
        found["lr"] = float(group["lr"])
    if isinstance(group.get("betas"), tuple):
        found["betas"] = [float(b) for b in group["betas"]]
    return found


#: What a loop calls: `steadygan.watch(generator, discriminator)`.
watch = Watcher
