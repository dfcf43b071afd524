"""Adaptive discriminator augmentation. Karras et al. 2020, "Training Generative Adversarial
Networks with Limited Data", arXiv:2006.06676.

    D and G see T_p(x): each kind of transformation acts on a sample with probability p
    r_t = E sign(D(x_train)), 0 where D is undecided, 1 where it calls all real ones real   eq. 1
    p rises where r_t > .6 and falls where it is below, from 0 to 1 in 500,000 images    section 3.1

Augmentation that acts with a probability well below 1 does not leak into the samples (section 2.2),
and with p = 0 it is absent: few images raise p, many leave it at 0. The transformations and their
spreads are those of the paper's appendix B. Ours: they are resampled bilinearly, without the
wavelet filters of the paper; what lies outside an image is its mirror image; p stays at 1 or below.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample

from steadygan.game.draws import integers, normal, uniform
from steadygan.parts.augment import ImageTrick

if TYPE_CHECKING:
    from steadygan.game.context import Kind, StepContext
    from steadygan.game.recipe import Recipe
    from steadygan.game.state import GameState, StepResult

Policy = Literal["flip", "turn", "shift", "scale", "rotate", "color"]
POLICY: tuple[Policy, ...] = ("flip", "turn", "shift", "scale", "rotate", "color")
#: p is moved once in so many steps of D, by r_t over their real samples.
INTERVAL = 4
#: Standard deviations (of log2 for factors) and ranges: the paper's appendix B.
SHIFT, FINE_SHIFT, SCALE, BRIGHTNESS, CONTRAST, SATURATION = 0.125, 0.125, 0.2, 0.2, 0.5, 1.0


class Draws:
    """Random numbers of one step, (B,) each, on the images' device."""

    def __init__(self, images: Tensor, p: Tensor, generator: torch.Generator | None) -> None:
        self.images, self.p, self.generator = images, p, generator

    def _of(self, values: Tensor) -> Tensor:
        return values.to(self.images.device)

    def acts(self, p: Tensor | None = None) -> Tensor:
        """True with probability p, (B,) bool."""
        drawn = self._of(uniform((len(self.images),), self.generator))
        return drawn < (self.p if p is None else p)

    def uniform(self, low: float, high: float) -> Tensor:
        drawn = uniform((len(self.images),), self.generator)
        return self._of(low + (high - low) * drawn)

    def normal(self, spread: float) -> Tensor:
        return self._of(spread * normal((len(self.images),), self.generator))

    def whole(self, most: int) -> Tensor:
        """Whole numbers from 0 to `most`, as float32."""
        return self._of(integers(0, most + 1, (len(self.images),), self.generator).float())


# ---- geometry ----------------------------------------------------------------------------------


