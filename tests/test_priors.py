"""Priors: their distributions, the codes that ride in them, and their common draws."""

import math

import pytest
import torch

from steadygan.networks.labels import split_class, with_class
from steadygan.priors import (
    ClassConditionalPrior,
    Coded,
    Normal,
    Prior,
    Sphere,
    Uniform,
    uniform_from_normal,
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def distance_to(values, cdf):
    """The Kolmogorov-Smirnov distance of `values` to a distribution function."""
    ordered = values.double().sort().values
    steps = torch.arange(len(ordered) + 1, dtype=torch.float64) / len(ordered)
    there = cdf(ordered)
    return max((there - steps[:-1]).abs().max(), (steps[1:] - there).abs().max()).item()


@pytest.mark.parametrize("seed", range(3))
def test_uniform_is_uniform_and_normal_is_normal(seed):
    count = 20_000
    critical = 1.95 / math.sqrt(count)  # beyond it with probability .001
    flat = Uniform(dim=100).sample(count // 100, seeded(seed)).flatten()
    assert distance_to(flat, lambda x: (x + 1) / 2) < critical
    assert -1 <= flat.min() < -0.99
    assert 0.99 < flat.max() <= 1
    bell = Normal(dim=100).sample(count // 100, seeded(seed)).flatten()
    assert distance_to(bell, torch.special.ndtr) < critical
    assert distance_to(bell, lambda x: (x + 1) / 2) > 10 * critical  # the measure can tell


@pytest.mark.parametrize("dim", [2, 3, 100])
def test_sphere_has_the_radius_of_a_normal_draw_and_no_direction_of_its_own(dim):
    points = Sphere(dim=dim).sample(20_000, seeded())
    radius = points.double().norm(dim=1)
    torch.testing.assert_close(radius, torch.full_like(radius, math.sqrt(dim)), rtol=1e-5, atol=0)
    assert points.mean(0).abs().max() < 4.5 / math.sqrt(20_000)
    spread = points.double().T @ points.double() / 20_000  # E z z^T = I, as for N(0, I)
    torch.testing.assert_close(spread, torch.eye(dim).double(), rtol=0, atol=0.05)
    normal = Normal(dim=dim).sample(20_000, seeded())
    cosine = torch.nn.functional.cosine_similarity(points, normal)
    torch.testing.assert_close(cosine, torch.ones(20_000))  # the same draws, on the sphere
    if dim == 3:  # Archimedes: each coordinate is uniform
        width = math.sqrt(3)
        assert distance_to(points[:, 0], lambda x: (x / width + 1) / 2) < 1.95 / math.sqrt(20_000)


def test_uniform_from_normal_is_the_distribution_function_in_both_directions():
    at = torch.linspace(-4, 4, 81, dtype=torch.float64)
    wanted = [math.erf(n / math.sqrt(2)) for n in at.tolist()]
    assert uniform_from_normal(at).tolist() == pytest.approx(wanted, rel=1e-12, abs=1e-12)


def test_every_prior_is_made_from_the_same_normal_draws():
    normal = Normal(dim=12).sample(16, seeded())
    uniform = Uniform(dim=12).sample(16, seeded())
    coded = Coded(dim=12).sample(16, seeded())
    assert torch.equal(normal, torch.randn(16, 12, generator=seeded()))
    assert torch.equal(uniform, uniform_from_normal(normal))
    assert torch.equal(coded[:, :12], uniform)
    for prior in (Normal(dim=12), Uniform(dim=12)):
        assert torch.equal(prior.latents(normal), prior.sample(16, seeded()))
    assert torch.equal(Coded(dim=12).latents(normal)[:, :12], uniform)


@pytest.mark.parametrize("member", Prior.members().values(), ids=lambda m: m.name)
def test_samples_have_the_promised_shape_follow_the_generator_and_are_float32(member):
    prior = member(dim=7)
    one, again, other = (prior.sample(33, seeded(s)) for s in (1, 1, 2))
    assert one.shape == (33, prior.total_dim)
    assert one.dtype == torch.float32
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert prior.latents(torch.zeros(5, 7)).shape == (5, prior.total_dim)


def test_codes_can_be_read_from_the_latent_they_ride_in():
    prior = Coded(dim=5, categories=4, continuous=3)
    assert prior.total_dim == 12
    assert prior.codes_in_latent == (4, 3)
    noise, category = torch.rand(20, 5) * 2 - 1, torch.arange(20) % 4
    codes = torch.rand(20, 3) * 2 - 1
    latent = prior.with_codes(noise, category, codes)
    assert torch.equal(prior.category(latent), category)
    assert torch.equal(prior.codes(latent), codes)
    assert torch.equal(latent[:, :5], noise)
    assert torch.equal(latent[:, 5:9], torch.eye(4)[category])
    assert Normal().codes_in_latent == Uniform().codes_in_latent == (0, 0)


def test_drawn_codes_are_uniform():
    prior = Coded(dim=2, categories=10, continuous=2)
    latent = prior.sample(20_000, seeded())
    share = torch.bincount(prior.category(latent), minlength=10) / 20_000
    assert (share - 0.1).abs().max() < 0.01
    for code in prior.codes(latent).unbind(1):
        assert distance_to(code, lambda x: (x + 1) / 2) < 1.95 / math.sqrt(20_000)
    assert abs(torch.corrcoef(prior.codes(latent).T)[0, 1]) < 0.03


def test_fixed_latents_walk_through_the_categories_at_code_0():
    prior = Coded(dim=4, categories=3, continuous=2)
    latent = prior.latents(torch.randn(7, 4, generator=seeded()))
    assert prior.category(latent).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert (prior.codes(latent) == 0).all()


# ---- classes -------------------------------------------------------------------------------


def test_a_class_can_be_read_from_the_latent_it_rides_in():
    noise = Uniform(dim=3).sample(5, seeded())
    classes = torch.tensor([0, 3739, 7, 999_999, 1])
    latent = with_class(noise, classes)
    assert latent.shape == (5, 4)
    assert latent.dtype == torch.float32
    assert torch.equal(split_class(latent)[1], classes)
    assert split_class(latent)[1].dtype == torch.int64
    assert torch.equal(split_class(latent)[0], noise)
    for one, other in zip(split_class(latent), (noise, classes), strict=True):
        assert torch.equal(one, other)  # as networks read it


def test_drawn_classes_are_uniform_and_the_noise_is_that_of_the_prior():
    prior = ClassConditionalPrior(dim=4, base=Normal(dim=4), classes=10)
    latent = prior.sample(20_000, seeded())
    assert latent.shape == (20_000, prior.total_dim) == (20_000, 5)
    share = torch.bincount(split_class(latent)[1], minlength=10) / 20_000
    assert len(share) == 10
    assert (share - 0.1).abs().max() < 0.01
    assert torch.equal(split_class(latent)[0], Normal(dim=4).sample(20_000, seeded()))


@pytest.mark.parametrize("base", [Uniform(dim=4), Coded(dim=4, categories=3, continuous=1)])
def test_the_class_comes_after_whatever_the_prior_draws(base):
    prior = ClassConditionalPrior(dim=4, base=base, classes=6)
    latent = prior.sample(9, seeded())
    assert latent.shape == (9, base.total_dim + 1)
    assert torch.equal(split_class(latent)[0], base.sample(9, seeded()))


def test_fixed_latents_take_every_class_in_turn_or_spread_over_many():
    normal = torch.randn(64, 4, generator=seeded())
    few = ClassConditionalPrior(dim=4, base=Normal(dim=4), classes=10).latents(normal)
    assert split_class(few)[1].tolist() == [i % 10 for i in range(64)]
    assert torch.equal(split_class(few)[0], normal)
    many = split_class(
        ClassConditionalPrior(dim=4, base=Normal(dim=4), classes=3740).latents(normal)
    )[1]
    assert many.tolist() == [i * 3740 // 64 for i in range(64)]
    assert many.unique().numel() == 64
    as_many = split_class(
        ClassConditionalPrior(dim=4, base=Normal(dim=4), classes=64).latents(normal)
    )[1]
    assert as_many.tolist() == list(range(64))
