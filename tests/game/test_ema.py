"""The moving average: its decay, what it copies, and that it is worth having."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import POINT, shrunk, trainer
from torch import nn

from steadygan.data import Split
from steadygan.data.sources.gaussians import ring_centres
from steadygan.game.optimizers import EMA
from steadygan.methods import find


@pytest.mark.parametrize(
    ("images", "batch", "halflife"),
    [
        (64, 64, 3.2),  # ramping: 5 % of the images seen
        (10_000, 64, 500.0),
        (400_000, 64, 20_000.0),  # where the ramp reaches the half-life
        (5_000_000, 320, 20_000.0),
    ],
)
def test_the_decay_halves_an_old_weight_in_a_half_life(images, batch, halflife):
    decay = EMA().decay(images, batch)
    assert decay == pytest.approx(2 ** (-batch / halflife), rel=1e-12)
    assert EMA().decay(10**9, 20_000) == pytest.approx(0.5)


def test_the_half_life_ramps_with_the_images_seen():
    decays = [EMA().decay(images, 64) for images in (64, 640, 6_400, 64_000, 640_000)]
    assert decays == sorted(decays)
    assert decays[0] < 1e-6  # the first average is the first generator, not the random start
    assert EMA(ramp=1.0).decay(640, 64) == pytest.approx(2**-0.1)
    assert EMA().decay(0, 64) == 0.0


def generator():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))


def test_the_average_starts_as_a_copy_in_eval_mode_without_gradients():
    net = generator()
    g_ema = EMA().start(net)
    assert not any(m.training for m in g_ema.modules())
    assert all(m.training for m in net.modules())
    assert not any(p.requires_grad for p in g_ema.parameters())
    assert all(p.requires_grad for p in net.parameters())
    shared = {p.data_ptr() for p in net.parameters()} & {p.data_ptr() for p in g_ema.parameters()}
    assert not shared


def test_three_updates_are_the_recursion_and_counters_are_copied():
    net = generator()
    ema = EMA(halflife_images=100, ramp=0.5)
    g_ema = ema.start(net)
    wanted = {k: v.clone().double() for k, v in net.state_dict().items()}
    for images in (64, 128, 1024):
        net(torch.randn(8, 3) * 3 + 1)  # moves the running statistics and their counter
        with torch.no_grad():
            for p in net.parameters():
                p.add_(torch.randn_like(p))
        keep = 2 ** (-64 / min(100, 0.5 * images))
        for key, value in net.state_dict().items():
            wanted[key] = keep * wanted[key] + (1 - keep) * value.double()
        ema.update(g_ema, net, images, 64)
    for key, value in g_ema.state_dict().items():
        if key.endswith("num_batches_tracked"):
            assert value.item() == 3
            assert value.dtype == torch.int64
        else:
            torch.testing.assert_close(value.double(), wanted[key], rtol=1e-5, atol=1e-6)
    assert not torch.equal(g_ema[1].running_mean, net[1].running_mean)


def energy_distance(one, other):
    """2 E|X - Y| - E|X - X'| - E|Y - Y'|: 0 where the two clouds are alike."""
    return (2 * torch.cdist(one, other).mean() - torch.cdist(one, one).mean()
            - torch.cdist(other, other).mean()).item()  # fmt: skip


def test_the_average_is_nearer_to_the_data_than_the_generator_itself():
    """Over the second half of 300 turns on a ring of 8 modes, at a rate at which G still swings."""
    keys = {"prior.dim": 16, "width": 64, "d_width": 64, "batch": 64, "lr": 2e-3}
    recipe = shrunk(find("gan").fitted(POINT), **keys)
    random = np.random.RandomState(0)
    points = ring_centres()[np.arange(4096) % 8] + 0.05 * random.standard_normal((4096, 2))
    game = trainer(recipe, POINT)
    game.source.data = replace(game.data, train=Split(points.astype(np.float32), None))
    real = torch.from_numpy(game.source.data.train.items[:500])
    latents = recipe.prior.sample(500, torch.Generator().manual_seed(1))
    distances = []
    for iteration in range(300):
        game.iterate()
        if iteration >= 150 and iteration % 10 == 0:
            with torch.no_grad():
                both = game.state.g_ema, game.state.generator
                distances.append([energy_distance(g(latents), real) for g in both])
    averaged, raw = np.mean(distances, axis=0)
    assert averaged < raw
