"""FastGAN: gates, maps and decoders, and the reconstruction that D learns from real images."""

import math
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import GREY, IMAGE, context, differing, inputs, parameters, shrunk, started, trainer
from torch import nn

from steadygan.game.context import StepContext
from steadygan.game.optimizers import Adam
from steadygan.losses.reconstruction import Reconstruction, reconstruction_loss, same_part
from steadygan.methods import find
from steadygan.networks import FastGANNetworks, OwnNetworks
from steadygan.networks.fastgan import GLU, SkipLayerExcitation, up_block
from steadygan.networks.spectral import normalised_layers
from steadygan.parts.augment import DiffAugment
from steadygan.parts.normalisation import SpectralNormalisation
from steadygan.study.compose import compose

FASTGAN = find("fastgan")
SHAPES = [(channels, size, size) for size in (16, 28, 32, 64) for channels in (1, 3)]


def built(shape, latent=6, seed=0, device="cpu", **fields):
    torch.manual_seed(seed)
    with torch.device(device):
        return FastGANNetworks(**{"width": 4, **fields}).build(shape, latent)


def tiny(**keys):
    return shrunk(FASTGAN.recipe, **keys)


# ---- settings ------------------------------------------------------------------------------


def test_the_settings_are_those_of_the_paper_and_its_code():
    recipe = FASTGAN.recipe
    assert recipe.objective.name == "hinge"
    assert (recipe.prior.name, recipe.prior.dim) == ("normal", 256)
    assert recipe.d_optimizer == recipe.g_optimizer == Adam(lr=2e-4, betas=(0.5, 0.999))
    assert recipe.on_d == (Reconstruction(weight=1.0),)
    assert recipe.on_g == ()
    assert recipe.shared == (
        SpectralNormalisation(players="d"), DiffAugment(policy=("color", "translation"))
    )  # fmt: skip
    assert (recipe.d_steps, recipe.g_steps, recipe.shared_latents) == (1, 1, True)
    assert recipe.networks == FastGANNetworks(width=64, excitation=True, d_norm="none")


def test_the_papers_preset_is_its_codes_batch_average_and_normalisation():
    paper = compose(FASTGAN, IMAGE, {"preset": "paper"})
    assert (paper.batch, paper.networks.d_norm) == (8, "batch")
    assert paper.shared[0] == SpectralNormalisation(players="both")
    assert paper.ema.decay(10**9, 8) == pytest.approx(0.999, rel=1e-6)


def test_spectral_norm_is_in_d_alone_and_not_in_its_decoders():
    state = started(tiny(), GREY)
    d, g = state.players["d"].modules, state.players["g"].modules
    convolutions = [m for m in d["discriminator"].modules() if isinstance(m, nn.Conv2d)]
    assert len(normalised_layers(d["discriminator"])) == len(convolutions) + 1
    assert not any(normalised_layers(m) for m in (d["decoder"], d["part_decoder"], g["generator"]))
    both = started(tiny(**{"spectral-norm.players": "both"}), GREY)
    assert normalised_layers(both.generator)


# ---- networks ------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [4, 8, 16])
def test_the_excitation_is_its_formula(side):
    """y = sigmoid(W2 f(W1 * pooled(low))) high, in numpy and float64."""
    torch.manual_seed(side)
    layer = SkipLayerExcitation(3, 5).double()
    low, high = torch.randn(2, 3, side, side).double(), torch.randn(2, 5, 12, 12).double()
    first, second = (m.weight.detach().numpy() for m in layer.gate if isinstance(m, nn.Conv2d))
    each = side // 4
    pooled = low.numpy().reshape(2, 3, 4, each, 4, each).mean((3, 5))
    inner = np.einsum("bcij,ocij->bo", pooled, first)
    inner = np.where(inner > 0, inner, 0.1 * inner)
    factor = 1 / (1 + np.exp(-np.einsum("bo,po->bp", inner, second[:, :, 0, 0])))
    wanted = high.numpy() * factor[:, :, None, None]
    np.testing.assert_allclose(layer(low, high).detach().numpy(), wanted, rtol=1e-10)