def linear(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Maps (x, y) -> (a x + b y, c x + d y) as matrices (B, 3, 3)."""
    zero, one = torch.zeros_like(a), torch.ones_like(a)
    rows = [torch.stack(row, 1) for row in ((a, b, zero), (c, d, zero), (zero, zero, one))]
    return torch.stack(rows, 1)


def scaling(x: Tensor, y: Tensor) -> Tensor:
    return linear(x, torch.zeros_like(x), torch.zeros_like(x), y)


def rotation(angle: Tensor) -> Tensor:
    return linear(angle.cos(), -angle.sin(), angle.sin(), angle.cos())


def translation(x: Tensor, y: Tensor) -> Tensor:
    """Shifts by x and y, in pixels."""
    found = scaling(torch.ones_like(x), torch.ones_like(y)).clone()
    found[:, 0, 2], found[:, 1, 2] = x, y
    return found


def geometry(policy: tuple[Policy, ...], draws: Draws) -> Tensor:
    """From pixels of the result to those of the image, about its middle: matrices (B, 3, 3). The
    order is the paper's."""
    height, width = draws.images.shape[2:]
    one = torch.ones(len(draws.images), device=draws.images.device)
    zero = torch.zeros_like(one)
    maps = []
    if "flip" in policy:
        maps.append(scaling(torch.where(draws.acts(), 1 - 2 * draws.whole(1), one), one))
    if "turn" in policy:
        quarter = torch.where(draws.acts(), draws.whole(3), zero)
        maps.append(rotation(-math.pi / 2 * quarter))
    if "shift" in policy:
        acts, places = draws.acts(), (draws.uniform(-SHIFT, SHIFT), draws.uniform(-SHIFT, SHIFT))
        x, y = (torch.where(acts, (t * n).round(), zero)
                for t, n in zip(places, (width, height), strict=True))  # fmt: skip
        maps.append(translation(-x, -y))
    # Two rotations, before and after the stretch: each with the probability that leaves p to both.
    each = 1 - (1 - draws.p).clamp_min(0).sqrt()
    if "scale" in policy:
        size = torch.where(draws.acts(), torch.exp2(draws.normal(SCALE)), one)
        maps.append(scaling(1 / size, 1 / size))
    if "rotate" in policy:
        maps.append(rotation(-_angle(draws, each, zero)))
    if "scale" in policy:
        stretch = torch.where(draws.acts(), torch.exp2(draws.normal(SCALE)), one)
        maps.append(scaling(1 / stretch, stretch))
    if "rotate" in policy:
        maps.append(rotation(-_angle(draws, each, zero)))
    if "shift" in policy:
        acts, places = draws.acts(), (draws.normal(FINE_SHIFT), draws.normal(FINE_SHIFT))
        x, y = (torch.where(acts, t * n, zero)
                for t, n in zip(places, (width, height), strict=True))  # fmt: skip
        maps.append(translation(-x, -y))
    found = maps[0]
    for each_map in maps[1:]:
        found = found @ each_map
    return found


def _angle(draws: Draws, p: Tensor, zero: Tensor) -> Tensor:
    return torch.where(draws.acts(p), draws.uniform(-math.pi, math.pi), zero)


def moved(images: Tensor, maps: Tensor) -> Tensor:
    """Images (B, C, H, W) as seen through `geometry`'s maps, bilinear; mirrored beyond the edge."""
    height, width = images.shape[2:]
    half = images.new_tensor([width / 2, height / 2])
    # grid_sample counts from -1 to 1 across each side, maps count pixels from the middle.
    theta = maps[:, :2].to(images.dtype).clone()
    theta[:, :, :2] = theta[:, :, :2] * half / half[:, None]
    theta[:, :, 2] = theta[:, :, 2] / half
    grid = affine_grid(theta, list(images.shape), align_corners=False)
    return grid_sample(images, grid, "bilinear", "reflection", align_corners=False)


# ---- colour ------------------------------------------------------------------------------------


def colours(images: Tensor, draws: Draws) -> Tensor:
    """Brightness, contrast, inversion of luma; of colour images hue and saturation too."""
    batch, channels = images.shape[:2]
    zero = torch.zeros(batch, device=images.device)
    one = torch.ones_like(zero)
    shift = torch.where(draws.acts(), draws.normal(BRIGHTNESS), zero)
    factor = torch.where(draws.acts(), torch.exp2(draws.normal(CONTRAST)), one)
    inverted = torch.where(draws.acts(), draws.whole(1), zero)
    changed = (images + shift[:, None, None, None]) * factor[:, None, None, None]
    luma = changed.mean(1, keepdim=True)
    chroma = changed - luma  # what is left of the grey axis, which all turns are about
    luma = luma * (1 - 2 * inverted)[:, None, None, None]
    if channels == 3:
        angle = torch.where(draws.acts(), draws.uniform(-math.pi, math.pi), zero)
        factor = torch.where(draws.acts(), torch.exp2(draws.normal(SATURATION)), one)
        chroma = torch.einsum("bij,bjhw->bihw", hue_rotation(angle), chroma)
        chroma = chroma * factor[:, None, None, None]
    return luma + chroma


def hue_rotation(angle: Tensor) -> Tensor:
    """Rotations (B, 3, 3) about the grey axis (1, 1, 1) / sqrt 3, by Rodrigues' formula."""
    axis = angle.new_tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    turned = axis * angle.sin()[:, None, None]
    turned = turned + axis @ axis * (1 - angle.cos())[:, None, None]
    return torch.eye(3, device=angle.device) + turned


def ada_augment(
    images: Tensor,
    p: Tensor | float,
    generator: torch.Generator | None = None,
    *,
    policy: tuple[Policy, ...] = POLICY,
) -> Tensor:
    """Images (B, C, H, W) in [-1, 1] with each transformation of `policy` at probability `p`, 0 to
    1. Karras et al. 2020, appendix B. Differentiable; not clipped to [-1, 1]."""
    draws = Draws(images, torch.as_tensor(p, device=images.device), generator)
    if set(policy) - {"color"}:
        images = moved(images, geometry(policy, draws))
    return colours(images, draws) if "color" in policy else images


# ---- the part ----------------------------------------------------------------------------------


class AdaState(nn.Module):
    """p, and the sum and number of the signs of real scores since it last moved."""

    p: Tensor
    signs: Tensor
    seen: Tensor
    steps: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.register_buffer("p", torch.tensor(p))
        for name in ("signs", "seen", "steps"):
            self.register_buffer(name, torch.zeros(()))

    @torch.no_grad()
    def follow(self, signs: Tensor, target: float, images: float) -> None:
        """Take in the signs (B,) of a step's real scores, 1 where D says real; every `INTERVAL`
        steps move p by the samples seen over `images`."""
        self.signs += signs.sum()
        self.seen += len(signs)
        self.steps += 1
        due = self.steps >= INTERVAL
        step = torch.sign(self.signs / self.seen - target) * self.seen / images
        self.p.copy_(torch.where(due, self.p + step, self.p).clamp(0.0, 1.0))
        for buffer in (self.signs, self.seen, self.steps):
            buffer.mul_(~due)


class Ada(ImageTrick):
    """T_p on what D sees, in the steps of both players; p follows how often D calls real samples
    real.

    Karras et al. 2020, arXiv:2006.06676, section 3.1. `images` is how many it takes p from 0 to 1.
    Leave kinds out of `policy` that change what an image says: `policy=shift,scale,color` for
    digits and text.
    """

    name = "ada"
    sides: ClassVar = ("shared",)
    signal_titles: ClassVar = {
        "ada_p": "probability of each augmentation",
        "ada_sign": "sign of D's scores of real samples (r_t)",
    }
    policy: tuple[Policy, ...] = Field(POLICY, min_length=1)
    target: float = Field(0.6, gt=-1, lt=1)
    images: float = Field(500_000.0, gt=0)
    p_start: float = Field(0.0, ge=0, le=1)

    def incompatibility(self, recipe: Recipe) -> str | None:
        if recipe.objective.threshold is not None:
            return None
        return (
            "ada follows how often D calls real samples real, and no score is undecided under "
            f"objective {recipe.objective.name}: add diffaugment, or take ns, hinge or lsgan"
        )

    def start(self, state: GameState) -> nn.Module:
        return AdaState(self.p_start)

    def augment(self, context: StepContext, samples: Tensor, kind: Kind) -> Tensor:
        p = context.state.part_state(self.name, AdaState).p
        return ada_augment(samples, p, context.generator(f"ada {kind}"), policy=self.policy)

    def adjust(self, result: StepResult) -> None:
        """p moves once the guard has passed a step of D: one that fails has moved nothing."""
        if result.player.name != "d":
            return
        context, objective = result.context, result.context.recipe.objective
        state = context.state.part_state(self.name, AdaState)
        assert objective.threshold is not None  # see `incompatibility`
        off = context.whole(context.real_scores.detach()) - objective.threshold
        signs = torch.sign(off if objective.real_is_high else -off)
        context.signals |= {"ada_p": state.p.clone(), "ada_sign": signs.mean()}
        state.follow(signs, self.target, self.images)
