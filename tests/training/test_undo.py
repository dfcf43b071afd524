"""What the guard keeps of a game before each update: all that moves, at no cost by size."""

import pytest
import torch
from tiny import GREY, differing, shrunk, trainer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from steadygan.errors import NonFiniteError
from steadygan.game.part import Part
from steadygan.losses.regularisers import RunningMeans
from steadygan.methods import find
from steadygan.parts.replay import History
from steadygan.training import guards

#: Operations that reach some rows alone of their first tensor; the second writes there.
READS_ROWS, WRITES_ROWS = "index", "index_put_"
PARTS_WITH_STATE = ("replay:capacity=64", "lecam", "historical-averaging", "ada")


class Touched(TorchDispatchMode):
    """How many elements all operations inside have read or written; views touch none."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if not func.is_view:
            name = func.overloadpacket.__name__
            seen = args[1:] if name in (READS_ROWS, WRITES_ROWS) else args
            for each in tree_leaves([seen, () if name == WRITES_ROWS else made]):
                self.elements += each.numel() if isinstance(each, torch.Tensor) else 0
        return made


def touched(context):
    with Touched() as seen:
        context()
    return seen.elements


def game(part, method="dcgan", **keys):
    recipe = shrunk(find(method).recipe, **keys)
    return trainer(recipe.with_(Part.read(part)), GREY)


def test_the_counter_sees_copies_and_sums_and_not_views_or_rows():
    big = torch.zeros(1000, 10)
    assert touched(lambda: big.clone()) == 20_000
    assert touched(lambda: big.sum()) == 10_001
    assert touched(lambda: big[3:5].flatten()) == 0
    rows = torch.tensor([3, 5])
    assert touched(lambda: big[rows]) == 2 + 20
    assert touched(lambda: big.copy_(torch.ones(()))) >= 20_000


def test_a_turn_costs_the_same_whatever_the_replay_history_holds():
    cost = {}
    for capacity in (8, 2048):
        played = game(f"replay:capacity={capacity}")
        history = played.state.part_states["replay"]
        history.samples.uniform_(-1, 1)
        history.filled.fill_(capacity)
        played.iterate()
        cost[capacity] = touched(played.iterate)
    numbers = 4 * 2048  # two permutations of its places; its samples are 784 times as many
    assert 0 <= cost[2048] - cost[8] < numbers + 1000


@pytest.mark.parametrize("part", PARTS_WITH_STATE)
def test_the_guard_copies_no_state_of_size(part):
    method = "dcgan" if part == "ada" else "wgan-gp"  # ada wants an objective with a threshold
    plain, remembers = (game(p, method) for p in ("instance-noise", part))
    for player in ("d", "g"):
        more = touched(lambda m=player: remembers.inputs(m, 0)) - touched(
            lambda m=player: plain.inputs(m, 0)
        )
        assert more <= 20, part


@pytest.mark.parametrize("method", ["began", "decoding", "ebgan"])
def test_methods_of_their_own_state_keep_little_as_well(method):
    played = trainer(shrunk(find(method).recipe), GREY)
    of_players = sum(
        b.numel() for p in played.state.players.values() if not p.weights_of
        for b in p.modules.buffers()
    )  # fmt: skip
    assert touched(lambda: played.inputs("d", 0)) <= 2 * (of_players + 200)


def test_every_part_of_the_library_that_remembers_is_counted_here():
    ours = {n: p for n, p in Part.members().items() if p.__module__.startswith("steadygan.")}
    found = {name for name, part in ours.items() if part.start is not Part.start}
    look_at_the_data_alone = {"diffaugment", "consistency"}
    assert found - look_at_the_data_alone == {p.partition(":")[0] for p in PARTS_WITH_STATE}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("filled", [0, 3, 6])
def test_a_history_takes_its_changes_back_bit_for_bit(filled):
    history = History(6, (2,))
    for n in range(filled):
        history.exchange(torch.full((2, 2), float(n)), 1, seeded(n))
    history.begin_step()
    before = {k: v.clone() for k, v in history.state_dict().items()}
    for seed in range(3):  # an update may ask more than once
        history.exchange(torch.full((4, 2), -1.0 - seed), 2, seeded(seed))
    assert differing(history.state_dict(), before)
    history.undo_step()
    assert differing(history.state_dict(), before) == []
    history.undo_step()
    assert differing(history.state_dict(), before) == []


def test_running_means_move_after_the_guard_alone():
    played = game("historical-averaging")
    means = [m for m in played.state.part_states.modules() if isinstance(m, RunningMeans)]
    before = [m.steps.clone() for m in means]
    check, seen = played.guard.check, []

    def looks(update):
        seen.append([int(m.steps - b) for m, b in zip(means, before, strict=True)])
        check(update)

    played.guard.check = looks
    played.iterate()
    assert seen == [[0, 0], [1, 0]]
    assert [int(m.steps) for m in means] == [2, 2]


@pytest.mark.parametrize("iteration", [0, 1, 2])
def test_a_failing_update_leaves_the_history_as_it_was(iteration, tmp_path):
    played = trainer(
        shrunk(find("dcgan").recipe).with_(Part.read("replay:capacity=6")), GREY, folder=tmp_path
    )
    for _ in range(iteration):
        played.iterate()
    before = {k: v.clone() for k, v in played.gathered().items() if "states/" in k}
    assert int(before["states/replay.filled"]) == min(4 * iteration, 6)
    batch = played.source.next_batch
    played.source.next_batch = lambda place: batch(place)._replace(
        samples=torch.full((8, *GREY), torch.nan)
    )
    with pytest.raises(NonFiniteError, match="real batch"):
        played.iterate()
    after = {k: v for k, v in played.gathered().items() if "states/" in k}
    assert differing(before, after) == []


def test_a_bad_fake_that_d_does_not_judge_is_caught_before_it_is_kept(tmp_path):
    recipe = shrunk(find("dcgan").recipe, shared_latents="false")
    played = trainer(recipe.with_(Part.read("replay:capacity=7,share=.9")), GREY, folder=tmp_path)
    played.iterate()
    generator = played.state.generator
    # shown to D is the first fake of the batch alone; the third takes a place in the history
    generator.register_forward_hook(
        lambda _m, _i, made: made.index_fill(0, torch.tensor([2]), torch.nan)
    )
    with pytest.raises(NonFiniteError, match="player"):
        played.iterate()
    assert torch.isfinite(played.state.part_states["replay"].samples).all()
    assert played._place[1] == "d"


def test_a_bad_number_in_the_history_stops_the_update_that_draws_it(tmp_path):
    recipe = shrunk(find("dcgan").recipe).with_(Part.read("replay:capacity=4"))
    played = trainer(recipe, GREY, folder=tmp_path)
    played.iterate()
    played.state.part_states["replay"].samples[:, 0, 5, 5] = torch.inf
    with pytest.raises(NonFiniteError, match=r"the state replay\.samples of a part"):
        played.iterate()


@pytest.mark.parametrize("name", ["k", "rate", "least"])
def test_a_bad_number_in_a_small_state_stops_the_first_update(name, tmp_path):
    played = trainer(shrunk(find("began").recipe), GREY, folder=tmp_path)
    played.iterate()
    getattr(played.state.part_states["balance"], name).fill_(torch.nan)
    with pytest.raises(NonFiniteError, match=f"the state balance.{name} of a part"):
        played.iterate()
    assert guards.all_finite(p for p in played.state.discriminator.parameters())
