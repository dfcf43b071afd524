"""What only a GPU can tell: kernels that repeat bit for bit, CUDA graphs, exact resume. Skipped
where there is none: `python -m pytest tests/training/test_gpu.py` on a machine that has one."""

import pytest
import torch
from tiny import GREY, dataset, differing, play, shrunk

from steadygan.errors import NonFiniteError, UserError
from steadygan.game.part import Part
from steadygan.methods import find, methods
from steadygan.networks.own import OwnNetworks
from steadygan.training import LogSchedule, Trainer, resume, train
from steadygan.training.checkpoint import listed, load
from steadygan.training.graphs import WARM_UP
from steadygan.training.loop import needs_double_backward
from steadygan.training.precision import place
from steadygan.training.runfolder import RunFolder, read_facts

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

#: Methods that no graph can repeat, by betas that move; and those with kernels that no GPU has a
#: deterministic form of.
PLAYED = {"r3gan"}
INEXACT = {"fastgan", "projected"}
#: Part by part, what could wait for the device or keep a host's number.
PARTS = ("consistency", "diffaugment", "dropout", "feature-matching", "generator-l2",
         "gradient-clip", "historical-averaging", "instance-noise", "label-flip", "label-noise",
         "label-smoothing", "lecam", "minibatch-discrimination", "pulling-away", "r1:every=2",
         "r1:weight_end=0", "weight-clip")  # fmt: skip


def trainer(recipe, folder, graphs=True, exact=True, precision="fp32"):
    torch.manual_seed(0)
    placed = place("cuda", precision, needs_double_backward(recipe), exact, graphs)
    return Trainer(recipe, dataset(GREY), RunFolder(folder), 0, placed)


def played(game, iterations=WARM_UP + 4):
    play(game, iterations)
    return {name: tensor.cpu() for name, tensor in game.gathered().items()}


@pytest.mark.parametrize("name", methods())
def test_a_graph_of_an_exact_game_repeats_it_bit_for_bit(name, tmp_path):
    recipe, exact = shrunk(find(name).recipe), name not in INEXACT
    plain = played(trainer(recipe, tmp_path, graphs=False, exact=exact))
    game = trainer(recipe, tmp_path, exact=exact)
    found = played(game)
    assert differing(plain, found) == [] or not exact
    assert bool(game.graphs.captured) == (name not in PLAYED), game.graphs.reason


@pytest.mark.parametrize("part", PARTS)
def test_a_part_in_a_graph_does_what_it_does_outside(part, tmp_path):
    recipe = shrunk(find("dcgan").recipe).with_(Part.read(part))
    plain = played(trainer(recipe, tmp_path, graphs=False), 12)
    game = trainer(recipe, tmp_path)
    assert differing(plain, played(game, 12)) == []
    assert game.graphs.captured, game.graphs.reason


def test_after_a_capture_that_failed_the_game_goes_on_with_its_dropout(tmp_path):
    """`replay` reads on the host how many old fakes there are."""
    parts = [Part.read("replay:capacity=16"), Part.read("dropout")]
    recipe = shrunk(find("dcgan").recipe).with_(*parts)
    plain = played(trainer(recipe, tmp_path, graphs=False), 9)
    game = trainer(recipe, tmp_path)
    assert differing(plain, played(game, 9)) == []
    assert game.graphs.reason.startswith("a step cannot be captured")


@pytest.mark.parametrize("name", ["dcgan", "wgan", "wgan-gp", "sngan", "gan", "r3gan", "acgan"])
def test_a_run_that_is_stopped_and_goes_on_ends_as_one_that_was_not(name, tmp_path):
    recipe, data = shrunk(find(name).recipe), dataset(GREY)
    given = {"device": "cuda", "exact": True, "schedule": LogSchedule(save_every=7)}
    whole = train(recipe, data, out=tmp_path / "whole", steps=23, **given)
    part = train(recipe, data, out=tmp_path / "part", steps=9, **given)
    resume(part, steps=23, data=data)
    ends = [load(listed(run / "checkpoints")[0]).tensors for run in (whole, part)]
    assert differing(*ends) == []
    assert read_facts(whole)["arithmetic"].endswith(", exact")


@pytest.fixture
def poisoned():
    """DCGAN with a part whose loss is NaN wherever D's first bias has fallen below -1, which
    nothing does by itself."""

    class Poison(Part):
        name = "test-poison"
        sides = ("on_d",)

        def loss(self, context):
            bias = next(context.state.discriminator.parameters())
            return torch.where(bias.min() < -1, float("nan"), 0.0) * context.real_scores.mean()

    return shrunk(find("dcgan").recipe).with_(Poison())


def test_nan_in_a_graph_stops_the_run_at_its_step_with_the_weights_before_it(poisoned, tmp_path):
    game = trainer(poisoned, tmp_path / "run")
    game.folder.path.mkdir()
    for _ in range(7):
        game.iterate()
    assert game.graphs.captured, game.graphs.reason
    with torch.no_grad():
        next(game.state.discriminator.parameters()).flatten()[0] = -2.0
    game._snapshot = None  # the state from here on is what the game goes back to
    game.settle()
    before = {name: tensor.cpu() for name, tensor in game.gathered().items()}
    for _ in range(3):
        game.iterate()
    with pytest.raises(NonFiniteError, match=r"step 7: NaN or Inf in .*; the weights were not tou"):
        game.settle()
    after = {name: tensor.cpu() for name, tensor in game.gathered().items()}
    assert differing(before, after) == ["counters/draws d"]


def test_a_fault_that_does_not_come_again_costs_nothing(tmp_path):
    recipe = shrunk(find("dcgan").recipe)
    plain, game = (trainer(recipe, tmp_path, graphs) for graphs in (False, True))
    wanted = played(plain, 12)
    for _ in range(7):
        game.iterate()
    game.settle()
    with torch.no_grad():  # as a bit that has flipped in memory
        next(game.state.discriminator.parameters()).fill_(float("nan"))
    assert differing(wanted, played(game, 5)) == []


def test_bf16_and_tf32_are_captured_too(tmp_path):
    recipe = shrunk(find("wgan-gp").recipe)
    for precision in ("fp32", "bf16"):
        game = trainer(recipe, tmp_path, exact=False, precision=precision)
        found = played(game)
        assert game.graphs.captured, game.graphs.reason
        assert all(
            tensor.isfinite().all() for tensor in found.values() if tensor.is_floating_point()
        )


def test_an_exact_game_of_a_kernel_that_is_none_says_so(tmp_path):
    class Blurred(torch.nn.Module):
        def forward(self, images):
            return torch.nn.functional.interpolate(images, scale_factor=0.5, mode="bicubic")

    side = GREY[-1]
    d = torch.nn.Sequential(Blurred(), torch.nn.Flatten(), torch.nn.Linear((side // 2) ** 2, 1))
    recipe = shrunk(find("dcgan").recipe)
    recipe = recipe.changed(networks=OwnNetworks(discriminator=d, like=recipe.networks))
    with pytest.raises(UserError, match=r"exact=true: .* has no deterministic kernel"):
        played(trainer(recipe, tmp_path))


def test_ready_networks_may_be_on_the_gpu(tmp_path):
    recipe = shrunk(find("dcgan").recipe)
    built = recipe.networks.build(GREY, recipe.prior.dim)
    own = OwnNetworks(
        generator=built["generator"].cuda(), discriminator=built["discriminator"].cuda()
    )
    played(trainer(recipe.changed(networks=own), tmp_path))
