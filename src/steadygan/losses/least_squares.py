"""The least squares objective: scores are pulled towards codes. Mao et al. 2017, arXiv:1611.04076.

D's scores of real and fake samples are pulled towards b and a, G pulls those of its samples towards
c. Scores are raw outputs C(x), shape (B,), float32; the batch is averaged (the authors' code sums
it, which Adam does not see).
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BeforeValidator, model_validator
from torch import Tensor

from steadygan.game.objective import Objective

#: The paper's two codings as (a, b, c), section 3.2.3.
CODINGS = {"pearson": (-1.0, 1.0, 0.0), "01": (0.0, 1.0, 1.0)}


def least_squares_d_loss(
    real_scores: Tensor, fake_scores: Tensor, a: float = -1.0, b: float = 1.0
) -> Tensor:
    """1/2 E (C(x) - b)^2 + 1/2 E (C(g) - a)^2. Mao et al. 2017, eq. 2."""
    return ((real_scores - b).square().mean() + (fake_scores - a).square().mean()) / 2


def least_squares_g_loss(fake_scores: Tensor, c: float = 0.0) -> Tensor:
    """1/2 E (C(g) - c)^2. Mao et al. 2017, eq. 2."""
    return (fake_scores - c).square().mean() / 2


def least_squares_d_loss_to(
    real_scores: Tensor, fake_scores: Tensor, real_targets: Tensor, fake_targets: Tensor,
    a: float = -1.0, b: float = 1.0,
) -> Tensor:  # fmt: skip
    """`least_squares_d_loss` for targets t in [0, 1]: scores are pulled towards a + t (b - a)."""
    real = real_scores - (a + real_targets * (b - a))
    fake = fake_scores - (a + fake_targets * (b - a))
    return (real.square().mean() + fake.square().mean()) / 2


def is_pearson(a: float, b: float, c: float) -> bool:
    """True where G then minimises the Pearson chi-square divergence between p_d + p_g and 2 p_g:
    b - c = 1 and b - a = 2. Mao et al. 2017, section 3.2.2."""
    return math.isclose(b - c, 1.0) and math.isclose(b - a, 2.0)


def _named_coding(value: Any) -> Any:
    """The triple of a coding that is given by its name."""
    if isinstance(value, tuple) and len(value) == 1:  # one word of the command line
        value = value[0]
    if not isinstance(value, str):
        return value
    if value not in CODINGS:
        raise ValueError(
            f"unknown coding '{value}': {' or '.join(CODINGS)}, or three numbers a,b,c"
        )
    return CODINGS[value]


class LeastSquares(Objective):
    """Least squares towards a `coding` (a, b, c), by its name or as three numbers.

    `pearson` (-1, 1, 0): with an optimal D, G minimises the Pearson chi-square divergence. `01`
    (0, 1, 1): G wants its samples scored as real ones. a is below b, so that high says real.
    """

    name = "lsgan"
    has_targets = True
    coding: Annotated[tuple[float, float, float], BeforeValidator(_named_coding)] = CODINGS[
        "pearson"
    ]

    @model_validator(mode="after")
    def _codes_in_order(self) -> LeastSquares:
        a, b, _ = self.coding
        if a >= b:
            raise ValueError(
                f"the code of fakes must be below that of real samples, not {a} >= {b}"
            )
        return self

    @property
    def is_pearson(self) -> bool:
        """True where the coding makes the game that of the Pearson chi-square divergence."""
        return is_pearson(*self.coding)

    @property
    def optimises(self) -> str:  # type: ignore[override]  # it follows from the coding
        return "Pearson divergence" if self.is_pearson else "least squares"

    @property
    def threshold(self) -> float:  # type: ignore[override]  # it follows from the coding
        """The score half-way between the codes of fake and real."""
        return (self.coding[0] + self.coding[1]) / 2

    def d_loss(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        a, b, _ = self.coding
        return least_squares_d_loss(real_scores, fake_scores, a, b)

    def g_loss(self, fake_scores: Tensor) -> Tensor:
        return least_squares_g_loss(fake_scores, self.coding[2])

    def d_loss_to(
        self, real_scores: Tensor, fake_scores: Tensor, real_targets: Tensor, fake_targets: Tensor
    ) -> Tensor:
        a, b, _ = self.coding
        return least_squares_d_loss_to(real_scores, fake_scores, real_targets, fake_targets, a, b)
