"""Iterations as graphs, and the guard that is read later: as far as a CPU can tell. What only a GPU
can is in test_gpu.py."""

from collections import Counter
from typing import ClassVar

import pytest
import torch
from tiny import GREY, POINT, differing, play, shrunk, trainer

from steadygan.errors import NonFiniteError
from steadygan.game.part import Part
from steadygan.game.repeating import UnrepeatableError, Varying
from steadygan.methods import find, methods
from steadygan.training import loop
from steadygan.training.graphs import MOST_FORMS, WARM_UP, Graphs
from steadygan.training.guards import LateGuard, Snapshot

#: Those that no graph can repeat, and why.
PLAYED = {"r3gan": "betas of d"}


class Again:
    """Plays the captured call again, on what it reads by then: what CUDA graphs do in less time."""

    def __init__(self, game):
        self.game, self.before, self.step = game, None, 0

    def capture(self, body):
        kept = Snapshot(self.game.state)
        kept.take()
        self.body = body
        try:
            self.results = body()
        finally:
            # To capture computes nothing, so no schedule holds a number yet and no flag is set.
            kept.restore()
            self.game._late_guard.found()
        return self.results

    def next(self, streams):
        if self.before is not None:
            self.before(self.step)
            self.step += 1

    def replay(self, before):
        self.before, self.step = before, 0
        self.results.update(self.body())


def late(game):
    """`game` with a guard that is read later."""
    game._late_guard = LateGuard(torch.device("cpu"))
    return game


def repeated(game):
    """`game` with a late guard and graphs."""
    late(game)
    game.graphs = Graphs(game.recipe, game.state, game.source, game._late_guard.check,
                         recording=lambda: Again(game))  # fmt: skip
    return game


def played(game, iterations):
    play(game, iterations)
    return game


@pytest.mark.parametrize("name", methods())
def test_an_iteration_that_is_repeated_moves_all_that_one_played_does(name):
    recipe = shrunk(find(name).recipe)
    plain = played(trainer(recipe, GREY), WARM_UP + 3)
    game = played(repeated(trainer(recipe, GREY)), WARM_UP + 3)
    assert game.graphs.reason.startswith(PLAYED[name]) if name in PLAYED else not game.graphs.reason
    assert bool(game.graphs.captured) == (name not in PLAYED), game.graphs.reason
    assert differing(plain.gathered(), game.gathered()) == []


def test_each_form_of_an_iteration_has_a_graph_of_its_own():
    recipe = shrunk(find("sngan").fitted(POINT)).with_(Part.read("r1:every=3"))
    plain = played(trainer(recipe, POINT), 24)
    game = played(repeated(trainer(recipe, POINT)), 24)
    assert sorted(form.turns for form in game.graphs.captured) == [(False,), (True,)]
    assert differing(plain.gathered(), game.gathered()) == []


def test_too_many_forms_are_played_as_they_are():
    parts = [
        Part.read(f"{name}:every={n}")
        for n, name in ((2, "r1"), (3, "r2"), (5, "lipschitz-penalty"))
    ]
    recipe = shrunk(find("sngan").fitted(POINT)).with_(*parts)
    plain = played(trainer(recipe, POINT), 90)
    game = played(repeated(trainer(recipe, POINT)), 90)
    assert game.graphs.reason == f"more than {MOST_FORMS} kinds of iterations"
    assert differing(plain.gathered(), game.gathered()) == []


@pytest.fixture
def part(request):
    """A part by its text, or one of these, which no registry shall see."""

    class Counting(Part):
        """Weighs its loss by how far the run is."""

        name = "test-counting"
        sides = ("on_g",)

        def loss(self, context):
            return context.fake.mean() * context.images / 1e6

    class Seldom(Part):
        """Draws from a stream now and then, without asking whether it is its turn."""

        name = "test-seldom"
        sides = ("on_g",)
        asked: ClassVar = Counter()

        def loss(self, context):
            self.asked[id(context.state)] += 1
            if self.asked[id(context.state)] <= WARM_UP:
                return None
            drawn = torch.rand((), generator=context.generator("seldom"))
            return context.fake.mean() * drawn

    class Alone(Part):
        """Draws from torch's own generator, in D's steps."""

        name = "test-alone"
        sides = ("on_d",)

        def loss(self, context):
            return torch.rand(()) * context.real_scores.square().mean()

    Seldom.asked.clear()
    own = {"counting": Counting, "seldom": Seldom, "alone": Alone}
    return own[request.param]() if request.param in own else Part.read(request.param)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ("counting", "a step follows how far the run is"),
        ("seldom", "the stream 'seldom' is drawn from now and then"),
    ],
    indirect=["part"],
)
def test_what_no_graph_can_repeat_is_played_as_it_is_and_the_reason_said(part, reason):
    recipe = shrunk(find("dcgan").recipe).with_(part)
    plain = played(trainer(recipe, GREY), WARM_UP + 3)
    game = played(repeated(trainer(recipe, GREY)), WARM_UP + 3)
    assert game.graphs.reason == reason
    assert not game.graphs.captured
    assert differing(plain.gathered(), game.gathered()) == []


@pytest.mark.parametrize("part", ["r1:weight_end=0", "instance-noise"], indirect=True)
def test_a_rate_and_a_weight_that_fall_are_followed(part):
    recipe = shrunk(find("dcgan").recipe, horizon_images=80).with_(part)
    recipe = recipe.changed(
        d_optimizer=recipe.d_optimizer.model_copy(update={"lr_end": 0.1}),
        g_optimizer=recipe.g_optimizer.model_copy(update={"lr_end": 0.1}),
    )
    plain = played(trainer(recipe, GREY), WARM_UP + 6)
    game = played(repeated(trainer(recipe, GREY)), WARM_UP + 6)
    assert game.graphs.captured
    assert differing(plain.gathered(), game.gathered()) == []


