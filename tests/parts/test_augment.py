"""Augmentation: each transformation against a loop over pixels, and what it goes on."""

import numpy as np
import pytest
import torch
from tiny import GREY, context, go_on, shrunk, started

from steadygan.errors import UserError
from steadygan.methods import find
from steadygan.parts.augment import (
    Consistency,
    DiffAugment,
    consistency_loss,
    cut_out,
    diff_augment,
    jittered,
    mirrored,
    shifted,
)

DCGAN = shrunk(find("dcgan").recipe)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(count=6, channels=3, height=8, width=8, seed=0, dtype=torch.float64):
    random = torch.rand(count, channels, height, width, generator=seeded(seed), dtype=dtype)
    return random * 2 - 1


def moved(picture, down, right, border):
    """`picture` (C, H, W) shifted, by a loop over pixels."""
    _, height, width = picture.shape
    out = np.zeros_like(picture)
    for y in range(height):
        for x in range(width):
            j, i = y - down, x - right
            if 0 <= j < height and 0 <= i < width:
                out[:, y, x] = picture[:, j, i]
            elif border == "edge":
                out[:, y, x] = picture[:, min(max(j, 0), height - 1), min(max(i, 0), width - 1)]
    return out


# ---- each transformation -------------------------------------------------------------------


@pytest.mark.parametrize("border", ["zero", "edge"])
@pytest.mark.parametrize("most", [(2, 3), (0, 1), (0, 0), (9, 0)])
def test_a_shift_moves_every_pixel_of_an_image_alike(border, most):
    images = pictures(40, height=7, width=9)
    found = shifted(images, most, border, seeded())
    shifts = set()
    for before, after in zip(images.numpy(), found.numpy(), strict=True):
        fits = [(d, r) for d in range(-most[0], most[0] + 1) for r in range(-most[1], most[1] + 1)
                if np.array_equal(after, moved(before, d, r, border))]  # fmt: skip
        assert fits
        shifts.update(fits[:1])
    assert len(shifts) > 1 or most == (0, 0)


def test_shifts_are_uniform_between_their_ends():
    column = torch.arange(9.0)[None, None, :, None].expand(5000, 1, 9, 1)
    found = shifted(column, (2, 0), "edge", seeded())[:, 0, 4, 0]  # 4 - down
    down, counts = (4 - found).unique(return_counts=True)
    assert down.tolist() == [-2, -1, 0, 1, 2]
    assert (counts / 5000).tolist() == pytest.approx([0.2] * 5, abs=0.02)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 9), (28, 28)])
