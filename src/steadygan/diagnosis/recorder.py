"""Probes of a run while it trains: when they are taken, and what of the game they look at.

A `Prober` is the hook `evaluate` of a run, around another one. It moves no weight, buffer, gradient
or random state; a probe's time is no training time, and all of them together take at most `COST` of
it. What it must remember between probes stands in the run folder (`probes.safetensors`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from steadygan.data import Split
from steadygan.diagnosis.probe import (
    COUNT,
    Kind,
    Movement,
    Reference,
    Subject,
    probe,
    signals_of_batch,
    signals_of_data,
)
from steadygan.files import write_whole
from steadygan.game.context import RealBatch, StepContext, StepInputs
from steadygan.game.priors import Coded
from steadygan.networks.labels import split_class, with_class
from steadygan.records import open_regular
from steadygan.training import Goal, Trainer
from steadygan.training.inputs import as_played
from steadygan.training.runfolder import read_history

#: Where probes fall, in shares of the goal: close together at first, where most faults show.
SHARES = (0.0, 0.01, 0.03, 0.06, 0.1, 0.15, 0.22, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
#: The share of the training time that probes may take; the first and the last come in any case.
COST = 0.03
FILE = "probes.safetensors"
#: How many of the latents G decodes in eval mode too.
EVALUATED = 32
#: Fewer held-out samples than this say nothing about memorising.
LEAST_HELDOUT = 32
#: A larger file is none that a probe has written.
MOST_BYTES = 1_000_000
#: Values of all samples of a probe together, beyond which fewer are looked at.
MOST_VALUES = COUNT * 3 * 64 * 64

Evaluate = Callable[[Trainer], dict[str, Any] | None]


@dataclass
class Prober:
    """Called before the first iteration and after each; the line of an evaluation by `then` with,
    where a probe is due, its signals as `probe`."""

    goal: Goal
    then: Evaluate = lambda trainer: None
    found: Callable[[Trainer, dict[str, float]], None] = lambda trainer, signals: None
    say: Callable[[str], None] = lambda text: None
    clock: Callable[[], float] = time.perf_counter
    spent: float = 0.0
    last_share: float = -1.0
    _movements: dict[str, Movement] | None = field(default=None, init=False)
    _steps: int = field(default=0, init=False)
    _cost: float = field(default=0.0, init=False)
    _reference: Reference | None = field(default=None, init=False)

    def __call__(self, trainer: Trainer) -> dict[str, Any] | None:
        measured = self.then(trainer)
        if self._movements is None:
            self._take_up(trainer)
        if not self.due(trainer):
            return measured
        started = self.clock()
        signals = self.probed(trainer)
        self.found(trainer, signals)
        self._cost = self.clock() - started
        self.spent += self._cost
        self.last_share = self.share(trainer)
        return {**(measured or {}), "probe": {k: round(v, 6) for k, v in signals.items()},
                "probe_seconds": round(self._cost, 4)}  # fmt: skip

    def share(self, trainer: Trainer) -> float:
        """The share of the goal that is done, 0 to 1."""
        if self.goal.steps is not None:
            return min(1.0, trainer.iteration / self.goal.steps)
        assert self.goal.budget_seconds is not None  # a goal has one of the two
        return min(1.0, trainer.seconds / self.goal.budget_seconds)

    def due(self, trainer: Trainer) -> bool:
        """True at the first logged iteration that reaches one of `SHARES`, where there is time."""
        if trainer.iteration == 0:
            return self.last_share < 0
        if self.goal.reached(trainer.iteration, trainer.seconds):
            return True
        every = trainer.schedule.log_every
        if every and trainer.iteration % every:
            return False  # a probe adds no line to the history
        done = self.share(trainer)
        passed = any(self.last_share < share <= done for share in SHARES)
        return passed and self.spent + self._cost <= self._affordable(trainer, done)

    def _affordable(self, trainer: Trainer, done: float) -> float:
        """The seconds that probes may have taken by now: a quarter of their share of the whole run
        at once, since faults show early, the rest as the run goes on."""
        expected = self.goal.budget_seconds or trainer.seconds / max(done, 1e-9)
        return COST * expected * (0.25 + 0.75 * done)

    # ---- what is remembered --------------------------------------------------------------------

    def _take_up(self, trainer: Trainer) -> None:
        """Begin, or take up the probes of a resumed run."""
        self._movements = {"g": Movement(), "d": Movement()}
        lines = [line for line in read_history(trainer.folder.path) if "probe" in line]
        for line in lines:
            self.spent += float(line.get("probe_seconds", 0.0))
        if not lines or trainer.iteration == 0:
            return
        self._steps = int(lines[-1]["step"])
        for share in SHARES:
            if share <= self._share_of(lines[-1]):
                self.last_share = share
        kept = self._kept(trainer)
        for name, movement in self._movements.items():
            movement.start, movement.before = kept.get(f"{name}/start"), kept.get(f"{name}/now")

    def _kept(self, trainer: Trainer) -> dict[str, Tensor]:
        """The weights that the probes before remembered; none, which is said, where the file is
        damaged or of other networks: movement is then measured from here on."""
        assert self._movements is not None  # `_take_up` comes first
        path = trainer.folder.path / FILE
        if not path.exists():
            return {}
        shapes = {
            name: movement.take(trainer.state.players[name].parameters).shape
            for name, movement in self._movements.items()
        }
        try:
            handle, size = open_regular(path)
            with os.fdopen(handle, "rb") as file:
                kept = safetensors.torch.load(file.read() if size <= MOST_BYTES else b"")
        except (OSError, ValueError, safetensors.SafetensorError) as error:
            self.say(f"{path}: cannot be read ({error}); movement is measured from here on")
            return {}
        if any(name.split("/")[0] not in shapes or tensor.shape != shapes[name.split("/")[0]]
               or not bool(tensor.isfinite().all()) for name, tensor in kept.items()):  # fmt: skip
            self.say(f"{path}: holds no weights of this run; movement is measured from here on")
            return {}
        return kept

    def _share_of(self, line: dict[str, Any]) -> float:
        if self.goal.steps is not None:
            return float(line["step"]) / self.goal.steps
        assert self.goal.budget_seconds is not None  # a goal has one of the two
        return float(line["seconds"]) / self.goal.budget_seconds

    def _remember(self, folder: Path) -> None:
        assert self._movements is not None  # `_take_up` comes first
        kept: dict[str, Tensor] = {}
        for name, movement in self._movements.items():
            if movement.start is not None and movement.before is not None:
                kept |= {f"{name}/start": movement.start, f"{name}/now": movement.before}
        if folder.is_dir():
            write_whole(folder / FILE, safetensors.torch.save(kept))

    # ---- one probe -----------------------------------------------------------------------------

    def probed(self, trainer: Trainer) -> dict[str, float]:
        """The signals of the game as it is now."""
        assert self._movements is not None  # `_take_up` comes first
        with _nothing_moved(trainer):
            context, heldout = context_of(trainer), heldout_of(trainer)
            if self._reference is None:
                samples = None if heldout is None else heldout.samples
                self._reference = Reference(context.real, samples)
            with (
                DeadUnits(trainer.state.generator) as of_g,
                DeadUnits(trainer.state.discriminator) as of_d,
            ):
                found = probe(subject_of(trainer, context, self._reference, heldout))
            dead = {"g_dead": of_g.share, "d_dead": of_d.share}
            found |= {name: share for name, share in dead.items() if share is not None}
            if trainer.iteration == 0:
                found |= signals_of_data(context.real.float().cpu())
            if trainer.recipe.objective.is_critic:
                found["slope"] = slope(context)
            if "d" in trainer.last:
                given = trainer.last["d"].context.real
                found |= signals_of_batch(given.float().cpu(), self._reference)
                found |= gains(trainer)
        steps = trainer.iteration - self._steps
        for name, movement in self._movements.items():
            moved = movement.signals(trainer.state.players[name].parameters, steps)
            found |= {f"{name}_{key}": value for key, value in moved.items()}
        self._steps = trainer.iteration
        self._remember(trainer.folder.path)
        return found


@contextmanager
def _nothing_moved(trainer: Trainer) -> Iterator[None]:
    """Within, torch's random state and the networks' modes may be changed: they are put back."""
    modules = [m for root in trainer.state.networks().values() for m in root.modules()]
    modes = [(module, module.training) for module in modules]
    devices = [trainer.device_config.device] if trainer.device_config.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(0)
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode


def context_of(trainer: Trainer) -> StepContext:
    """A step of D on fixed latents and real samples, of which nothing is ever updated."""
    source, recipe = trainer.source, trainer.recipe
    train, random = trainer.data.train, source.streams.generator("probe rows")
    count = _count(trainer)
    rows = torch.randperm(len(train.items), generator=random)[:count]
    inputs = StepInputs(
        real=lambda: _batch(trainer, train, rows),
        generator=lambda name: source.streams.generator("probe " + name),
        autocast=trainer.device_config.autocast(),
        device=trainer.device_config.device,
    )
    context = StepContext(recipe, trainer.state, "d", inputs, trainer.images, trainer.iteration)
    context.batch = inputs.real()
    prior = recipe.sampling_prior(trainer.data.classes)
    latent = prior.sample(count, source.streams.generator("probe latents"))
    context.latent = latent.to(inputs.device)
    return context


def _count(trainer: Trainer) -> int:
    """How many samples a probe looks at."""
    train = trainer.data.train
    return min(COUNT, len(train.items), max(16, MOST_VALUES // max(1, train.items[0].size)))


def _batch(trainer: Trainer, split: Split, rows: Tensor) -> RealBatch:
    images = as_played(torch.from_numpy(split.items[rows.numpy()]))
    labels = None if split.labels is None else torch.from_numpy(split.labels[rows.numpy()])
    return trainer.source.on_device(images, labels, rows)


def heldout_of(trainer: Trainer) -> RealBatch | None:
    """Held-out samples, the same at every probe; None where there are too few."""
    test = trainer.data.test
    if len(test.items) < LEAST_HELDOUT:
        return None
    random = trainer.source.streams.generator("probe held-out rows")
    count = _count(trainer)
    return _batch(trainer, test, torch.randperm(len(test.items), generator=random)[:count])


def subject_of(
    trainer: Trainer, context: StepContext, reference: Reference, heldout: RealBatch | None
) -> Subject:
    """The game as a probe sees it: D without augmentation, each forward as those of training."""
    recipe = trainer.recipe

    def score(kind: Kind) -> Tensor | None:
        if kind == "fake":
            return context.critic(context.fake, context.condition("fake"))
        batch = context.batch if kind == "real" else heldout
        if batch is None:
            return None
        condition = recipe.condition(context, batch.samples, batch.labels, None)
        return context.critic(batch.samples, condition)

    def averaged(latent: Tensor = context.latent) -> Tensor:
        return trainer.state.g_ema(latent).float()

    def evaluated() -> Tensor:
        generator, few = trainer.state.generator, context.latent[:EVALUATED]
        generator.eval()
        try:
            return context.forward("g", "generator", few, own=False).float()
        finally:
            generator.train()

    return Subject(
        reference=reference,
        generate=lambda: context.fake,
        evaluated=evaluated,
        averaged=averaged,
        score=score,
        code_effect=lambda: code_effect(trainer, context, averaged),
        real_is_high=recipe.objective.real_is_high,
    )


def code_effect(
    trainer: Trainer, context: StepContext, generate: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor] | None:
    """Samples as they are, with other codes or classes, and with other noise; None for a generator
    without codes."""
    recipe, prior = trainer.recipe, trainer.recipe.prior
    latent = context.latent
    if recipe.networks.g_takes_classes:
        noise, classes = split_class(latent)
        codes = with_class(noise, (classes + 1) % max(2, trainer.data.classes))
        other = with_class(noise.roll(1, 0), classes)
    elif isinstance(prior, Coded):
        noise = latent[:, : prior.dim]
        category = (prior.category(latent) + 1) % prior.categories
        codes = prior.with_codes(noise, category, -prior.codes(latent))
        other = torch.cat([noise.roll(1, 0), latent[:, prior.dim :]], 1)
    else:
        return None
    return generate(latent), generate(codes), generate(other)


class DeadUnits:
    """The share of a network's ReLU channels that no sample turns on, seen in the forwards inside
    `with`; None for a network without ReLU."""

    def __init__(self, network: nn.Module) -> None:
        self._layers = [m for m in network.modules() if isinstance(m, nn.ReLU)]
        self._active: dict[nn.ReLU, Tensor] = {}
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> DeadUnits:
        self._handles = [layer.register_forward_hook(self._look) for layer in self._layers]
        return self

    def __exit__(self, *_error: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _look(self, layer: nn.ReLU, _inputs: object, output: Tensor) -> None:
        on = (output.detach() > 0).flatten(2).any(2) if output.dim() > 2 else output.detach() > 0
        known = self._active.get(layer)
        self._active[layer] = on.any(0) if known is None else known | on.any(0)

    @property
    def share(self) -> float | None:
        if not self._active:
            return None
        return float(1 - torch.cat([on.float().flatten() for on in self._active.values()]).mean())


def slope(context: StepContext) -> float:
    """The mean norm of D's input gradient half-way between real and generated samples."""
    with torch.enable_grad():
        middle = ((context.real + context.fake) / 2)[:64].detach().requires_grad_(True)
        condition = tuple(each[:64] for each in context.condition("real"))
        scores = context.critic(middle, condition)
        (gradient,) = torch.autograd.grad(scores.sum(), middle)
    return float(gradient.flatten(1).norm(dim=1).mean())