def test_a_count_that_varies_is_read_on_purpose_alone():
    count = Varying(7)
    assert count.now == 7
    uses = (lambda: count + 1, lambda: 1 / count, lambda: count % 2, lambda: count < 9,
            lambda: -count, lambda: bool(count), lambda: count == 7, lambda: max(count, 3),
            lambda: 2.0**count, lambda: count in {5, 7}, lambda: range(count),
            lambda: int(count), lambda: f"{count}", lambda: torch.ones(3) * count)  # fmt: skip
    for use in uses:
        with pytest.raises(UnrepeatableError, match="how far the run is"):
            use()


@pytest.mark.parametrize("part", ["alone", "dropout"], indirect=True)
def test_what_draws_random_numbers_by_itself_draws_the_same_ones(part):
    recipe = shrunk(find("dcgan").recipe).with_(part)
    plain = played(trainer(recipe, GREY), WARM_UP + 3)
    game = played(repeated(trainer(recipe, GREY)), WARM_UP + 3)
    assert game.graphs.captured, game.graphs.reason
    assert differing(plain.gathered(), game.gathered()) == []


def test_pieces_of_a_batch_are_given_the_same_streams_in_turn():
    recipe = shrunk(find("dcgan").recipe).changed(microbatch=4, sync_batchnorm=False)
    plain = played(trainer(recipe, GREY), WARM_UP + 3)
    game = played(repeated(trainer(recipe, GREY)), WARM_UP + 3)
    assert game.graphs.captured, game.graphs.reason
    assert differing(plain.gathered(), game.gathered()) == []


# ---- the guard that is read later -----------------------------------------------------------


def poison(at, times):
    """A part that makes NaN of D's loss in iteration `at`, as often as `times` says."""
    left = [times]

    class Poison(Part):
        name = "test-poison"
        sides = ("on_d",)

        def loss(self, context):
            bad = context.iteration == at and left[0] > 0
            left[0] -= bad
            return context.real_scores.mean() * (float("nan") if bad else 0.0)

    return Poison()


def poisoned(tmp_path, times=1000):
    recipe = shrunk(find("dcgan").recipe).with_(poison(5, times))
    return late(trainer(recipe, GREY, folder=tmp_path))


def test_a_step_that_fails_stops_the_game_where_it_is_settled_with_the_state_before_it(tmp_path):
    game, sure = poisoned(tmp_path / "late"), poisoned(tmp_path / "now")
    sure._late_guard = None
    for each in (game, sure):
        each.folder.path.mkdir()
    for _ in range(5):
        sure.iterate()
    for _ in range(9):
        game.iterate()  # it goes on with NaN in its weights
    assert not torch.isfinite(next(game.state.discriminator.parameters())).all()
    with pytest.raises(NonFiniteError, match="step 5: NaN or Inf in") as stopped:
        game.settle()
    assert "steadygan replay" in str(stopped.value)
    with pytest.raises(NonFiniteError, match="step 5"):
        sure.iterate()
    assert differing(sure.gathered(), game.gathered()) == []


def test_a_failure_that_does_not_come_again_is_gone_over(tmp_path):
    game, plain = poisoned(tmp_path, times=1), poisoned(tmp_path, times=0)
    plain._late_guard = None
    for _ in range(9):
        game.iterate()
        plain.iterate()
    game.settle()
    assert differing(plain.gathered(), game.gathered()) == []


def test_going_back_to_before_an_optimizers_first_step_captures_anew():
    recipe = shrunk(find("dcgan").recipe)
    plain = played(trainer(recipe, GREY), 16)
    game = repeated(trainer(recipe, GREY))
    game.settle()  # no optimizer has a moment yet
    for _ in range(WARM_UP + 2):
        game.iterate()
    before = list(game.graphs.captured.values())
    with torch.no_grad():  # as a bit that has flipped in memory
        next(game.state.discriminator.parameters()).fill_(float("nan"))
    for _ in range(11 - WARM_UP):
        game.iterate()
    game.settle()
    assert not game.graphs.captured
    for _ in range(3):
        game.iterate()
    game.settle()
    assert before
    assert differing(plain.gathered(), game.gathered()) == []


def test_the_guard_is_read_now_and_then_whatever_asks_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SETTLE_AFTER", 4)
    game = poisoned(tmp_path)
    for _ in range(8):
        game.iterate()
    with pytest.raises(NonFiniteError, match="step 5"):
        game.iterate()


@pytest.mark.parametrize("read", ["save", "log"])
def test_nothing_is_kept_of_steps_that_are_not_settled(tmp_path, read):
    game = poisoned(tmp_path)
    for _ in range(7):
        game.iterate()
    with pytest.raises(NonFiniteError, match="step 5"):
        game.save() if read == "save" else game.log(with_samples=False)
    assert not list(tmp_path.glob("checkpoints/*"))
    assert not (tmp_path / "history.jsonl").exists()


def test_going_back_goes_to_after_a_stage_and_not_before_it(tmp_path):
    recipe = shrunk(find("decoding").recipe).with_(poison(2, 1))
    plain = shrunk(find("decoding").recipe).with_(poison(2, 0))
    game = late(trainer(recipe, GREY, folder=tmp_path))
    game.settle()
    ends = [played(each, 5).gathered() for each in (game, trainer(plain, GREY))]
    assert differing(*ends) == []
