"""CUDA graphs: the kernels of a step launched at once.

On a GPU a light game waits for its host: each of some thousand small kernels takes longer to launch
than to compute. A graph holds those of a step, as one iteration launched them, and repeats them on
the same memory. So nothing in it may depend on the host: batches are copied into tensors that stay,
streams are seeded before each repetition, rates and schedules are read from the device, and the
guard keeps its flag there. The moving average is no part of it, since its weight differs each time.

What acts seldom (a penalty every 16th step) makes iterations of several forms, each with graphs of
its own. An iteration of a new form is played as it is first, some times. A game that no graph can
repeat is played as it is, and `reason` says why: a number that is read on the host, or anything
that waits for the device.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from steadygan.errors import in_a_line
from steadygan.game.context import Iteration
from steadygan.game.draws import Stream
from steadygan.game.inputs import RealBatch, StepInputs
from steadygan.game.recipe import Recipe
from steadygan.game.repeating import Turn, UnrepeatableError
from steadygan.game.state import GameState, Guard, StepResult
from steadygan.training.inputs import InputSource, Requests

#: Iterations of a form before it is captured: libraries choose their kernels in the first ones.
WARM_UP = 3
#: Forms of an iteration, beyond which memory for graphs is not worth it.
MOST_FORMS = 4

Results = dict[str, StepResult]


class Recording(Protocol):
    """The steps of an iteration, to be repeated."""

    def capture(self, body: Callable[[], Results]) -> Results:
        """What `body()` gives, its kernels recorded and not run."""
        ...

    def next(self, streams: list[Stream]) -> None:
        """Called by `body` where a step begins, with the streams that it draws from."""
        ...

    def replay(self, before: Callable[[int], None]) -> None:
        """Run the kernels of each step, after `before` was called with its number."""
        ...


class CudaGraphs:
    """A CUDA graph for each step, all of one pool of memory: they are repeated in their order
    alone."""

    def __init__(self, device: torch.device, pool: Any) -> None:
        self.device, self.pool = device, pool
        self.graphs: list[torch.cuda.CUDAGraph] = []
        self._open = False

    def capture(self, body: Callable[[], Results]) -> Results:
        with torch.cuda.device(self.device):
            return self._on_another_stream(body)

    def _on_another_stream(self, body: Callable[[], Results]) -> Results:
        # Gradients were summed on the stream of now before, which is as it should be.
        torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
        gc.collect()  # a graph that is freed while another one is captured spoils it
        collects = gc.isenabled()
        gc.disable()
        torch.cuda.synchronize()
        stream = torch.cuda.Stream()  # the one of now cannot be captured
        try:
            with torch.cuda.stream(stream):
                results = self._captured(body)
        finally:
            if collects:
                gc.enable()
        torch.cuda.current_stream().wait_stream(stream)
        return results

    def _captured(self, body: Callable[[], Results]) -> Results:
        results: Results = {}
        try:
            results = body()
        finally:
            # Where the capture was cut off, ending it says so; the cause is on its way.
            with nullcontext() if results else suppress(RuntimeError):
                self._end()
            if not results:  # it may have left torch's own generator as if it were captured still
                own = torch.cuda.default_generators[torch.cuda.current_device()]
                own.graphsafe_set_state(torch.Generator(self.device).graphsafe_get_state())
        return results

    def next(self, streams: list[Stream]) -> None:
        self._end()
        graph = torch.cuda.CUDAGraph()
        for stream in streams:
            # It takes no subclass; this one shares the state.
            graph.register_generator_state(stream.graphsafe_get_state())
        graph.capture_begin(pool=self.pool)
        self.graphs.append(graph)
        self._open = True

    def _end(self) -> None:
        if self._open:
            self._open = False
            self.graphs[-1].capture_end()

    def replay(self, before: Callable[[int], None]) -> None:
        with torch.cuda.device(self.device):
            for number, graph in enumerate(self.graphs):
                before(number)
                graph.replay()


class Form(NamedTuple):
    """What decides which kernels an iteration launches: steps of D and of G, and for each turn that
    they have asked after whether it is now."""

    d_steps: int
    g_steps: int
    turns: tuple[bool, ...]


class Captured:
    """An iteration of one form as graphs, and the tensors that they read."""

    def __init__(self, game: Graphs, iteration: Iteration, asked: Requests) -> None:
        self.recipe, self.source, self.index = game.recipe, game.source, iteration.index
        draws = dict(self.source.draws)
        self.batches = {
            (player, k): self.source.next_batch((iteration.index, player, k))
            for player, k in sorted(asked.batches)
        }
        self.source.draws = draws  # these batches only show what is to be held
        #: A stream for each time that a step asks for one, which pieces of a batch do in turn.
        self.streams = {
            each: [self.source.stream() for _ in range(times)]
            for each, times in sorted(asked.streams.items())
        }
        self._given: Counter[tuple[str, int, str]] = Counter()
        self.places: list[tuple[str, int]] = []
        self.schedules: list[tuple[Callable[[float], float], Tensor]] = []
        self._held_so_far = 0
        self.capturing = True
        self.recording = game.recording()
        again = Iteration(iteration.index, iteration.images, self.inputs, game.guard, captured=True)
        self.results = self.recording.capture(lambda: game.recipe.play(game.state, again))
        self.capturing = False
        #: Of the last step of each player: what is logged of them reads the counts of now.
        self.contexts = [result.context for result in self.results.values()]
        for context in self.contexts:
            context.captured = False

    def inputs(self, player: str, k: int) -> StepInputs:
        """Inputs of a step whose tensors stay where they are."""
        if self.capturing:
            self.places.append((player, k))
        own = (each for place, each in self.streams.items() if place[:2] == (player, k))
        self.recording.next([stream for each in own for stream in each])
        return StepInputs(
            real=lambda: self._batch(player, k),
            generator=lambda name: self._stream(player, k, name),
            autocast=self.source.autocast,
            device=self.source.device,
            holds=self._held,
        )

    def _held(self, schedule: Callable[[float], float]) -> Tensor:
        """A tensor () that holds what `schedule` gives at the progress of each repetition. A
        recording that plays the steps again is given the same ones again, in their order."""
        self._held_so_far += 1
        if self._held_so_far > len(self.schedules):
            self.schedules.append((schedule, torch.empty((), device=self.source.device)))
        return self.schedules[self._held_so_far - 1][1]

    def _batch(self, player: str, k: int) -> RealBatch:
        if (player, k) not in self.batches:
            raise UnrepeatableError("a step draws a batch now and then")
        return self.batches[player, k]

    def _stream(self, player: str, k: int, name: str) -> Stream:
        each = (player, k, name)
        if not self.capturing:  # what is logged of the step asks, too
            place = (self.index, player, k)
            return self.source.seeded(self.source.stream(), name, place)
        held = self.streams.get(each, [])
        if self._given[each] == len(held):
            raise UnrepeatableError(f"the stream '{name}' is drawn from now and then")
        self._given[each] += 1
        return held[self._given[each] - 1]

    def replay(self, iteration: Iteration) -> Results:
        """The same steps on the batches and streams of `iteration`."""
        self.index = index = iteration.index
        self._held_so_far = 0
        for (player, k, name), streams in self.streams.items():
            for stream in streams:
                self.source.seeded(stream, name, (index, player, k))
        for (player, k), held in self.batches.items():
            drawn = self.source.next_batch((index, player, k))
            for old, new in zip(held, drawn, strict=True):
                if old is not None and new is not None:
                    old.copy_(new, non_blocking=True)
        for context in self.contexts:
            context.images, context.iteration = iteration.images, index
        for schedule, tensor in self.schedules:
            tensor.fill_(schedule(self.contexts[0].progress))
        for context in self.contexts:
            player_now = context.state.players[context.player]
            player_now.adopt(self.recipe.settings(player_now, context))
        self.recording.replay(self._before)
        return self.results

    def _before(self, number: int) -> None:
        """Ahead of a step's kernels: layers that draw by themselves draw as they would there."""
        self.source.streams.seed_global_rng(self.index, *self.places[number])