def test_a_cutout_is_one_box_of_half_the_size_cut_by_the_border(height, width):
    ones = torch.ones(500, 2, height, width)
    found = cut_out(ones, 0.5, seeded()).numpy()
    assert set(np.unique(found)) == {0.0, 1.0}
    assert np.array_equal(found[:, 0], found[:, 1])
    boxes = int(0.5 * height + 0.5), int(0.5 * width + 0.5)
    seen = [set(), set()]
    for picture in found[:, 0]:
        for axis, box in enumerate(boxes):
            hit = np.flatnonzero((picture == 0).any(1 - axis))
            assert len(hit) == hit[-1] - hit[0] + 1 <= box
            seen[axis].add((int(hit[0]), int(hit[-1])))
        assert (picture == 0).sum() == np.prod([(picture == 0).any(1 - a).sum() for a in (0, 1)])
    for axis, (size, box) in enumerate(zip((height, width), boxes, strict=True)):
        tops = range(-(box // 2), size + 1 - box % 2 - box // 2)
        wanted = {(max(t, 0), min(t + box, size) - 1) for t in tops}
        assert seen[axis] == wanted


def test_colour_is_brightness_then_saturation_then_contrast():
    images = pictures(5, 3)
    found = jittered(images, seeded())
    draws = seeded()
    b, s, c = (torch.rand(5, 1, 1, 1, generator=draws).numpy() for _ in range(3))
    x = images.numpy() + (b - 0.5)
    grey = x.mean(1, keepdims=True)
    x = (x - grey) * (2 * s) + grey
    mean = x.mean((1, 2, 3), keepdims=True)
    x = (x - mean) * (0.5 + c) + mean
    np.testing.assert_allclose(found.numpy(), x, rtol=1e-6, atol=1e-6)


def test_saturation_says_nothing_of_grey_images():
    images = pictures(50, 1)
    found = jittered(images, seeded())
    slope = (found.amax((1, 2, 3)) - found.amin((1, 2, 3))) / (
        images.amax((1, 2, 3)) - images.amin((1, 2, 3))
    )
    assert 0.5 <= slope.min() <= slope.max() <= 1.5


def test_half_are_mirrored():
    images = pictures(1000, 1, 2, 3)
    found = mirrored(images, seeded())
    flipped = (found == images.flip(3)).flatten(1).all(1)
    kept = (found == images).flatten(1).all(1)
    assert (flipped ^ kept).all()
    assert flipped.double().mean().item() == pytest.approx(0.5, abs=0.06)


# ---- diffaugment ---------------------------------------------------------------------------


def test_the_policy_is_colour_then_an_eighth_of_shift_then_half_of_cutout():
    images = pictures(30, 3, 28, 28)
    stream = seeded(3)
    wanted = cut_out(shifted(jittered(images, stream), (4, 4), "zero", stream), 0.5, stream)
    assert torch.equal(diff_augment(images, seeded(3)), wanted)
    assert torch.equal(diff_augment(images, seeded(3), policy=("color",)),
                       jittered(images, seeded(3)))  # fmt: skip


@pytest.mark.parametrize("policy", [("color",), ("translation",), ("cutout",), None])
def test_it_is_differentiable_and_right(policy):
    images = pictures(2, 3, 4, 4).requires_grad_(True)
    more = {} if policy is None else {"policy": policy}
    assert torch.autograd.gradcheck(lambda x: diff_augment(x, seeded(1), **more), images)


@pytest.mark.parametrize("player", ["d", "g"])
def test_d_judges_augmented_samples_in_both_updates(player):
    recipe = DCGAN.with_(DiffAugment())
    game, state = context(recipe, player), started(recipe)
    for kind, scores in (("real", game.real_scores), ("fake", game.fake_scores)):
        samples = game.real if kind == "real" else game.fake
        stream = game.generator(f"diffaugment {kind}")
        wanted = state.discriminator(diff_augment(samples, stream)).flatten()
        torch.testing.assert_close(scores, wanted)
        assert not torch.allclose(scores, state.discriminator(samples).flatten(), atol=1e-5)


def test_gs_gradient_comes_through_the_augmentation():
    """A cut-out pixel of a fake gets no gradient: a discriminator that sees all would give some."""
    recipe = DCGAN.with_(DiffAugment(policy=("cutout",)))
    game = context(recipe, "g")
    fake = game.fake
    (slope,) = torch.autograd.grad(recipe.g_loss(game), fake)
    kept = diff_augment(torch.ones_like(fake), game.generator("diffaugment fake"),
                        policy=("cutout",))  # fmt: skip
    assert slope[kept == 0].abs().max() == 0
    assert slope[kept == 1].ne(0).double().mean() > 0.5


def test_real_and_fake_are_augmented_by_draws_of_their_own():
    game = context(DCGAN.with_(DiffAugment(policy=("cutout",))), "d")
    same = torch.ones_like(game.real)
    augment = [game.recipe.shared[0].augment(game, same, kind) for kind in ("real", "fake")]
    assert not torch.equal(*augment)


@pytest.mark.parametrize("part", [DiffAugment(), Consistency()])
def test_points_in_the_plane_are_refused_in_words(part):
    recipe = shrunk(find("gan").fitted((2,))).with_(part)
    with pytest.raises(UserError, match=f"{part.name} moves pixels: it wants images"):
        recipe.start((2,))


def test_an_unknown_or_empty_policy_is_refused():
    with pytest.raises(ValueError, match="policy"):
        DiffAugment(policy=("colour",))
    with pytest.raises(ValueError, match="policy"):
        DiffAugment(policy=())


# ---- consistency ---------------------------------------------------------------------------


def test_consistency_is_the_mean_squared_change_of_the_score():
    scores = torch.randn(2, 50, generator=seeded(), dtype=torch.float64)
    wanted = ((scores[0].numpy() - scores[1].numpy()) ** 2).mean()
    assert consistency_loss(*scores).item() == pytest.approx(wanted, rel=1e-12)


def test_a_critic_that_shifts_say_nothing_to_costs_nothing():
    """C(x) = c everywhere costs 0; and so does shift=0, which is no transformation."""
    recipe = DCGAN.changed(networks="dcgan:width=4,d_norm=none").with_(Consistency(shift=0))
    game = context(recipe, "d")
    assert recipe.on_d[0].loss(game).item() == pytest.approx(0.0, abs=1e-10)
    with torch.no_grad():
        game.state.discriminator.head.weight.zero_()
    flat = context(recipe.with_(Consistency()), "d")
    with torch.no_grad():
        flat.state.discriminator.head.weight.zero_()
    assert Consistency().loss(flat).item() == 0.0


def test_it_compares_the_scores_of_real_samples_with_those_of_shifted_ones():
    part = Consistency(weight=3.0, shift=2)
    recipe = shrunk(find("wgan-gp").recipe).with_(part)
    game, state = context(recipe, "d", GREY), started(recipe, GREY)
    moved = part.transformed(game.real, game.generator("consistency"))
    one, other = (state.discriminator(x).flatten().double() for x in (game.real, moved))
    wanted = 3.0 * (one - other).square().mean().item()
    assert wanted > 0
    assert part.loss(game).item() == pytest.approx(wanted, rel=1e-5)


def test_it_shifts_over_the_edge_and_mirrors_only_when_told_to():
    images = pictures(200, 1, 6, 6, dtype=torch.float32)
    plain = Consistency(shift=1).transformed(images, seeded())
    assert torch.equal(plain, shifted(images, (1, 1), "edge", seeded()))
    flipped = Consistency(shift=0, flip=True).transformed(images, seeded())
    assert torch.equal(flipped, mirrored(images, seeded()))
    assert not torch.equal(flipped, images)


def test_its_forward_leaves_ds_batch_norm_as_one_of_real_and_one_of_fake():
    recipe = DCGAN.with_(Consistency())
    game = context(recipe, "d")
    recipe.step(game, go_on)
    counts = {b.item() for n, b in game.state.discriminator.named_buffers()
              if n.endswith("num_batches_tracked")}  # fmt: skip
    assert counts == {2}
