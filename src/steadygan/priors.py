"""Priors: what the generator's input z is drawn from.

A prior maps standard normal draws (B, dim) to latents (B, dim). So every method that shares a
seed sees the same underlying draws, whatever its prior and (up to it) its dimension: that is
what makes sample grids of different methods comparable.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from pydantic import Field, SerializeAsAny
from torch import Tensor

from steadygan.networks.labels import with_class
from steadygan.spec import Spec


class Prior(Spec):
    """The distribution of z, shape (B, `dim`)."""

    dim: int = Field(100, ge=1, le=65536)

    @property
    def total_dim(self) -> int:
        """Numbers a sample that the generator takes: noise and, where there are any, codes."""
        return self.dim

    @property
    def codes_in_latent(self) -> tuple[int, int]:
        """How many categories and continuous codes ride in a latent: none, (0, 0)."""
        return (0, 0)

    def latents(self, normal: Tensor) -> Tensor:
        """Latents (B, total_dim) from standard normal draws (B, dim)."""
        raise NotImplementedError

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` latents, float32 on the device of `generator`, shape (count, total_dim)."""
        return self.latents(self._normal(count, generator))

    def _normal(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randn(count, self.dim, generator=generator, device=generator.device)


def uniform_from_normal(normal: Tensor) -> Tensor:
    """U(-1, 1) from N(0, 1) by the normal distribution function: 2 Phi(n) - 1 = erf(n / sqrt 2)."""
    return torch.erf(normal / math.sqrt(2.0))


class Normal(Prior):
    """z ~ N(0, I)."""

    name = "normal"

    def latents(self, normal: Tensor) -> Tensor:
        return normal


class Uniform(Prior):
    """z ~ U(-1, 1)^dim."""

    name = "uniform"

    def latents(self, normal: Tensor) -> Tensor:
        return uniform_from_normal(normal)


class Sphere(Prior):
    """z uniform on the sphere of radius sqrt(dim), where nearly all of N(0, I) lies."""

    name = "sphere"

    def latents(self, normal: Tensor) -> Tensor:
        return torch.nn.functional.normalize(normal, dim=1) * math.sqrt(self.dim)


class Coded(Prior):
    """Noise ++ one-hot category ++ continuous codes. Chen et al. 2016, arXiv:1606.03657, sec. 7.

    z = (noise ~ U(-1, 1)^dim, c ~ Cat(categories) as one-hot, u ~ U(-1, 1)^continuous): the codes
    stand at the end of the latent, so z has them with it.
    """

    name = "coded"
    dim: int = Field(62, ge=1, le=65536)
    categories: int = Field(10, ge=2, le=10000)
    continuous: int = Field(2, ge=0, le=1000)

    @property
    def total_dim(self) -> int:
        return self.dim + self.categories + self.continuous

    @property
    def codes_in_latent(self) -> tuple[int, int]:
        return (self.categories, self.continuous)

    def latents(self, normal: Tensor) -> Tensor:
        """From draws (B, dim), with category i mod `categories` and codes 0 for sample i."""
        count = len(normal)
        category = torch.arange(count, device=normal.device) % self.categories
        continuous = normal.new_zeros(count, self.continuous)
        return self.with_codes(uniform_from_normal(normal), category, continuous)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        drawn: Any = {"generator": generator, "device": generator.device}
        noise = uniform_from_normal(self._normal(count, generator))
        category = torch.randint(self.categories, (count,), **drawn)
        continuous = torch.rand(count, self.continuous, **drawn) * 2 - 1
        return self.with_codes(noise, category, continuous)

    def with_codes(self, noise: Tensor, category: Tensor, continuous: Tensor) -> Tensor:
        """Latents from noise (B, dim), categories (B,) int64 and codes (B, continuous)."""
        one_hot = torch.nn.functional.one_hot(category, self.categories).to(noise.dtype)
        return torch.cat([noise, one_hot, continuous], dim=1)

    def category(self, latent: Tensor) -> Tensor:
        """The category (B,) int64 that rides in latents (B, total_dim)."""
        return latent[:, self.dim : self.dim + self.categories].argmax(1)

    def codes(self, latent: Tensor) -> Tensor:
        """The continuous codes (B, continuous) in [-1, 1] that ride in latents."""
        return latent[:, self.dim + self.categories :]


class ClassConditionalPrior(Prior):
    """A prior with a class at the end of each latent, for generators that take classes.

    The class rides as one number, its index (exact in float32 up to 16 million classes), so that
    a latent has its class with it. Made by `Recipe.sampling_prior`.
    """

    base: SerializeAsAny[Prior]
    classes: int = Field(ge=1, le=1_000_000)

    @property
    def total_dim(self) -> int:
        return self.base.total_dim + 1

    def latents(self, normal: Tensor) -> Tensor:
        """From draws (B, dim): classes one after the other, or evenly spread where they outnumber
        the draws."""
        count = len(normal)
        iteration = torch.arange(count, device=normal.device)
        chosen = (
            iteration * self.classes // count if self.classes > count else iteration % self.classes
        )
        return with_class(self.base.latents(normal), chosen)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        noise = self.base.sample(count, generator)
        drawn = torch.randint(self.classes, (count,), generator=generator, device=generator.device)
        return with_class(noise, drawn)
