"""A generator written as plain torch."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from steadygan.export.inputs import Layout, NamedInputs
from steadygan.export.plain import NotPlain, baked, plain
from steadygan.methods import find, methods
from steadygan.networks.spectral import spectral_norm
from steadygan.study.compose import compose
from steadygan.training.sampling import draw_latents
from tests.tiny import shrunk

CLASSES = 4
COLOUR = (3, 64, 64)


def module_of(found):
    """What the source makes, with its tensors."""
    scope = {"torch": torch, "nn": nn}
    exec(found.source, scope)
    network = scope["Generator"]()
    network.load_state_dict(found.tensors)
    return network.eval()


def generator_of(method: str, shape=(1, 28, 28)):
    """(its generator, latents it takes, their layout)"""
    recipe = shrunk(compose(find(method), shape, {}, (), ()))
    torch.manual_seed(0)
    prior = recipe.sampling_prior(CLASSES)
    latents = draw_latents(prior, 5, 0)
    return recipe.start(shape, CLASSES).g_ema.eval(), latents, Layout.of(prior)


@pytest.mark.parametrize("method", sorted(methods()))
def test_every_generator_is_plain_torch_to_the_bit(method):
    generator, latents, layout = generator_of(method)
    found = plain(generator, latents)
    assert "steadygan" not in found.source
    with torch.no_grad():
        wanted = generator(latents)
        assert torch.equal(module_of(found)(latents), wanted)
        named = NamedInputs(baked(generator), layout)
        assert torch.equal(named(**layout.parts(latents)), wanted)
        assert not torch.equal(wanted[0], wanted[1])


@pytest.mark.parametrize("method", ["acgan", "fastgan", "infogan", "r3gan", "sagan-hinge"])
def test_colour_and_64_pixels(method):
    generator, latents, _ = generator_of(method, COLOUR)
    with torch.no_grad():
        assert torch.equal(module_of(plain(generator, latents))(latents), generator(latents))


def test_a_normalised_weight_is_worked_in_and_the_network_stays_as_it_was():
    network = spectral_norm(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)))
    latents = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    wanted = network(latents)
    found = plain(network, latents)
    assert set(found.tensors) == {"linear_1.weight", "linear_1.bias", "linear_2.weight",
                                  "linear_2.bias"}  # fmt: skip
    assert torch.equal(module_of(found)(latents), wanted)
    assert parametrize.is_parametrized(network[0])
    assert torch.equal(network(latents), wanted)


def test_a_doubling_convolution_is_written_as_one_layer_of_torch():
    generator, latents, _ = generator_of("fastgan", COLOUR)
    source = plain(generator, latents).source
    assert source.count("kernel_size=(4, 4), stride=(2, 2)") == 3  # to 16, 32 and 64 pixels
    assert "register_buffer" not in source


class Shifted(nn.Module):
    """Reads as one would write it: slices, a parameter, a buffer of whole numbers."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.full((2,), 3.0))
        self.register_buffer("order", torch.tensor([1, 0]))

    def forward(self, z: Tensor) -> Tensor:
        return (z[:, 1:3] * self.gain)[:, self.order] + z[:, -1, None]


def test_the_source_reads_as_one_would_write_it():
    latents = torch.arange(8.0).view(2, 4)
    found = plain(Shifted(), latents)
    assert "latents[:, 1:3]" in found.source
    assert "latents[:, -1, None]" in found.source
    assert "def forward(self, latents):" in found.source
    assert module_of(found)(latents).tolist() == [[9.0, 6.0], [25.0, 22.0]]


class Branching(nn.Module):
    def forward(self, z):
        return z if z.sum() > 0 else -z


class Drawing(nn.Module):
    def forward(self, z):
        return z + torch.rand(())


@pytest.mark.parametrize("network", [Branching(), Drawing()])
def test_what_cannot_be_followed_is_refused(network):
    with pytest.raises(NotPlain, match=type(network).__name__):
        plain(network, torch.ones(2, 3))


def test_a_module_that_is_not_torchs_own_is_refused(monkeypatch):
    from torch import fx

    class Own(nn.Module):
        def forward(self, z):
            return z

    monkeypatch.setattr(fx.Tracer, "is_leaf_module", lambda *_: True)
    with pytest.raises(NotPlain, match=r"Own is no module of torch\.nn"):
        plain(nn.Sequential(Own()), torch.ones(2, 3))
