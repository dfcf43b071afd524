"""Samples from a run: its averaged generator, from the newest whole checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from unicodedata import normalize

import torch
from torch import Tensor, nn

from steadygan.data import Dataset
from steadygan.errors import CheckpointError, UserError, did_you_mean
from steadygan.networks.labels import split_class, with_class
from steadygan.priors import ClassConditionalPrior, Coded, Normal, Prior, Sphere
from steadygan.records import named_in
from steadygan.spec import checked
from steadygan.training import checkpoint, pictures
from steadygan.training.inputs import Streams
from steadygan.training.recorded import recorded_recipe
from steadygan.training.runfolder import read_facts
from steadygan.training.state_dict import restore_module

MOST = 1_000_000


def load_parts(
    run: str | Path,
    say: Callable[[str], None] = print,
    at: str = "last",
    trust_code: bool = False,
) -> tuple[nn.Module, Prior, dict]:
    """The EMA generator of a run in eval mode, what its latents are drawn from (with a class at
    the end where it takes one), and run.json's facts. See `load_generator`."""
    return load_at(run, say, at, trust_code)[:3]


def load_at(
    run: str | Path, say: Callable[[str], None], at: str, trust_code: bool
) -> tuple[nn.Module, Prior, dict, int]:
    """`load_parts` with the step that the generator is of: that of the newest whole checkpoint."""
    run = Path(run)
    facts = read_facts(run)
    if at == "best" and not checkpoint.listed(run / "best"):
        raise UserError(
            f"{run}: no best samples are kept: the run was not evaluated during training"
        )
    folder = {"last": "checkpoints", "best": "best"}[at]
    path, found = checkpoint.load_newest(run / folder, say)
    where, prefix = run / "run.json", "average/"
    recipe = recorded_recipe(facts["recipe"], where, trust_code, say)
    with torch.random.fork_rng():
        classes = len(facts["data"].get("class_names") or ())
        shape = tuple(facts["data"]["shape"])
        with named_in(str(where)):
            g_ema = checked("networks", recipe.averaged, shape, classes)
    saved = {k.removeprefix(prefix): v for k, v in found.tensors.items() if k.startswith(prefix)}
    try:
        restore_module(g_ema, saved, "average")
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    return g_ema, recipe.sampling_prior(classes), facts, checkpoint.step_of(path)


def draw_latents(
    prior: Prior,
    count: int,
    seed: int,
    category: str | None = None,
    class_names: Sequence[str] = (),
    truncation: float | None = None,
) -> Tensor:
    """`count` latents; `category` is a class by its name (or its number), or one of a coded
    prior's categories by its number. `truncation`: see `truncated`."""
    latents = prior.sample(count, Streams(seed).generator("samples"))
    if truncation is not None:
        latents = truncated(prior, latents, truncation)
    if category is None:
        return latents
    if isinstance(prior, ClassConditionalPrior):
        chosen = torch.full((count,), class_index(category, class_names, prior.classes))
        return with_class(split_class(latents)[0], chosen)
    if not isinstance(prior, Coded):
        raise UserError(f"--class {category}: this run's generator takes no class or category")
    if not category.isdecimal() or int(category) >= prior.categories:
        raise UserError(f"--class {category}: categories are 0 to {prior.categories - 1}")
    chosen = torch.full((count,), int(category))
    return prior.with_codes(latents[:, : prior.dim], chosen, prior.codes(latents))


def truncated(prior: Prior, latents: Tensor, limit: float) -> Tensor:
    """Latents whose noise is drawn within +-`limit`: more typical samples, less variety.

    Brock et al. 2019, arXiv:1809.11096, section 3.1. Normal noise is that of the truncated normal
    distribution at the same quantile, uniform noise `limit` times itself; codes and classes stay.
    Raises UserError for a limit out of range, and for noise that has one length.
    """
    base = prior.base if isinstance(prior, ClassConditionalPrior) else prior
    most = {"normal": 10.0, "uniform": 1.0, "coded": 1.0}.get(base.name)
    if most is None:
        raise UserError(f"--truncation: latents of '{base.name}' have none")
    if not 0 < limit <= most:
        raise UserError(f"--truncation {limit:g}: wants a number above 0, up to {most:g}")
    noise, rest = latents[:, : base.dim], latents[:, base.dim :]
    if isinstance(base, Normal):
        inside = torch.erf(noise.double() / 2**0.5) * math.erf(limit / 2**0.5)
        noise = (torch.erfinv(inside) * 2**0.5).to(latents)
    else:
        noise = noise * limit
    return torch.cat([noise, rest], 1)


