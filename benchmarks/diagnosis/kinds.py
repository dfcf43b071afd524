"""Kinds of runs: healthy ones, and sabotages with the methods they fit and the findings that are
right about them.

A sabotage is settings as one types them, a `patch` of the trainer before its first step, or a
change of the `data`. Whether a run is bad is decided by its outcome, not by its kind (see `make`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from steadygan.data import Dataset, Split
from steadygan.networks.labels import split_class, with_class
from steadygan.training import Trainer
from steadygan.training.inputs import as_played

Patch = Callable[[Trainer], None]
#: Convolutional methods that reach recognisable samples at 16 px in the time of a run.
PLAIN = ("dcgan", "lsgan", "dragan")
CRITICS = ("wgan", "wgan-gp")
ALL = (*PLAIN, *CRITICS, "gan", "infogan")
#: The other methods: of them healthy runs alone are trained, for false alarms and healthy bands.
OTHERS = (
    "acgan", "began", "bigan", "cgan", "d2gan", "decoding", "ebgan", "feature-matching", "gan-qp",
    "ls-gan", "multiclass-lsgan", "r3gan", "ragan", "rpgan", "sagan-hinge", "sngan", "sngan-l2",
    "wgan-div",
)  # fmt: skip
#: Methods that had no run at 16 px.
LATE = ("fastgan", "multiclass-gan", "sagan-js", "sagan-wasserstein", "sngan-dl2", "sngan-gl2")


@dataclass(frozen=True)
class Kind:
    """One way of setting up a run. `causes` are the findings that are right as a headline,
    `symptoms` those that are right about its effects."""

    name: str
    methods: tuple[str, ...]
    causes: tuple[str, ...] = ()
    symptoms: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    patch: Patch | None = None
    data: Callable[[Dataset], Dataset] | None = None
    #: Runs of so many seconds at the method's light preset as it is; else of `STEPS_OF` its method.
    seconds: int | None = None


# ---- patches -----------------------------------------------------------------------------------


def frozen(player: str) -> Patch:
    def patch(trainer: Trainer) -> None:
        trainer.state.players[player].step = lambda gradients, settings: None  # type: ignore[method-assign]

    return patch


def backwards(player: str) -> Patch:
    def patch(trainer: Trainer) -> None:
        step = trainer.state.players[player].step

        def turned(gradients: list[torch.Tensor], settings: dict[str, object]) -> None:
            step([-gradient for gradient in gradients], settings)

        trainer.state.players[player].step = turned  # type: ignore[method-assign]

    return patch


def accumulated(trainer: Trainer) -> None:
    """`zero_grad` forgotten: every step follows the sum of all gradients so far."""
    for player in trainer.state.players.values():
        total: list[torch.Tensor] = []
        step = player.step

        def summed(gradients, settings, total=total, step=step):  # type: ignore[no-untyped-def]
            if not total:
                total.extend(torch.zeros_like(g) for g in gradients)
            for kept, gradient in zip(total, gradients, strict=True):
                kept += gradient
            step([kept.clone() for kept in total], settings)

        player.step = summed  # type: ignore[method-assign]


def sigmoid_ended(trainer: Trainer) -> None:
    d = trainer.state.discriminator
    d.head = nn.Sequential(d.head, nn.Sigmoid())
    trainer.state.players["d"].parameters[:] = list(d.parameters())


def latent_ignored(trainer: Trainer) -> None:
    for network in (trainer.state.generator, trainer.state.g_ema):
        network.register_forward_pre_hook(lambda _m, given: (torch.zeros_like(given[0]),))


def stale_buffers(trainer: Trainer) -> None:
    """The average's normalisation statistics stay those of the start."""
    kept = {k: b.clone() for k, b in trainer.state.g_ema.named_buffers()}

    def restore(_module: nn.Module, _given: object) -> None:
        with torch.no_grad():
            for name, buffer in trainer.state.g_ema.named_buffers():
                buffer.copy_(kept[name])

    trainer.state.g_ema.register_forward_pre_hook(restore)