@pytest.mark.parametrize(
    ("size", "sides", "pairs"),
    [
        (16, [4, 8, 16], [(4, 16)]),
        (28, [4, 7, 14, 28], [(4, 28)]),
        (64, [4, 8, 16, 32, 64], [(4, 64)]),
        (256, [4, 8, 16, 32, 64, 128, 256], [(4, 64), (8, 128), (16, 256)]),
    ],
)
def test_gates_lead_from_small_maps_to_those_four_doublings_later(size, sides, pairs):
    generator = built((1, size, size), device="meta")["generator"]
    made, read = [], []
    for module in (generator.start, *generator.blocks):
        module.register_forward_hook(lambda m, given, out: made.append(out.shape[-1]))
    for gate in generator.gates:
        gate.register_forward_hook(lambda m, given, out: read.append((given[0], given[1], out)))
    generator(torch.zeros(2, 6, device="meta"))
    assert made == sides
    assert [(low.shape[-1], high.shape[-1]) for low, high, _ in read] == pairs
    assert not built((1, size, size), device="meta", excitation=False)["generator"].gates


def test_the_gated_unit_is_torchs_and_its_gradient_keeps_channels_last():
    """torch's own gives a contiguous gradient, which makes batch norm's before it slow."""
    torch.manual_seed(0)
    maps = torch.randn(2, 6, 4, 4, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(GLU()(maps), nn.GLU(1)(maps), rtol=0, atol=1e-15)
    assert torch.autograd.gradcheck(GLU(), maps)

    block = up_block(3, 4, 16).to(memory_format=torch.channels_last)
    assert isinstance(block[2], GLU)
    found = []
    block[1].register_full_backward_pre_hook(lambda layer, gradients: found.extend(gradients))
    x = torch.randn(2, 3, 8, 8).to(memory_format=torch.channels_last)
    (block(x).square().sum()).backward()
    assert found[0].shape == (2, 8, 16, 16)
    assert found[0].is_contiguous(memory_format=torch.channels_last)


def test_g_goes_on_with_the_excited_map():
    """A gate that is shut leaves nothing of the image but the last convolution's bias."""
    generator = built(GREY)["generator"]
    z = torch.randn(4, 6)
    assert generator(z).std() > 1e-3
    generator.gates[-1].gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(64, 8, 1))
    nn.init.zeros_(generator.gates[-1].gate[1].weight)
    nn.init.zeros_(generator.gates[-1].gate[1].bias)
    nn.init.constant_(generator.end[0].bias, 0.5)
    torch.testing.assert_close(generator(z), torch.full((4, *GREY), math.tanh(0.5)))


@pytest.mark.parametrize("shape", [*SHAPES, (1, 17, 17), (3, 100, 100)], ids=str)
@pytest.mark.parametrize("d_norm", ["none", "batch"])
def test_any_size_makes_images_scores_and_maps(shape, d_norm):
    made = built(shape, d_norm=d_norm)
    with torch.no_grad():
        images = made["generator"](torch.randn(3, 6) * 10)
        assert images.shape == (3, *shape)
        assert images.abs().max() <= 1
        d = made["discriminator"]
        features, scores, given, f1, f2 = d.judge(images)
        assert scores.shape == (3, 1)
        assert given is images
        assert (f1.shape[:2], f2.shape[:2]) == ((3, 16), (3, 32))
        assert features.shape == (3, d.head.in_features)
        if d_norm == "none":
            torch.testing.assert_close(d.features(images), features)
            torch.testing.assert_close(d(images), d.head(features))
            alone = torch.cat([d(one[None]) for one in images])
            torch.testing.assert_close(scores, alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "maps", "whole", "part"),
    [
        (16, (8, 4), 16, 8),
        (17, (9, 5), 17, 8),
        (28, (14, 7), 28, 14),
        (32, (16, 8), 32, 16),
        (64, (16, 8), 64, 32),
        (100, (13, 7), 100, 48),
        (128, (16, 8), 128, 64),
        (256, (16, 8), 128, 128),
        (512, (16, 8), 128, 128),
    ],
)
def test_maps_are_of_16_and_8_pixels_and_decoders_make_128_at_most(size, maps, whole, part):
    made = built((3, size, size), device="meta")
    *_, f1, f2 = made["discriminator"].judge(torch.zeros(2, 3, size, size, device="meta"))
    assert (f1.shape[-1], f2.shape[-1]) == maps
    assert made["decoder"](f2).shape == (2, 3, whole, whole)
    half = f1.shape[-1] // 2
    assert made["part_decoder"](f1[:, :, :half, :half]).shape == (2, 3, part, part)


