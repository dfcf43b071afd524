"""R13: NaN and Inf put into a running game, wherever one can come from."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import Tensor

from steadygan.errors import NonFiniteError
from steadygan.game.recipe import Recipe
from steadygan.priors import Prior
from steadygan.training import Goal, Hooks, Trainer, checkpoint, guards, replay
from tests.reliability import games, resuming

NAN, INF = float("nan"), float("inf")
#: What is poisoned -> what the message must say of it, and whether a replay finds it again: what
#: was put into a loss or gradient on the way is not in the state, so there it says all is finite.
KINDS: dict[str, tuple[str, bool]] = {
    "data": ("real batch (data) of player d", True),
    "latent": ("latents of player", True),
    "weight d": ("of network players/d", True),
    "weight g": ("of network players/g", True),
    "loss d": ("of player d", False),
    "loss g": ("of player g", False),
    "gradient d": ("of player d", False),
    "gradient g": ("of player g", False),
    "moment d": ("of player d", True),
    "moment g": ("of player g", True),
    "ema": ("EMA weight", True),
}


@dataclasses.dataclass
class Poison:
    """One poisoned number: `kind` at turn `step`, set to `value`; the tensor it was put into."""

    kind: str
    step: int
    value: float
    tensor: Tensor | None = None

    @contextlib.contextmanager
    def into(self, trainer: Trainer) -> Iterator[None]:
        what, _, player = self.kind.partition(" ")
        with contextlib.ExitStack() as stack:
            getattr(self, f"_{what}")(trainer, player, stack)
            yield

    def _now(self, trainer: Trainer) -> bool:
        return trainer.iteration == self.step

    def _set(self, tensor: Tensor) -> Tensor:
        with torch.no_grad():
            middle = torch.unravel_index(torch.tensor(tensor.numel() // 2), tensor.shape)
            tensor[middle] = self.value
        return tensor

    def _data(self, trainer: Trainer, _player: str, stack: contextlib.ExitStack) -> None:
        deal = trainer.source.next_batch

        def batch(place: tuple) -> tuple:
            dealt = deal(place)
            if self._now(trainer):
                dealt = dealt._replace(samples=self._set(dealt.samples.contiguous()))
            return dealt

        stack.enter_context(mock.patch.object(trainer.source, "next_batch", batch))

    def _latent(self, trainer: Trainer, _player: str, stack: contextlib.ExitStack) -> None:
        kind: type[Prior] = type(trainer.recipe.prior)
        draw = kind.sample

        def sample(prior: Prior, count: int, generator: torch.Generator) -> Tensor:
            drawn = draw(prior, count, generator)
            return self._set(drawn) if self._now(trainer) else drawn

        stack.enter_context(mock.patch.object(kind, "sample", sample))

    def _before(self, trainer: Trainer, find: Callable[[], Tensor],
                stack: contextlib.ExitStack) -> None:  # fmt: skip
        iteration = trainer.iterate

        def iterate() -> None:
            if self._now(trainer):
                self.tensor = self._set(find())
            iteration()

        stack.enter_context(mock.patch.object(trainer, "iterate", iterate))

    def _weight(self, trainer: Trainer, player: str, stack: contextlib.ExitStack) -> None:
        self._before(trainer, lambda: trainer.state.players[player].parameters[0], stack)

    def _ema(self, trainer: Trainer, _player: str, stack: contextlib.ExitStack) -> None:
        self._before(trainer, lambda: next(trainer.state.g_ema.parameters()), stack)

    def _moment(self, trainer: Trainer, player: str, stack: contextlib.ExitStack) -> None:
        def total_steps() -> Tensor:
            found = trainer.state.players[player].optimizer_tensors()
            return next(t for t in found.values() if t.dim())

        self._before(trainer, total_steps, stack)

    def _loss(self, trainer: Trainer, player: str, stack: contextlib.ExitStack) -> None:
        kind = type(trainer.recipe)
        plain = kind.losses

        def losses(recipe: Recipe, context: object) -> dict[str, Tensor]:
            found = plain(recipe, context)
            if self._now(trainer) and context.player == player:
                part = list(found)[-1 if player == "d" else 0]
                found[part] = found[part] + self.value
            return found

        stack.enter_context(mock.patch.object(kind, "losses", losses))

    def _gradient(self, trainer: Trainer, player: str, stack: contextlib.ExitStack) -> None:
        def hook(gradient: Tensor) -> Tensor:
            moves = self._now(trainer) and trainer._place[1] == player  # weights may be shared
            return self._set(gradient.clone()) if moves else gradient

        handle = trainer.state.players[player].parameters[-1].register_hook(hook)
        stack.callback(handle.remove)


def cases(steps: Sequence[int], values: Sequence[float]) -> list[Poison]:
    """Every kind at every step, with one value after the other; an optimizer has no moments before
    its first step."""
    return [
        Poison(kind, step, values[n % len(values)])
        for kind in KINDS
        for n, step in enumerate(steps)
        if not (kind.startswith("moment") and step == 0)
    ]


def begun(method: str, folder: Path, steps: int) -> Path:
    """The checkpoint of a game after its pre-training stages and so many steps."""
    trainer = games.trainer_of(games.small(method), folder, games.images())
    resuming.play_on(trainer, steps)
    return trainer.save()


def stopped(poison: Poison, method: str, folder: Path, start: Path | None = None) -> str:
    """Play until the poison acts, from the checkpoint `start` where there is one: what the run
    said. All that R13 promises is asserted."""
    data = games.images()
    trainer = games.trainer_of(games.small(method), folder, data,
                               schedule=games.LogSchedule(save_every=1, log_every=0))  # fmt: skip
    if start is not None:
        trainer.restore(checkpoint.load(start))
        trainer.save()
    resuming.play_on(trainer, 0)  # poison in a stage is a test of its own
    with poison.into(trainer), pytest.raises(NonFiniteError) as caught:
        trainer.run(Goal(steps=poison.step + 2), Hooks())
    said, (words, again) = str(caught.value), KINDS[poison.kind]
    what = f"{method}, {poison}: {said}"
    assert caught.value.exit_code == 3
    assert said.startswith(f"step {poison.step}: NaN or Inf in"), what
    assert words in said, what
    assert "\n" not in said, what
    assert trainer.iteration == poison.step, what
    weights_whole(trainer, poison, what)
    saved = checkpoint.listed(trainer.folder.checkpoints)
    number = poison.step + sum(trainer.stage_steps.values())
    assert saved[0].name == f"step-{number:06d}.safetensors", what
    for path in saved:
        assert guards.all_finite(checkpoint.load(path).tensors.values()), what
    assert checkpoint.listed(folder / "failure"), what
    answer = replay(folder, data=data)
    if again:
        assert answer == f"replayed: {said}", f"{what}; and then {answer}"
    else:
        assert "every number was finite this time" in answer, f"{what}; and then {answer}"
    return said


def weights_whole(trainer: Trainer, poison: Poison, what: str) -> None:
    """No weight or buffer of the game is non-finite, but the number that was put there."""
    for name, module in trainer.state.networks().items():
        for key, tensor in module.state_dict().items():
            bad = int((~torch.isfinite(tensor)).sum())
            poisoned = poison.tensor is not None and (tensor.data_ptr() == poison.tensor.data_ptr())
            assert bad == int(poisoned), f"{what}: {bad} bad numbers in {name}/{key}"


def poisoned(
    method: str,
    folder: Path,
    tick: Callable[[], None] = lambda: None,
    steps: Iterable[int] = (0, 1, 100),
    values: Iterable[float] = (NAN, INF, -INF),
    every_value: bool = True,
    one_in: int = 1,
    first: int = 0,
) -> str:
    """R13 for one method: every kind at every step, with every value or one after the other; of
    all these, one in so many from the `first`."""
    chosen = [[value] for value in values] if every_value else [values]
    late = max(steps := tuple(steps))
    # Exact resume (R1) makes a start from a checkpoint the same game, and plays its steps once.
    start = begun(method, folder / "begun", late) if late > 1 else None
    done = 0
    for some in chosen:
        for i, poison in enumerate(cases(steps, tuple(some))):
            if (i + i // one_in) % one_in != first:  # one step of a kind, the other of the next
                continue
            from_there = start if poison.step == late else None
            stopped(poison, method, folder / str(done), from_there)
            done += 1
            tick()
    return f"{done} poisoned runs stopped"