def scaled_start(factor: float) -> Patch:
    def patch(trainer: Trainer) -> None:
        with torch.no_grad():
            for network in (trainer.state.generator, trainer.state.g_ema):
                for layer in network.modules():
                    if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
                        layer.weight.mul_(factor)

    return patch


def real_in_unit_range(trainer: Trainer) -> None:
    draw = trainer.source.next_batch

    def shifted(place: Any) -> Any:
        batch = draw(place)
        return batch._replace(samples=(batch.samples + 1) / 2)

    trainer.source.next_batch = shifted  # type: ignore[method-assign]


def by_class(trainer: Trainer) -> None:
    """Batches go through the data class after class."""
    train, source = trainer.data.train, trainer.source
    assert train.labels is not None
    order = np.argsort(np.asarray(train.labels), kind="stable")
    place = [0]

    def drawn(_place: Any) -> Any:
        rows = order[(place[0] + np.arange(trainer.recipe.batch)) % len(order)]
        place[0] += trainer.recipe.batch
        images = as_played(torch.from_numpy(np.asarray(train.items)[rows]))
        labels = torch.from_numpy(np.asarray(train.labels)[rows])
        return source.on_device(images, labels, torch.from_numpy(rows))

    source.next_batch = drawn  # type: ignore[method-assign]


