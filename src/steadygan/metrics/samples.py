"""Where samples come from: a run, a folder of images, or an array on disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from steadygan.data import Dataset, DataSettings, open_data
from steadygan.errors import UserError
from steadygan.features.extract import Progress, quiet
from steadygan.metrics.evaluate import COUNT, LEAST
from steadygan.metrics.modes import COUNT as POINTS
from steadygan.networks.labels import split_class
from steadygan.priors import ClassConditionalPrior
from steadygan.records import named_in
from steadygan.spec import checked
from steadygan.training import pictures
from steadygan.training.recorded import read_recipe
from steadygan.training.runfolder import read_facts
from steadygan.training.sampling import MOST, draw_latents, load_parts

BATCH = 250


@dataclass(frozen=True)
class Source:
    """Where samples come from: `kind` is run, folder or array."""

    path: Path
    kind: str

    def data(self, against: str | None, asked: DataSettings) -> tuple[str, DataSettings]:
        """The data to evaluate against, and how to decode it. For a run without `against`, or one
        trained on a source of that name, settings not in `asked` are those of its training."""
        if self.kind != "run":
            if against is None:
                raise UserError(f"{self.path}: give what to judge it against by --against DATA")
            return against, asked
        facts = read_facts(self.path)["data"]
        spec = against or facts["spec"]
        if spec.partition(":")[0] != facts["spec"].partition(":")[0]:
            return spec, asked
        own = {key: getattr(asked, key) for key in asked.model_fields_set}
        where = f"{self.path / 'run.json'}: data.settings"
        return spec, checked(where, DataSettings, **{**facts["settings"], **own})

    def naming(self, against: str | None, asked: DataSettings) -> AbstractContextManager[None]:
        """Entered around the opening of what `data` gives: where all of it is a run's, an error
        names its run.json."""
        if self.kind != "run" or against is not None or asked.model_fields_set:
            return nullcontext()
        return named_in(f"{self.path / 'run.json'}: data")


def find_source(path: Path) -> Source:
    """What lies at `path`: a run folder, a folder of images, or an .npy file."""
    if path.is_dir():
        return Source(path, "run" if (path / "run.json").is_file() else "folder")
    if path.suffix == ".npy" and path.is_file():
        return Source(path, "array")
    there = "is no .npy file" if path.exists() else "there is nothing"
    raise UserError(f"{path}: {there}; give a run folder, a folder of images or an .npy file")


def read_samples(
    source: Source,
    data: Dataset,
    count: int | None,
    *,
    seed: int = 0,
    best: bool = False,
    device: torch.device | str = "cpu",
    say: Callable[[str], None] = print,
    progress: Progress = quiet,
    trust_code: bool = False,
) -> np.ndarray:
    """Samples in the shape of the data's items: uint8 (N, C, H, W), or float32 (N, 2) points.

    `count` none: 10,000 (2,500 points), or as many as a folder or an array has, if fewer. A run
    draws its latents from `seed`; `best` takes its best evaluation's generator. Images of a folder
    are decoded as the data's own are, to its size and channels. `trust_code`: see `load_generator`.
    Raises `UserError` for fewer than were asked for, and for another shape or range than the
    data's.
    """
    wanted = count if count is not None else (COUNT if len(data.shape) == 3 else POINTS)
    if not LEAST <= wanted <= MOST:
        raise UserError(f"--count {wanted}: wants {LEAST} to {MOST:,} samples")
    if source.kind == "run":
        return drawn(source.path, data, wanted, seed, best, device, say, progress, trust_code)
    if best:
        raise UserError(f"--best: {source.path} is no run folder")
    there = _folder(source.path, data, progress) if source.kind == "folder" else None
    there = _array(source.path, data) if there is None else there
    if len(there) < wanted:
        if count is not None:
            raise UserError(f"{source.path}: holds {len(there):,} samples, --count is {count:,}")
        say(f"note: {source.path} holds {len(there):,} samples; {wanted:,} are usual")
    chosen = np.linspace(0, len(there) - 1, min(wanted, len(there))).astype(np.int64)
    return np.ascontiguousarray(there[chosen])


def drawn(
    run: Path,
    data: Dataset,
    count: int,
    seed: int,
    best: bool,
    device: torch.device | str,
    say: Callable[[str], None],
    progress: Progress,
    trust_code: bool = False,
) -> np.ndarray:
    """Samples of a run's averaged generator, in the stored form of its data's items."""
    generator, prior, facts = load_parts(run, say, "best" if best else "last", trust_code)
    shape = tuple(facts["data"]["shape"])
    if shape != data.shape:
        raise UserError(
            f"{run} makes {list(shape)}, {data.spec} holds {list(data.shape)}: give the data the "
            "same size= and channels="
        )
    latents = draw_latents(prior, count, seed)
    made = []
    for samples in pictures.generate(generator.to(device), latents, BATCH):
        if not torch.isfinite(samples).all():
            raise UserError(f"{run}: its generator makes NaN or Inf; there is nothing to judge")
        made.append(as_bytes(samples.numpy()) if samples.dim() == 4 else samples.numpy())
        progress(min(len(made) * BATCH, count), count)
    return np.concatenate(made)


def classes_drawn(run: Path, data: Dataset, count: int, seed: int) -> np.ndarray | None:
    """The classes, int64 (count,), that `drawn` asks a run's generator for; None where it takes
    none, or was trained on other classes than the data's."""
    facts = read_facts(run)
    names = tuple(facts["data"].get("class_names") or ())
    prior = read_recipe(facts["recipe"], run / "run.json").sampling_prior(len(names))
    if not isinstance(prior, ClassConditionalPrior) or names != data.class_names:
        return None
    return split_class(draw_latents(prior, count, seed))[1].numpy()