def test_the_widths_are_those_of_the_authors_code():
    made = built((3, 256, 256), latent=256, width=64, device="meta")
    g, d = made["generator"], made["discriminator"]
    first = [g.start[1].out_channels, *(b[0].out_channels for b in g.blocks)]
    assert [n // 2 for n in first] == [1024, 512, 256, 128, 128, 64, 32]
    blocks = [*d.encoder[2:], d.deepest]
    found = [d.encoder[0].out_channels, *(b.main[0].out_channels for b in blocks)]
    assert found == [16, 32, 64, 128, 256, 512]


def test_a_down_block_is_the_mean_of_its_two_paths():
    d = built(IMAGE)["discriminator"]
    block, x = d.deepest, torch.randn(2, 16, 16, 16)
    pooled = x.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5))
    leaky, conv = nn.functional.leaky_relu, nn.functional.conv2d
    first, _, second, _ = block.main
    main = leaky(conv(x, first.weight, first.bias, stride=2, padding=1), 0.2)
    main = leaky(conv(main, second.weight, second.bias, padding=1), 0.2)
    direct = leaky(conv(pooled, block.direct[1].weight, block.direct[1].bias), 0.2)
    torch.testing.assert_close(block(x), (main + direct) / 2)


# ---- reconstruction ------------------------------------------------------------------------


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_the_loss_is_the_absolute_error_at_each_scale(scales):
    random = np.random.RandomState(scales)
    rebuilt, images = (random.uniform(-1, 1, (3, 2, 8, 8)) for _ in range(2))
    off = rebuilt - images
    costs = [
        np.abs(off.reshape(3, 2, 8 // n, n, 8 // n, n).mean((3, 5))).mean()
        for n in (1, 2, 4)[:scales]
    ]
    found = reconstruction_loss(torch.tensor(rebuilt), torch.tensor(images), scales=scales)
    assert found.item() == pytest.approx(np.mean(costs), rel=1e-12)


def places(side):
    """A map whose two channels are the row and the column of each of its pixels."""
    line = torch.arange(side, dtype=torch.float64)
    return torch.stack(torch.meshgrid(line, line, indexing="ij"))[None]


@pytest.mark.parametrize(("side", "size"), [(8, 16), (14, 28), (16, 32), (16, 64), (16, 256)])
def test_a_part_of_the_maps_is_the_same_part_of_the_images(side, size):
    maps, generator, seen = places(side), torch.Generator().manual_seed(0), set()
    images = maps.repeat_interleave(size // side, 2).repeat_interleave(size // side, 3)
    for _ in range(300):
        part, pixels = same_part(maps, images, generator)
        half = side // 2
        assert part.shape == (1, 2, half, half)
        assert pixels.shape == (1, 2, size // 2, size // 2)
        each = size // side
        assert torch.equal(part, pixels[:, :, ::each, ::each])
        seen.add(tuple(part[0, :, 0, 0].int().tolist()))
    assert {row for row, _ in seen} == {column for _, column in seen} == set(range(half + 1))


def test_where_sides_do_not_divide_a_part_is_at_most_a_pixel_of_the_maps_off():
    maps, generator = places(13), torch.Generator().manual_seed(0)
    images = nn.functional.interpolate(maps, size=(100, 100), mode="nearest")
    for _ in range(100):
        part, pixels = same_part(maps, images, generator)
        assert pixels.shape == (1, 2, 46, 46)
        for corner in (0, -1):
            off = part[0, :, corner, corner] - pixels[0, :, corner, corner]
            assert off.abs().max() <= 1


def losses_by_hand(game, scales=3):
    """L_recons from D's own maps of the real images as D is given them."""
    modules = game.state.players["d"].modules
    given = game.d_input("real")
    f1 = modules["discriminator"].encoder(given)
    f2 = modules["discriminator"].deepest(f1)
    part, place = same_part(f1, given, game.generator("reconstruction"))
    pairs = ((modules["part_decoder"](part), place), (modules["decoder"](f2), given))
    errors = []
    for rebuilt, images in pairs:
        wanted = nn.functional.interpolate(images, size=rebuilt.shape[2:], mode="area")
        errors.append(reconstruction_loss(rebuilt, wanted, scales=scales).item())
    return errors


@pytest.mark.parametrize("shape", [GREY, IMAGE, (1, 16, 16)], ids=str)
def test_the_part_rebuilds_real_images_as_d_is_given_them(shape):
    recipe = tiny(**{"reconstruction.weight": 3.0})
    game = context(recipe, "d", shape)
    loss = recipe.on_d[0].loss(game).item()
    wanted = losses_by_hand(context(recipe, "d", shape))
    assert loss == pytest.approx(3.0 * sum(wanted), rel=1e-4)
    found = [game.signals[f"rebuilt_{name}"].item() for name in ("part", "whole")]
    assert found == pytest.approx(wanted, rel=1e-4)
    plain = losses_by_hand(context(recipe.without("diffaugment"), "d", shape))
    assert abs(sum(plain) - sum(wanted)) > 1e-3  # the images are augmented


def test_fakes_take_no_part_and_g_gets_no_gradient():
    recipe = tiny()
    game = context(recipe, "d", GREY, keeps_graph=True)
    loss = recipe.on_d[0].loss(game)
    assert not {"fake", "fake_with_graph", "latent", "_fake_output"} & set(vars(game))
    slopes = torch.autograd.grad(loss, game.state.players["g"].parameters, allow_unused=True)
    assert all(slope is None for slope in slopes)
    assert "reconstruction" not in recipe.losses(context(recipe, "g", GREY))


def test_the_maps_are_those_of_the_forward_that_scores():
    recipe = tiny()
    state, count = started(recipe, GREY), []
    state.discriminator.encoder.register_forward_hook(lambda *_: count.append(1))
    given = inputs(recipe, GREY)
    game = StepContext(recipe, state, "d", given, keeps_graph=True)
    recipe.step(game, lambda _: None)
    of_g = StepContext(recipe, state, "g", given)
    of_g.take_fake_of(game)
    recipe.step(of_g, lambda _: None)
    assert len(count) == 3  # D judges real and fake for itself, fake for G


def test_in_one_batch_with_fakes_the_maps_are_the_real_half():
    recipe = tiny(joint_batches=True, d_norm="none")
    one, other = (context(r, "d", GREY) for r in (recipe, recipe.changed(joint_batches=False)))
    for joint, alone in zip(one.real_maps, other.real_maps, strict=True):
        torch.testing.assert_close(joint, alone, rtol=1e-4, atol=1e-6)


def test_d_up_to_its_maps_and_both_decoders_are_moved():
    recipe = tiny()
    game = context(recipe, "d", GREY)
    player = game.state.players["d"]
    loss = recipe.on_d[0].loss(game)
    slopes = torch.autograd.grad(loss, player.parameters, allow_unused=True)
    reached = {
        name
        for name, slope in zip(player.parameter_names, slopes, strict=True)
        if slope is not None and slope.abs().max() > 0
    }
    weights = {n for n in player.parameter_names if "weight" in n}
    beyond = ("discriminator.last.", "discriminator.head.")
    assert weights & reached == {n for n in weights if not n.startswith(beyond)}
    assert {n.split(".")[0] for n in reached} == {"discriminator", "decoder", "part_decoder"}
    before = parameters(player)
    recipe.step(StepContext(recipe, game.state, "d", inputs(recipe, GREY)), lambda _: None)
    assert weights <= set(differing(parameters(player), before))


def test_trained_alone_it_learns_to_rebuild_a_few_images():
    recipe = tiny(lr=3e-3).without("diffaugment")
    state, part = started(recipe, GREY), recipe.on_d[0]
    player, rows = state.players["d"], torch.linspace(0, 3, 28)
    images = torch.stack([torch.sin(rows + k).repeat(28, 1)[None] for k in range(8)])
    errors = []
    for k in range(60):
        game = StepContext(recipe, state, "d", inputs(recipe, GREY, seed=k))
        game.batch = game.batch._replace(samples=images)
        loss = part.loss(game)
        slopes = torch.autograd.grad(loss, player.parameters, materialize_grads=True)
        player.step(list(slopes), {})
        errors.append({k: v.item() for k, v in game.signals.items()})
    for name in ("rebuilt_part", "rebuilt_whole"):
        assert errors[-1][name] < 0.4 * errors[0][name], name


# ---- the game ------------------------------------------------------------------------------


def test_without_the_part_it_is_a_plain_hinge_game():
    recipe = compose(FASTGAN, GREY, {}, drop=["reconstruction"])
    assert recipe.on_d == ()
    recipe = shrunk(recipe)
    game = context(recipe, "d", GREY)
    losses = recipe.losses(game)
    real, fake = game.real_scores.double(), game.fake_scores.double()
    wanted = (1 - real).clamp_min(0).mean() + (1 + fake).clamp_min(0).mean()
    assert {name: loss.item() for name, loss in losses.items()} == {
        "adversarial": pytest.approx(wanted.item(), rel=1e-5)
    }
    player = game.state.players["d"]
    before = parameters(player)
    recipe.step(game, lambda _: None)
    moved = differing(parameters(player), before)
    assert moved
    assert all(name.startswith("discriminator.") for name in moved)
    of_g = context(recipe, "g", GREY)
    (loss,) = recipe.losses(of_g).values()
    assert loss.item() == pytest.approx(-of_g.fake_scores.mean().item(), rel=1e-5)


@pytest.mark.parametrize("method", ["dcgan", "infogan", "began"])
def test_a_d_without_maps_is_refused(method):
    with pytest.raises(ValueError, match="shows inner maps, and decoders: set networks=fastgan"):
        find(method).recipe.with_(Reconstruction())


def test_it_goes_with_other_games_on_these_networks():
    dcgan = find("dcgan").recipe
    recipe = shrunk(dcgan.with_(Reconstruction(), networks=FastGANNetworks()))
    assert set(recipe.losses(context(recipe, "d", GREY))) == {"adversarial", "reconstruction"}


def test_with_a_d_of_ones_own_it_is_refused_and_with_a_g_of_ones_own_it_is_not():
    networks = tiny().networks
    own = OwnNetworks(generator=Flat, like=networks)
    recipe = tiny().changed(networks=own)
    assert set(recipe.losses(context(recipe, "d", GREY))) == {"adversarial", "reconstruction"}
    with pytest.raises(ValueError, match="shows inner maps"):
        tiny().changed(networks=OwnNetworks(discriminator=nn.Identity, like=networks))


class Flat(nn.Module):
    """A generator of one's own for `GREY`."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 28 * 28)

    def forward(self, z):
        return self.layer(z).tanh().unflatten(1, GREY)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_iteration_is_finite_and_moves_every_module(shape):
    game = trainer(tiny(), shape)
    before = {name: parameters(player) for name, player in game.state.players.items()}
    game.iterate()
    assert set(game.last["d"].losses) == {"adversarial", "reconstruction"}
    for name, result in game.last.items():
        assert all(loss.isfinite() for loss in result.losses.values())
        player = game.state.players[name]
        moved = differing(parameters(player), before[name])
        assert {key.split(".")[0] for key in moved} == set(player.modules)


@pytest.mark.parametrize("precision", [nullcontext, lambda: torch.autocast("cpu", torch.bfloat16)])
def test_losses_are_float32_in_any_precision(precision):
    recipe = tiny()
    given = replace(inputs(recipe, GREY), autocast=precision)
    game = StepContext(recipe, started(recipe, GREY), "d", given)
    losses = recipe.losses(game)
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    wanted = sum(losses_by_hand(context(recipe, "d", GREY)))
    assert losses["reconstruction"].item() == pytest.approx(wanted, rel=0.05)