def noise_ignored(trainer: Trainer) -> None:
    """A generator that takes classes reads nothing else."""

    def without_noise(_module: nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[Any, ...]:
        noise, classes = split_class(given[0])
        return (with_class(torch.zeros_like(noise), classes),)

    for network in (trainer.state.generator, trainer.state.g_ema):
        network.register_forward_pre_hook(without_noise)


def encoder_frozen(trainer: Trainer) -> None:
    player = trainer.state.players["g"]
    step = player.step

    def partly(gradients: list[torch.Tensor], settings: dict[str, object]) -> None:
        named = zip(player.parameter_names, gradients, strict=True)
        step([g * 0 if name.startswith("encoder") else g for name, g in named],
             {**settings, "weight_decay": 0.0})  # fmt: skip

    player.step = partly  # type: ignore[method-assign]


# ---- data --------------------------------------------------------------------------------------


def _with_train(data: Dataset, rows: np.ndarray, items: np.ndarray | None = None) -> Dataset:
    labels = None if data.train.labels is None else np.asarray(data.train.labels)[rows]
    items = np.asarray(data.train.items)[rows] if items is None else items
    return dataclasses.replace(data, train=Split(items, labels))


def few(count: int) -> Callable[[Dataset], Dataset]:
    return lambda data: _with_train(data, np.tile(np.arange(count), 64 * 20 // count))


def one_class(data: Dataset) -> Dataset:
    assert data.train.labels is not None
    return _with_train(data, np.flatnonzero(np.asarray(data.train.labels) == 1))


def blank_half(data: Dataset) -> Dataset:
    items = np.array(data.train.items)
    items[::2] = 0
    return _with_train(data, np.arange(len(items)), items)


# ---- the list ----------------------------------------------------------------------------------

_NOT_SEEN = ("total-collapse", "partial-collapse", "bad-samples")
KINDS = [
    Kind("healthy", ALL),
    Kind("healthy-long", ("dcgan", "lsgan", "dragan", "wgan-gp")),
    Kind("g-frozen", ALL, ("g-not-updated",), _NOT_SEEN, patch=frozen("g")),
    Kind("d-frozen", ALL, ("d-not-updated",), _NOT_SEEN, patch=frozen("d")),
    Kind("g-backwards", ALL, ("g-trained-backwards",), ("d-overpowers", *_NOT_SEEN),
         patch=backwards("g")),
    Kind("d-backwards", PLAIN + CRITICS, ("d-trained-backwards",), ("d-too-weak", *_NOT_SEEN),
         patch=backwards("d")),
    Kind("sigmoid-twice", ("dcgan", "dragan"), ("scores-in-unit-range",),
         ("d-too-weak", *_NOT_SEEN), patch=sigmoid_ended),
    Kind("zero-grad-forgotten", PLAIN + CRITICS, ("gradients-accumulate", "steps-too-large"),
         _NOT_SEEN, patch=accumulated),
    Kind("latent-ignored", PLAIN, ("latent-ignored",), ("total-collapse", "bad-samples"),
         patch=latent_ignored),
    Kind("stale-buffers", ("dcgan", "lsgan", "infogan"), ("stale-average",), _NOT_SEEN,
         patch=stale_buffers),
    Kind("real-in-unit-range", PLAIN + CRITICS, ("range-mismatch",), _NOT_SEEN,
         patch=real_in_unit_range),
    Kind("codes-ignored", ("infogan",), ("codes-ignored",), (),
         settings={"mutual-information.weight": 0, "mutual-information.continuous_weight": 0}),
    Kind("d-rate-x100", PLAIN, ("d-rate-too-high", "steps-too-large", "d-overpowers"),
         _NOT_SEEN, settings={"d_optimizer.lr": ("x", 100)}),
    Kind("g-rate-x100", PLAIN, ("g-rate-too-high", "steps-too-large"),
         ("total-collapse", "d-overpowers", *_NOT_SEEN), settings={"g_optimizer.lr": ("x", 100)}),
    Kind("rates-x100", PLAIN + CRITICS, ("steps-too-large", "g-rate-too-high", "d-rate-too-high"),
         ("total-collapse", "d-overpowers", *_NOT_SEEN),
         settings={"d_optimizer.lr": ("x", 100), "g_optimizer.lr": ("x", 100)}),
    Kind("g-rate-tiny", ALL, ("g-rate-too-low",), ("d-overpowers", "hardly-moved", *_NOT_SEEN),
         settings={"g_optimizer.lr": ("x", 1e-3)}),
    Kind("d-rate-tiny", PLAIN + CRITICS, ("d-rate-too-low", "d-too-weak"), _NOT_SEEN,
         settings={"d_optimizer.lr": ("x", 1e-3)}),
    Kind("rates-tiny", ALL, ("hardly-moved",), ("g-rate-too-low", "d-rate-too-low", *_NOT_SEEN),
         settings={"d_optimizer.lr": ("x", 1e-3), "g_optimizer.lr": ("x", 1e-3)}),
    Kind("momentum", (*PLAIN, "wgan-gp"), ("beta1-too-high",), ("steps-too-large", *_NOT_SEEN),
         settings={"d_optimizer.betas": ".99,.999", "g_optimizer.betas": ".99,.999"}),
    Kind("d-steps", PLAIN, ("d-overpowers", "d-steps-too-many"), _NOT_SEEN,
         settings={"d_steps": 20}),
    Kind("g-steps", PLAIN, ("d-too-weak", "g-steps-too-many"), _NOT_SEEN, settings={"g_steps": 20}),
    Kind("clip-tiny", ("wgan",), ("clip-too-small",), ("d-too-weak", *_NOT_SEEN),
         settings={"weight-clip.bound": 1e-4}),
    Kind("clip-wide", ("wgan",), ("clip-too-large", "critic-unbounded"), _NOT_SEEN,
         settings={"weight-clip.bound": 1.0}),
    Kind("no-clip", ("wgan",), ("critic-unbounded",), _NOT_SEEN, drop=("weight-clip",)),
    Kind("no-penalty", ("wgan-gp",), ("critic-unbounded",), _NOT_SEEN, drop=("gradient-penalty",)),
    Kind("no-spectral-norm", ("sngan",), ("spectral-norm-missing", "critic-unbounded"), _NOT_SEEN,
         drop=("spectral-norm",)),
    Kind("penalty-x1000", ("wgan-gp",), ("penalty-too-strong", "d-too-weak"), _NOT_SEEN,
         settings={"gradient-penalty.weight": 1e4}),
    Kind("g-narrow", ("dcgan", "lsgan", "wgan-gp"), ("capacity",), _NOT_SEEN,
         settings={"width": 1}),
    Kind("start-x30", PLAIN, ("start-too-large", "saturated-output"), _NOT_SEEN,
         patch=scaled_start(30.0)),
    Kind("start-tiny", PLAIN, ("start-too-small",), ("hardly-moved", *_NOT_SEEN),
         patch=scaled_start(1e-3)),
    Kind("few-images", ("dcgan", "lsgan", "wgan-gp"), ("d-memorises", "few-images"), _NOT_SEEN,
         data=few(20)),
    Kind("one-class", ("dcgan", "lsgan", "wgan-gp"), ("one-class",), ("partial-collapse",),
         data=one_class),
    Kind("half-blank", ("dcgan", "lsgan", "wgan-gp"), ("blank-images",), _NOT_SEEN,
         data=blank_half),
    Kind("instance-noise", PLAIN, ("noise-too-strong", "d-too-weak"), _NOT_SEEN,
         add=("instance-noise:sigma=5,sigma_end=5",)),
    Kind("slow-average", ("dcgan", "lsgan", "wgan-gp"), ("stale-average",), _NOT_SEEN,
         settings={"ema.halflife_images": 1e9, "ema.ramp": 100.0}),
    Kind("short", PLAIN + CRITICS, ("still-improving",), ("bad-samples",)),
    Kind("batch-2", PLAIN, ("batch-too-small",), ("steps-too-large", *_NOT_SEEN),
         settings={"batch": 2}),
    # Added after the split was fixed: they are no part of it.
    Kind("healthy-others", OTHERS),
    Kind("unshuffled", ("dcgan", "lsgan", "wgan-gp"), ("unshuffled",), _NOT_SEEN, patch=by_class),
    Kind("noise-ignored", ("cgan", "acgan"), ("noise-ignored",),
         ("within-class-collapse", *_NOT_SEEN), patch=noise_ignored),
    Kind("encoder-frozen", ("bigan",), ("encoder-failed",), patch=encoder_frozen),
    Kind("encoder-untrained", ("decoding",), ("pretraining-failed",), _NOT_SEEN,
         settings={"autoencoder_steps": 1}),
    LIGHT := Kind("healthy-light", (*ALL, *OTHERS, *LATE), seconds=100),
]  # fmt: skip
IN_SPLIT = 37
BY_NAME = {kind.name: kind for kind in KINDS}
#: Steps of a run by method, and of the kinds whose length is what they are, in eighths of it.
STEPS_OF = {"dcgan": 800, "lsgan": 800, "dragan": 500, "wgan": 230, "wgan-gp": 180, "sngan": 150,
            "gan": 600, "infogan": 500, "acgan": 500, "began": 600, "bigan": 500, "cgan": 600,
            "d2gan": 500, "decoding": 400, "ebgan": 450, "feature-matching": 700, "gan-qp": 400,
            "ls-gan": 700, "multiclass-lsgan": 600, "r3gan": 250, "ragan": 700, "rpgan": 700,
            "sagan-hinge": 220, "sngan-l2": 150, "wgan-div": 250}  # fmt: skip
LENGTHS = {"healthy-long": 16, "short": 1}
SEEDS = (0, 1, 2, 3)
#: Seeds of sabotages at 28 px, and of healthy runs of the light presets there.
WIDE_SEEDS = (8, 9)
#: Further seeds of healthy runs alone, of methods that are good in the time of a run.
MORE_SEEDS = (4, 5, 6, 7)
QUICK = ("acgan", "cgan", "dcgan", "decoding", "ebgan", "infogan", "lsgan", "multiclass-lsgan",
         "wgan", "wgan-gp")  # fmt: skip

# ---- the split, fixed before any rule was tuned -------------------------------------------------

#: Every third sabotage in the order above, one data set, three methods and two seeds are held out:
#: rules are not looked at on them until they are frozen.
HELD_KINDS = frozenset(kind.name for kind in KINDS[2:IN_SPLIT][2::3])
HELD_DATA = "fashion-mnist"
HELD_METHODS = frozenset({"dragan", "wgan", "infogan"})
HELD_SEEDS = frozenset({2, 3})
