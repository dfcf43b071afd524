"""Recomputation: the step that makes activations again is bit for bit the one that keeps them."""

from collections import Counter
from contextlib import nullcontext

import pytest
import torch
from sharing import GAMES, played, trainer_of
from tiny import dataset, shrunk
from torch import nn
from torch.nn.utils import parametrize
from torch.utils.weak import TensorWeakRef

from steadygan.errors import UserError
from steadygan.game import recomputation
from steadygan.game.recomputation import Recomputed, segments_of
from steadygan.methods import find
from steadygan.networks.spectral import spectral_norm
from steadygan.training import checkpoint, train

#: Two derivatives, spectral norm in both players with shared latents, codes, a pre-trained stage,
#: gates between blocks: in each run of tests.
FEW = ("wgan-gp", "sagan-hinge", "infogan", "decoding", "fastgan", "r3gan", "dcgan")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in FEW else pytest.mark.long) for name in GAMES],
)
def test_the_step_is_the_same_bit_for_bit(name, float64):
    kept, again = (played(trainer_of(*GAMES[name], **keys)) for keys in ({}, {"recompute": "true"}))
    assert kept.keys() == again.keys()
    differing = [key for key in kept if not torch.equal(kept[key], again[key])]
    assert not differing


def test_weights_that_a_preset_computes_of_others_are_there_again(float64):
    """A weight-normed G, whose graph outlives D's step."""
    keys = {"networks": "improved"}
    kept, again = (
        played(trainer_of("feature-matching", "", **keys, **more))
        for more in ({}, {"recompute": "true"})
    )
    assert all(torch.equal(kept[key], again[key]) for key in kept)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_precisions_are_the_same(precision, tmp_path):
    found = []
    for recompute in (False, True):
        recipe = shrunk(find("dcgan").recipe, recompute=recompute)
        run = train(recipe, dataset(), out=tmp_path / str(recompute), steps=2, precision=precision)
        found.append(checkpoint.load(checkpoint.listed(run / "checkpoints")[0]).tensors)
    assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])


def test_microbatches_and_recomputation_go_together(float64):
    keys = {"microbatch": 2, "sync_batchnorm": "false"}
    kept, again = (
        played(trainer_of("r3gan", "", **keys, **more)) for more in ({}, {"recompute": "true"})
    )
    assert all(torch.equal(kept[key], again[key]) for key in kept)


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.5),
        nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Tanh(),
    )  # fmt: skip


def forward(module, again):
    """The loss of `module` for fixed images, and a reference to what its first layer gave."""
    torch.manual_seed(1)
    seen = []
    handle = module[0].register_forward_hook(lambda *given: seen.append(TensorWeakRef(given[2])))
    with Recomputed(module) if again else nullcontext():
        loss = module(torch.randn(4, 1, 8, 8)).square().sum()
    handle.remove()
    return loss, seen[0]


def test_activations_are_not_kept_and_dropout_drops_the_same():
    found = []
    for again in (False, True):
        module = network()
        loss, first = forward(module, again)
        assert (first() is None) == again, "batch norm reads it in the backward"
        loss.backward()
        found.append([p.grad for p in module.parameters()] + list(module.buffers()))
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))
    assert int(module[1].num_batches_tracked) == 1


def test_a_network_is_as_it_was_after_the_forward():
    module = network()
    forward(module, again=True)
    assert "forward" not in vars(module)
    with pytest.raises(RuntimeError), Recomputed(module):
        module(torch.zeros(4, 2, 8, 8))  # of two channels
    assert "forward" not in vars(module)


def step_of(module, again):
    """Gradients and buffers after a forward and a backward for fixed input."""
    torch.manual_seed(1)
    with Recomputed(module) if again else nullcontext():
        loss = module(torch.randn(4, 2)).square().sum()
    loss.backward()
    return [p.grad for p in module.parameters()] + list(module.buffers())


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class Running(nn.Module):
    """Moves a buffer and then reads it."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.ones(2))

    def forward(self, x):
        self.mean.lerp_(x.detach().mean(0), 0.5)
        return x * self.mean


def twice():
    block = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    return nn.Sequential(nn.Linear(2, 2), block, block)


OWN = {
    "a sequence with a forward of its own": lambda: nn.Sequential(
        nn.Linear(2, 2), Residual(nn.Linear(2, 2), nn.Tanh()), nn.Tanh()
    ),
    "a network that is one": lambda: Residual(nn.Linear(2, 2), nn.Tanh()),
    "what is read after it moved": lambda: nn.Sequential(nn.Linear(2, 2), Running(), nn.Tanh()),
    "torch's older spectral norm": lambda: nn.Sequential(
        nn.utils.spectral_norm(nn.Linear(2, 2)), nn.Tanh(), nn.utils.spectral_norm(nn.Linear(2, 2))
    ),
    "one sequence at two places": twice,
}


@pytest.mark.parametrize("name", OWN)
def test_networks_of_ones_own_are_the_same(name):
    found = []
    for again in (False, True):
        torch.manual_seed(0)
        found.append(step_of(OWN[name](), again))
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


def test_a_block_that_changes_its_input_in_place_is_refused():
    class Block(nn.Sequential):
        def forward(self, x):
            return super().forward(x.relu_())

    module = nn.Sequential(nn.Linear(2, 2), Block(nn.Linear(2, 2)))
    with pytest.raises(UserError, match="recompute=true: Block changes its input in place"):
        step_of(module, again=True)


def test_segments_begin_with_weights():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))

    inner = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    module = nn.Sequential(
        nn.Flatten(), nn.Linear(2, 2), nn.BatchNorm1d(2), nn.ReLU(), Block(), inner, nn.Tanh()
    )
    segments = segments_of(module)
    assert [len(each) for each in segments] == [1, 3, 1, 1, 1]
    assert [each.made_again for each in segments] == [False, True, True, False, False]
    assert [layer for each in segments for layer in each] == list(module)
    row = nn.Sequential(*(layer for _ in range(5) for layer in (nn.Linear(2, 2), nn.ReLU())))
    assert [len(each) for each in segments_of(row)] == [6, 4]


def test_a_normalised_weight_that_a_step_keeps_is_there_for_both_forwards():
    found = []
    for again in (False, True):
        module = spectral_norm(network())
        with parametrize.cached():
            forward(module, again)[0].backward()
        found.append([p.grad for p in module.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


def test_a_step_makes_again_where_its_recipe_says_so(monkeypatch, float64):
    made, made_again = Counter(), recomputation.checkpoint

    def counted(segment, *given, **keys):
        made[type(segment[0]).__name__] += 1
        return made_again(segment, *given, **keys)

    monkeypatch.setattr(recomputation, "checkpoint", counted)
    trainer_of("dcgan", "").iterate()
    assert not made
    trainer_of("dcgan", "", recompute="true").iterate()
    # D's four convolutions in twos, for real and fake samples and in G's step; G's five layers.
    assert made == {"Conv2d": 6, "Linear": 1, "ConvTranspose2d": 1}
    made.clear()
    # G shares its forward with D's step: it is kept there, since its normalised weights are not.
    trainer_of("dcgan", "spectral-norm:players=both", recompute="true").iterate()
    assert made == {"ParametrizedConv2d": 6}