def as_bytes(images: np.ndarray) -> np.ndarray:
    """Images in [-1, 1] as uint8, rounded: what a file of them would hold."""
    return (images.clip(-1, 1) * 127.5 + 127.5).round().astype(np.uint8)


def _folder(path: Path, data: Dataset, progress: Progress) -> np.ndarray:
    if len(data.shape) != 3:
        raise UserError(f"{path}: a folder of images cannot be judged against {data.spec}")
    settings = DataSettings(size=data.shape[1], channels=data.shape[0])
    opened = open_data(
        f"folder:{path}", settings, progress=lambda _, done, total: progress(done, total or done)
    )
    return np.concatenate([opened.train.items, opened.test.items])


def _array(path: Path, data: Dataset) -> np.ndarray:
    """What an .npy file holds, in the stored form of the data's items."""
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: cannot be read as .npy: {str(error).splitlines()[0]}") from None
    if not isinstance(values, np.ndarray) or values.size == 0:
        raise UserError(f"{path}: holds no samples")
    if values.dtype != np.uint8 and not np.issubdtype(values.dtype, np.floating):
        raise UserError(f"{path}: is {values.dtype}; images are uint8, or float in [-1, 1]")
    if len(data.shape) == 1:
        return _points(path, values, data)
    values = _channels_first(path, values, data.shape)
    if values.dtype == np.uint8:
        return values
    least, most = float(values.min()), float(values.max())
    if not (np.isfinite(least) and np.isfinite(most)):
        raise UserError(f"{path}: holds NaN or Inf")
    if least < -1 or most > 1 or least >= 0:
        raise UserError(
            f"{path}: float values from {least:.4g} to {most:.4g}; images are float in [-1, 1] "
            "(2 x - 1 of those in [0, 1]), or uint8"
        )
    return as_bytes(np.asarray(values))


def _channels_first(path: Path, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(N, C, H, W), (N, H, W, C) or, for one channel, (N, H, W) as (N, C, H, W)."""
    channels, height, width = shape
    if values.shape[1:] == shape:
        return values
    if values.shape[1:] == (height, width, channels):
        return values.transpose(0, 3, 1, 2)
    if values.shape[1:] == (height, width) and channels == 1:
        return values[:, None]
    raise UserError(
        f"{path}: holds {list(values.shape)}; wanted (N, {channels}, {height}, {width}) or "
        f"(N, {height}, {width}, {channels}), the shape of the data's images"
    )


def _points(path: Path, values: np.ndarray, data: Dataset) -> np.ndarray:
    if values.ndim != 2 or values.shape[1:] != data.shape or values.dtype == np.uint8:
        raise UserError(
            f"{path}: holds {values.dtype} {list(values.shape)}; wanted float points (N, 2)"
        )
    if not np.isfinite(values).all():
        raise UserError(f"{path}: holds NaN or Inf")
    return np.asarray(values, dtype=np.float32)
