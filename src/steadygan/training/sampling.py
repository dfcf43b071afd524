"""Samples from a run: its averaged generator, from the newest whole checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import torch
from torch import Tensor, nn

from steadygan.data import Dataset
from steadygan.errors import CheckpointError, UserError, did_you_mean
from steadygan.files import writing
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
FRAMES = 48


def load_parts(
    run: str | Path,
    say: Callable[[str], None] = print,
    at: str = "last",
    trust_code: bool = False,
) -> tuple[nn.Module, Prior, dict]:
    """The EMA generator of a run in eval mode, what its latents are drawn from (with a class at
    the end where it takes one), and run.json's facts. See `load_generator`."""
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
            g_ema = checked("networks", recipe.start, shape, classes).g_ema
    saved = {k.removeprefix(prefix): v for k, v in found.tensors.items() if k.startswith(prefix)}
    try:
        restore_module(g_ema, saved, "average")
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    return g_ema, recipe.sampling_prior(classes), facts


def draw_latents(
    prior: Prior,
    count: int,
    seed: int,
    category: str | None = None,
    class_names: Sequence[str] = (),
) -> Tensor:
    """`count` latents; `category` is a class by its name (or its number), or one of a coded
    prior's categories by its number."""
    latents = prior.sample(count, Streams(seed).generator("samples"))
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
) -> Tensor:
    """Latents of a table, row after row, `a_cell` of them for each cell: a row a category and
    `count` columns, or a column a category and `count` rows where `across`.

    All categories have the same `count` latents up to their class: one handwriting each.
    """
    each = [draw_latents(prior, a_cell * count, seed, one, class_names) for one in categories]
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


def sample(
    run: str | Path,
    out: str | Path,
    *,
    count: int | None = None,
    seed: int = 0,
    category: str | Sequence[str] | None = None,
    text: str | None = None,
    interpolate: bool = False,
    at: str = "last",
    say: Callable[[str], None] = print,
    trust_code: bool = False,
) -> Path:
    """Write samples of a run: a `.png` grid, a `.npy` (uint8, N x H x W x C) or a `.gif` walk.

    `category`: a class, or several for a row each. `text`: a line of characters that are classes,
    each of the same latent. `count`: how many in all (64), of each of several classes (8), or
    lines of text (1). `at` is "last", or "best" for the generator of the best evaluation.
    `trust_code`: see `load_generator`.
    """
    out = Path(out)
    several = [category] if isinstance(category, str) else list(category or ())
    if text is not None and several:
        raise UserError("--text and --class: give one of them")
    if count is None:
        count = 1 if text is not None else 8 if len(several) > 1 else 64
    _check_request(out, count * max(1, len(several), len(text or "")), count)
    generator, prior, facts = load_parts(run, say, at, trust_code)
    if out.suffix == ".gif" and len(facts["data"]["shape"]) == 1:
        raise UserError(f"--out {out}: a walk is of images; vectors go into .png or .npy")
    names = facts["data"].get("class_names") or ()
    if text is not None:
        if not isinstance(prior, ClassConditionalPrior):
            raise UserError("--text: this run's generator takes no class")
        several = class_names_in(text, names)
    if interpolate and (text is not None or len(several) > 1):
        raise UserError("--interpolate: walks in one class; give one --class, or --out NAME.gif")
    a_cell = 2 if out.suffix == ".gif" else 1
    one = several[0] if several else None
    if text is not None or len(several) > 1:
        columns = len(several) if text is not None else count
        latents = draw_table(
            prior, count, seed, several, names, a_cell=a_cell, across=text is not None
        )
    elif interpolate and a_cell == 1:
        columns = min(10, count)
        ends = draw_latents(prior, 2 * -(-count // columns), seed, one, names)
        rows = [path_between(prior, pair, columns) for pair in ends.split(2)]
        latents = torch.cat(rows)[:count]
    else:
        columns = max(1, int(np.ceil(np.sqrt(count))))
        latents = draw_latents(prior, a_cell * count, seed, one, names)
    if out.suffix == ".gif":
        _write_walk(generator, prior, latents, columns, out)
        return out
    _write_still(generator, latents, columns, out, points=len(facts["data"]["shape"]) == 1)
    return out


def _check_request(out: Path, images: int, count: int) -> None:
    if out.suffix not in (".png", ".npy", ".gif"):
        raise UserError(f"--out {out}: wants a name that ends in .png, .npy or .gif")
    if count < 1 or images > MOST:
        raise UserError(f"--count {count}: wants 1 to {MOST:,} images in all")
    if not out.parent.is_dir():
        raise UserError(f"--out {out}: there is no folder {out.parent}")


def _write_still(
    generator: nn.Module, latents: Tensor, columns: int, out: Path, points: bool
) -> None:
    made = pictures.generate(generator, latents)
    if points:
        values = torch.cat(list(made)).numpy()
    else:
        values = np.concatenate([pictures.to_uint8(batch) for batch in made])
    if out.suffix == ".npy":
        with writing(out) as file:
            np.save(file, values, allow_pickle=False)
    elif points:
        pictures.save_png(pictures.scatter(values, values), out)
    else:
        pictures.save_png(pictures.grid(values, columns), out)


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


def _write_walk(generator: nn.Module, prior: Prior, ends: Tensor, columns: int, out: Path) -> None:
    """An animation: each cell of the grid walks from its latent to another and back."""
    walks = torch.stack([path_between(prior, pair, FRAMES // 2) for pair in ends.split(2)])
    there = []
    for frame in walks.unbind(1):
        images = np.concatenate([pictures.to_uint8(b) for b in pictures.generate(generator, frame)])
        there.append(pictures.grid(images, columns))
    frames = there + there[-2:0:-1]
    with writing(out) as file:
        frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=60, loop=0)