class Graphs:
    """Plays iterations of a game, by graphs where they can be. `guard` is called while capturing,
    and must wait for nothing."""

    def __init__(
        self, recipe: Recipe, state: GameState, source: InputSource, guard: Guard,
        recording: Callable[[], Recording] | None = None,
    ) -> None:  # fmt: skip
        self.recipe, self.state, self.source, self.guard = recipe, state, source, guard
        self.recording = recording or partial(
            CudaGraphs, source.device, torch.cuda.graph_pool_handle()
        )
        #: Why iterations are played as they are from here on; empty where they are not.
        self.reason = unrepeatable(recipe, state)
        self.forget()

    def forget(self) -> None:
        """Capture anew: tensors of the game were replaced."""
        self.captured: dict[Form, Captured] = {}
        self._played: Counter[Form] = Counter()
        self._asked: dict[Form, Requests] = {}
        self._turns: set[Turn] = set()

    def __call__(self, iteration: Iteration) -> Results:
        """The results of `iteration`."""
        form = self._form(iteration.index)
        if not self.reason and form not in self.captured and self._played[form] >= WARM_UP:
            self._capture(form, iteration)
        if not self.reason and form in self.captured:
            return self.captured[form].replay(iteration)
        self._played[form] += 1
        asked = self.source.requests = Requests()
        results = self.recipe.play(self.state, iteration)
        self.source.requests = Requests()  # what is asked between iterations is no part of them
        self._asked[form] = asked
        if not asked.turns <= self._turns:  # forms are told apart by more turns from here on
            self._turns |= asked.turns
            self.captured.clear()
        return results

    def _form(self, index: int) -> Form:
        turns = tuple(turn.is_now(index) for turn in sorted(self._turns))
        return Form(self.recipe.steps("d", index), self.recipe.steps("g", index), turns)

    def _capture(self, form: Form, iteration: Iteration) -> None:
        if len(self.captured) == MOST_FORMS:
            self.reason = f"more than {MOST_FORMS} kinds of iterations"
            return
        try:
            self.captured[form] = Captured(self, iteration, self._asked[form])
        except UnrepeatableError as error:
            self.reason = str(error)
        except (RuntimeError, TypeError) as error:  # of what a capture, or `Varying`, forbids
            self.reason = f"a step cannot be captured ({in_a_line(error)[0]})"


def unrepeatable(recipe: Recipe, state: GameState) -> str:
    """What of a recipe no graph can repeat, in words, or nothing. A setting of an optimizer that
    moves beside its rate would stay as it was captured; activations that are made again want the
    state of random streams, which is not there while capturing."""
    if recipe.recompute:
        return "recompute=true makes activations again"
    for name, player in state.players.items():
        first, last = (
            player.spec.settings(images, recipe.horizon_images, recipe.batch)
            for images in (0, recipe.horizon_images)
        )
        for key in first:
            if key != "lr" and first[key] != last[key]:
                return f"{key} of {name}'s optimizer moves with each iteration"
    return ""
