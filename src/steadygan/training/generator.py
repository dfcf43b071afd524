"""The generator of a run as a module of one's own program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from steadygan.errors import UserError
from steadygan.priors import ClassConditionalPrior, Prior
from steadygan.training import pictures
from steadygan.training.sampling import draw_latents, load_parts


class LoadedGenerator(nn.Module):
    """A run's averaged generator in eval mode, which draws its own latents.

        generator = load_generator("runs/cgan-mnist-s0")
        images = generator(16, classes="3", as_uint8=True)   # (16, 28, 28, 1), 0 to 255
        same = generator(generator.latents(16, classes="3"))  # (16, 1, 28, 28), -1 to 1

    `network` is the generator itself, `prior` what latents are drawn from, `facts` run.json.
    """

    def __init__(self, network: nn.Module, prior: Prior, facts: dict[str, Any]) -> None:
        super().__init__()
        self.network, self.prior, self.facts = network, prior, facts

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes that it was trained on; none where it takes none."""
        takes = isinstance(self.prior, ClassConditionalPrior)
        return tuple(self.facts["data"].get("class_names") or ()) if takes else ()

    def latents(
        self, count: int, classes: str | int | Sequence[str | int] | None = None, seed: int = 0
    ) -> Tensor:
        """`count` latents (count, n), the same for the same seed. `classes`: one for all, or one
        each, by name or number; of a generator with codes, its categories."""
        if classes is None or isinstance(classes, (str, int)):
            category = None if classes is None else str(classes)
            return draw_latents(self.prior, count, seed, category, self.class_names)
        if len(classes) != count:
            raise UserError(f"classes: {len(classes)} for {count} samples; give one for each")
        drawn = {one: self.latents(count, one, seed) for one in dict.fromkeys(classes)}
        return torch.stack([drawn[one][row] for row, one in enumerate(classes)])

    @torch.no_grad()
    def forward(
        self,
        latents: int | Tensor,
        classes: str | int | Sequence[str | int] | None = None,
        seed: int = 0,
        as_uint8: bool = False,
    ) -> Tensor:
        """Samples of latents, or of so many drawn ones: float32 (B, C, H, W) in [-1, 1] (vectors as
        the data are), or uint8 (B, H, W, C), on the CPU."""
        if isinstance(latents, Tensor) and classes is not None:
            raise UserError("classes: go with a number of samples; latents have theirs already")
        if not isinstance(latents, Tensor):
            latents = self.latents(latents, classes, seed)
        made = torch.cat(list(pictures.generate(self.network, latents)))
        return pictures.to_bytes(made) if as_uint8 else made


def load_generator(
    run: str | Path,
    say: Callable[[str], None] = print,
    at: str = "last",
    trust_code: bool = False,
) -> LoadedGenerator:
    """The averaged generator of a run as a module that draws samples; see `LoadedGenerator`.

    `at="best"` takes that of the best evaluation of a run that was evaluated. Networks that
    run.json names as `module:Name` are imported only with `trust_code`. Raises UserError for a
    folder that is no run, a missing best, and a checkpoint that cannot be read.
    """
    return LoadedGenerator(*load_parts(run, say, at, trust_code))