@torch.no_grad()
def gains(trainer: Trainer) -> dict[str, float]:
    """What the last steps did to D's scores, in units of their spread.

    d_gain  how much further D's step put real above fake, on its own batch
    g_gain  how much higher D scores G's samples of the same latents after G's step
    """
    found: dict[str, float] = {}
    recipe = trainer.recipe
    sign = 1.0 if recipe.objective.real_is_high else -1.0
    if recipe.joint_batches:
        return found
    d = trainer.last["d"].context
    before = sign * d.real_scores.detach(), sign * d.fake_scores.detach()
    spread = torch.cat(before).std().clamp_min(1e-12)
    after = [
        sign * d.critic(d.d_input(kind).detach(), d.condition(kind)) for kind in ("real", "fake")
    ]
    off = (after[0].mean() - after[1].mean()) - (before[0].mean() - before[1].mean())
    found["d_gain"] = float(off / spread)
    if "g" in trainer.last and recipe.g_adversarial:
        g = trainer.last["g"].context
        new = g.forward("g", "generator", g.latent, own=False).float()
        scores = []
        for samples in (g.fake.detach(), new):
            torch.manual_seed(0)  # the same dropout for both
            scores.append(sign * g.critic(samples, g.condition("fake")))
        found["g_gain"] = float((scores[1].mean() - scores[0].mean()) / spread)
    return found
