"""Pictures of one's own through the encoder of a run, and what its generator makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from steadygan.data.images import BadImage, decode, quiet_pillow
from steadygan.errors import CheckpointError, UserError
from steadygan.networks.labels import with_class
from steadygan.priors import ClassConditionalPrior, Prior
from steadygan.records import named_in
from steadygan.spec import checked
from steadygan.training import checkpoint, pictures
from steadygan.training.inputs import as_played
from steadygan.training.picture_files import (
    MOVING,
    Looks,
    require_writable,
    write_animation,
    write_images,
)
from steadygan.training.recorded import recorded_recipe
from steadygan.training.runfolder import read_facts
from steadygan.training.sampling import class_index, path_between
from steadygan.training.state_dict import restore

#: Pictures that are taken at most, and samples on the way between two of them.
MOST, STEPS = 64, 10


def sample_from(
    run: str | Path,
    images: Sequence[str | Path],
    out: str | Path,
    *,
    category: str | None = None,
    interpolate: bool = False,
    looks: Looks = Looks(),
    say: Callable[[str], None] = print,
    trust_code: bool = False,
) -> Path:
    """Write what the generator of a run makes of image files, through the method's own encoder.

    A grid (`.png`, `.jpg`, `.webp`) has the files in its first row, cut and scaled as a folder of
    images is, and G(E(x)) below; with `interpolate` a row for each two files in turn, which walks
    from one to the other. A `.npy` or a new folder holds G(E(x)) alone; a `.gif` or `.mp4` walks
    through all files and back to the first. `category`: the class that the generator is given,
    where it takes one. Weights are those of the last checkpoint: no other holds the encoder. Raises
    UserError for a run whose method has no encoder, and for a file that is no image.
    """
    out, moving = Path(out), Path(out).suffix in MOVING
    if not 1 <= len(images) <= MOST:
        raise UserError(f"--from: wants 1 to {MOST} images, not {len(images)}")
    if (interpolate or moving) and len(images) < 2:
        raise UserError("--from: a walk wants two images or more; repeat --from")
    require_writable(out)
    looks.check()
    encode, generator, prior, facts = load_encoder(run, say, trust_code)
    if len(facts["data"]["shape"]) != 3:
        raise UserError("--from: this run's samples are points, not images")
    originals = as_played(torch.from_numpy(read_images(images, tuple(facts["data"]["shape"]))))
    latents = encode(originals)
    if isinstance(prior, ClassConditionalPrior):
        names = facts["data"].get("class_names") or ()
        if category is None:
            raise UserError("--from: this run's generator takes a class, too; give --class")
        chosen = torch.full((len(latents),), class_index(category, names, prior.classes))
        latents = with_class(latents, chosen)
    elif category is not None:
        raise UserError(f"--class {category}: this run's generator takes no class or category")
    if moving:
        closed = torch.cat([latents, latents[:1]])
        walk = path_between(prior, closed, max(looks.frames // len(latents), 1))
        write_animation(_frames(generator, walk), out, looks)
        return out
    if interpolate:
        ways = [_whole_way(prior, *pair) for pair in pairwise(latents)]
        latents, columns = torch.cat(ways), STEPS
    else:
        columns = len(images)
    made = map(pictures.to_uint8, pictures.generate(generator, latents))
    above = [] if interpolate or out.suffix in ("", ".npy") else [pictures.to_uint8(originals)]
    count = len(latents) + len(images) * len(above)
    write_images(chain(above, made), count, columns, out, looks, "from")
    return out


def load_encoder(
    run: str | Path, say: Callable[[str], None] = print, trust_code: bool = False
) -> tuple[Callable[[Tensor], Tensor], nn.Module, Prior, dict]:
    """What maps images (B, C, H, W) in [-1, 1] to latents of a run's averaged generator, by the
    newest whole checkpoint; that generator, in eval mode; the prior and run.json's facts."""
    run = Path(run)
    facts = read_facts(run)
    where = run / "run.json"
    recipe = recorded_recipe(facts["recipe"], where, trust_code, say)
    if not recipe.has_encoder:
        raise UserError(
            f"{run}: --from wants a method with an encoder, such as bigan or decoding (with its "
            f"features=encoder), and this is a run of {facts['method']}"
        )
    classes = len(facts["data"].get("class_names") or ())
    with torch.random.fork_rng(), named_in(str(where)):
        state = checked("networks", recipe.start, tuple(facts["data"]["shape"]), classes)
    path, found = checkpoint.load_newest(run / "checkpoints", say)
    try:
        restore(state, found.tensors)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    for module in state.networks().values():
        module.eval()
    prior = recipe.sampling_prior(classes)
    return lambda images: recipe.latents_of(state, images), state.g_ema, prior, facts


def read_images(paths: Sequence[str | Path], shape: tuple[int, ...]) -> np.ndarray:
    """Image files as uint8 (N, C, H, W) of `shape`, cut to their centre square and scaled. Raises
    UserError that names a file which is no whole image."""
    channels, side = shape[0], shape[-1]
    found = []
    with quiet_pillow():
        for path in paths:
            try:
                found.append(decode(Path(path).read_bytes(), side, channels)[0])
            except OSError as error:
                raise UserError(f"--from {path}: {error.strerror}") from None
            except BadImage as error:
                raise UserError(f"--from {path}: {error}") from None
    return np.stack(found)


def _whole_way(prior: Prior, start: Tensor, end: Tensor) -> Tensor:
    """`STEPS` latents from `start` to `end`, both among them."""
    way = path_between(prior, torch.stack([start, end]), STEPS - 1)
    return torch.cat([way, end[None]])


def _frames(generator: nn.Module, latents: Tensor) -> Iterator[Image.Image]:
    for batch in pictures.generate(generator, latents):
        for image in pictures.to_uint8(batch):
            yield pictures.picture(image)