def class_index(asked: str, names: Sequence[str], classes: int) -> int:
    """The index of the class called `asked`, or of that number where no class has the name.

    Letters are compared as they look: folders of some systems write accents as marks of their own.
    """
    composed = [normalize("NFC", name) for name in names]
    if normalize("NFC", asked) in composed:
        return composed.index(normalize("NFC", asked))
    if asked.isdecimal() and int(asked) < classes:
        return int(asked)
    near = did_you_mean(asked, names)
    raise UserError(f"--class {asked}: no such class, by name or from 0 to {classes - 1}{near}")


def class_names_in(text: str, names: Sequence[str]) -> list[str]:
    """The classes that a text is written with, one a character; white space is left out.

    Raises UserError that names every character without a class of its own.
    """
    asked = [each for each in normalize("NFC", text) if not each.isspace()]
    if not asked:
        raise UserError("--text: there is no character in it")
    known = {normalize("NFC", name) for name in names}
    if unknown := list(dict.fromkeys(each for each in asked if each not in known)):
        raise UserError(
            f"--text: this run has no class for {' '.join(unknown[:20])}"
            f"{' ...' if len(unknown) > 20 else ''}; its {len(names):,} classes are in run.json"
        )
    return asked


def draw_table(
    prior: Prior,
    count: int,
    seed: int,
    categories: Sequence[str],
    class_names: Sequence[str] = (),
    *,
    a_cell: int = 1,
    across: bool = False,
    truncation: float | None = None,
) -> Tensor:
    """Latents of a table, row after row, `a_cell` of them for each cell: a row a category and
    `count` columns, or a column a category and `count` rows where `across`.

    All categories have the same `count` latents up to their class: one handwriting each.
    """
    each = [draw_latents(prior, a_cell * count, seed, one, class_names, truncation)
            for one in categories]  # fmt: skip
    state = torch.stack(each).unflatten(1, (count, a_cell))
    return (state.transpose(0, 1) if across else state).flatten(0, 2)


def path_between(prior: Prior, ends: Tensor, steps: int) -> Tensor:
    """Latents (len(ends) - 1) * steps on the path through `ends`.

    Spherical between normal latents, whose length is typical only near a sphere (White 2016,
    arXiv:1609.04468); straight between others. A class stays that of the first end.
    """
    if isinstance(prior, ClassConditionalPrior):
        walked = path_between(prior.base, split_class(ends)[0], steps)
        return with_class(walked, split_class(ends)[1][:1].expand(len(walked)))
    share = torch.linspace(0, 1, steps + 1)[:-1, None]
    pieces = []
    for a, b in pairwise(ends):
        if isinstance(prior, (Normal, Sphere)):
            cosine = torch.dot(a, b) / (a.norm() * b.norm())
            angle = torch.acos(cosine.clamp(-1, 1)).clamp_min(1e-6)
            weights = torch.sin((1 - share) * angle), torch.sin(share * angle)
            pieces.append((weights[0] * a + weights[1] * b) / torch.sin(angle))
        else:
            pieces.append(torch.lerp(a, b, share))
    return torch.cat(pieces)


def draw_best(
    run: Path, data: Dataset, say: Callable[[str], None] = print, trust_code: bool = False
) -> dict[str, Any] | None:
    """Draw the run's grids, of the same latents as all of its grids, by the generator of its best
    evaluation; where they are, with the step. None of a run that kept no best generator.

    Those of an earlier best evaluation are removed.
    """
    if not (kept := checkpoint.listed(run / "best")):
        return None
    generator, prior, facts = load_parts(run, say, "best", trust_code)
    step = checkpoint.step_of(kept[0])
    drawn = pictures.draw_samples(generator, prior, data, facts["seed"], run, step, best=True)
    for path in (run / "samples").glob("*best-step-*.png"):
        if f"samples/{path.name}" not in drawn.values():
            path.unlink(missing_ok=True)
    return {"step": step, **drawn}
