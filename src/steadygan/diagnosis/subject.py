"""What a probe looks at in a game of ours: fixed latents and samples, D's scores of them, and what
the last steps did.

Nothing here moves a weight, buffer, gradient or random state of the game.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from steadygan.data import Split
from steadygan.diagnosis.probe import (
    COUNT,
    Kind,
    Reference,
    Subject,
    probe,
    signals_of_batch,
    signals_of_data,
    twins,
)
from steadygan.game.context import StepContext
from steadygan.game.inputs import RealBatch, StepInputs
from steadygan.networks.labels import split_class, with_class
from steadygan.priors import Coded
from steadygan.training import Trainer, pictures
from steadygan.training.inputs import as_played

#: How many of the latents G decodes in eval mode too.
EVALUATED = 32
#: Samples of a row of the evidence pictures.
SHOWN = 8
#: Fewer held-out samples than this say nothing about memorising.
LEAST_HELDOUT = 32
#: Values of all samples of a probe together, beyond which fewer are looked at.
MOST_VALUES = COUNT * 3 * 64 * 64


@dataclass
class GameProbe:
    """Called with a trainer, gives the signals of its game but the movement of weights. The real
    samples that it compares with are drawn once."""

    reference: Reference | None = None

    def __call__(self, trainer: Trainer) -> dict[str, float]:
        trainer.settle()
        with _nothing_moved(trainer):
            context, heldout = context_of(trainer), heldout_of(trainer)
            if self.reference is None:
                samples = None if heldout is None else heldout.samples
                self.reference = Reference(context.real, samples, context.labels)
            with (
                DeadUnits(trainer.state.generator) as of_g,
                DeadUnits(trainer.state.discriminator) as of_d,
            ):
                found = probe(subject_of(trainer, context, self.reference, heldout))
            dead = {"g_dead": of_g.share, "d_dead": of_d.share}
            found |= {name: share for name, share in dead.items() if share is not None}
            if trainer.iteration == 0:
                found |= signals_of_data(context.real.float().cpu(), self.reference)
            if trainer.recipe.objective.is_critic:
                found["slope"] = slope(context)
            if "d" in trainer.last:
                given = trainer.last["d"].context.real
                found |= signals_of_batch(given.float().cpu(), self.reference)
                found |= gains(trainer)
        return found

    def pictures(self, trainer: Trainer) -> dict[str, Image.Image]:
        """Evidence to look at, by the path that it has in the run folder; none of vectors.

        twins  samples with the nearest other samples below them, and the nearest real ones
        modes  samples of G in training mode, in eval mode, and of its moving average
        """
        if len(trainer.data.shape) != 3 or self.reference is None:
            return {}
        with _nothing_moved(trainer), torch.no_grad():
            context = context_of(trainer)
            fake, few = context.fake.cpu(), context.latent[:SHOWN]
            modes = [fake[:SHOWN], evaluated(trainer, context, few).cpu(),
                     trainer.state.g_ema(few).float().cpu()]  # fmt: skip
            one, other, real = twins(fake, self.reference, SHOWN)
            pairs = [fake[one], fake[other], self.reference.real[real]]
        return {
            f"samples/{name}.png": pictures.grid(pictures.to_uint8(torch.cat(rows)), SHOWN)
            for name, rows in (("twins", pairs), ("modes", modes))
        }


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

    return Subject(
        reference=reference,
        generate=lambda: context.fake,
        evaluated=lambda: evaluated(trainer, context, context.latent[:EVALUATED]),
        averaged=averaged,
        score=score,
        code_effect=lambda: code_effect(trainer, context, averaged),
        rebuilt=lambda: rebuilt(trainer, context),
        real_is_high=recipe.objective.real_is_high,
    )


def evaluated(trainer: Trainer, context: StepContext, latent: Tensor) -> Tensor:
    """G's samples of `latent` in eval mode."""
    generator = trainer.state.generator
    generator.eval()
    try:
        return context.forward("g", "generator", latent, own=False).float()
    finally:
        generator.train()


def code_effect(
    trainer: Trainer, context: StepContext, generate: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor] | None:
    """Samples as they are, with other codes or classes, and with other noise; None for a generator
    without codes, and for one of a single class."""
    recipe, prior = trainer.recipe, trainer.recipe.prior
    latent, count = context.latent, trainer.data.classes
    if recipe.networks.g_takes_classes:
        if count < 2:
            return None
        noise, classes = split_class(latent)
        codes = with_class(noise, (classes + 1) % count)
        other = with_class(noise.roll(1, 0), classes)
    elif isinstance(prior, Coded):
        noise = latent[:, : prior.dim]
        category = (prior.category(latent) + 1) % prior.categories
        codes = prior.with_codes(noise, category, -prior.codes(latent))
        other = torch.cat([noise.roll(1, 0), latent[:, prior.dim :]], 1)
    else:
        return None
    return generate(latent), generate(codes), generate(other)


@torch.no_grad()
def rebuilt(trainer: Trainer, context: StepContext) -> Tensor | None:
    """The real samples as an encoder (BiGAN's with G, or a pre-trained auto-encoder) rebuilds them;
    None for a game without one."""
    players = trainer.state.players
    if "encoder" in players["g"].modules:
        code = context.forward("g", "encoder", context.real, own=False).float()
        return context.forward("g", "generator", code, own=False).float()
    if "autoencoder" in players:
        made = context.forward("autoencoder", "autoencoder", context.real, own=False)
        return made.float()
    return None


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
