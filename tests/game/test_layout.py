"""Maps of a channels-last network stay channels-last, and compute the same."""

from pathlib import Path

import pytest
import torch
from tiny import GREY, IMAGE, dataset, shrunk
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from steadygan.methods import find
from steadygan.networks.layout import lay_out
from steadygan.training.loop import Trainer
from steadygan.training.precision import DeviceConfig
from steadygan.training.runfolder import RunFolder

#: Kernels whose time a second layout multiplies.
SENSITIVE = "leaky_relu_backward", "threshold_backward", "elu_backward", "native_batch_norm"
METHODS = "dcgan", "lsgan", "infogan", "began", "sngan", "acgan", "multiclass-lsgan", "wgan-gp"


class Layouts(TorchDispatchMode):
    """Notes the kernels that are given maps of two layouts, of shapes that no weight has."""

    def __init__(self, weights: set[torch.Size]) -> None:
        super().__init__()
        self.weights, self.maps, self.mixed = weights, 0, set[tuple[str, torch.Size]]()

    def __torch_dispatch__(self, kernel, types, args=(), kwargs=None):
        if any(name in str(kernel) for name in SENSITIVE):
            maps = [t for t in args if isinstance(t, torch.Tensor) and t.dim() == 4
                    and min(t.shape[1:]) > 1 and min(t.stride()) > 0
                    and t.shape not in self.weights]  # fmt: skip
            self.maps += len(maps)
            if len({t.is_contiguous(memory_format=torch.channels_last) for t in maps}) > 1:
                self.mixed.add((str(kernel), maps[0].shape))
        return kernel(*args, **(kwargs or {}))


def game(name: str, shape: tuple[int, ...], memory_format: torch.memory_format) -> Trainer:
    placed = DeviceConfig(torch.device("cpu"), "fp32", memory_format)
    recipe = shrunk(find(name).fitted(shape), batch=7)  # 7: no weight has so many
    return Trainer(recipe, dataset(shape), RunFolder(Path("unused")), 0, placed)


def gradients_of_a_step(trainer: Trainer) -> torch.Tensor:
    found: list[torch.Tensor] = []
    check = trainer.guard.check

    def watch(result):
        found.extend(g.flatten().clone() for g in result.gradients)
        check(result)

    trainer.guard.check = watch
    trainer.iterate()
    return torch.cat(found)


@pytest.mark.parametrize("shape", [GREY, IMAGE], ids=["grey", "colour"])
@pytest.mark.parametrize("name", METHODS)
def test_no_kernel_meets_two_layouts(name, shape):
    trainer = game(name, shape, torch.channels_last)
    trainer.iterate()
    weights = {p.shape for net in trainer.state.networks().values() for p in net.parameters()}
    with Layouts(weights) as seen:
        trainer.iterate()
    assert seen.maps > 0
    assert not seen.mixed


@pytest.mark.parametrize("name", ["dcgan", "wgan-gp"])
def test_a_step_gives_the_same_in_both_layouts(name, float64):
    formats = torch.contiguous_format, torch.channels_last
    one, other = (gradients_of_a_step(game(name, GREY, layout)) for layout in formats)
    torch.testing.assert_close(one, other, rtol=0, atol=1e-10 * one.abs().max().item())


def test_vectors_and_networks_of_the_other_layout_are_left_alone():
    flat = nn.Sequential(nn.Flatten(), nn.Linear(2, 12), nn.Unflatten(1, (3, 4)))
    lay_out(nn.ModuleList([flat, nn.Conv2d(3, 3, 1)]), torch.channels_last)
    assert flat(torch.randn(5, 2, requires_grad=True)).is_contiguous()
    maps = nn.Sequential(nn.Linear(2, 12), nn.Unflatten(1, (3, 2, 2)))
    lay_out(maps, torch.contiguous_format)
    assert maps(torch.randn(5, 2)).is_contiguous()


def test_a_second_call_adds_no_hook():
    maps = nn.Sequential(nn.Linear(2, 12), nn.Unflatten(1, (3, 2, 2)), nn.Conv2d(3, 3, 1),
                         nn.Flatten())  # fmt: skip
    for _ in range(2):
        lay_out(maps, torch.channels_last)
    assert [len(layer._forward_hooks) for layer in maps] == [0, 1, 0, 0]
    assert [len(layer._forward_pre_hooks) for layer in maps] == [0, 0, 0, 1]
    leaf = torch.randn(5, 3, 2, 2, requires_grad=True)
    maps[3](leaf)
    assert not leaf._backward_hooks  # they would stay
    connected = nn.Sequential(nn.Linear(2, 12), nn.Unflatten(1, (3, 2, 2)))
    lay_out(connected, torch.channels_last)
    assert connected(torch.randn(5, 2)).is_contiguous()
