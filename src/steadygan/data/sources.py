"""Where images come from, by name: `mnist`, `fashion-mnist:DIR`, `folder:DIR`, `ring`, `grid`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from steadygan.data.dataset import Dataset, DataSettings, Progress
from steadygan.data.digits import open_fashion, open_mnist
from steadygan.data.folder import open_folder
from steadygan.data.gaussians import open_grid, open_ring
from steadygan.errors import UserError, did_you_mean

_IMAGES = frozenset({"size", "channels", "flip"})


@dataclass(frozen=True)
class Source:
    """One kind of data. `usage`: how to name it; `about`: one line; `open(path, settings,
    progress)`: its Dataset; `settings`: the keys that mean something for it."""

    name: str
    usage: str
    about: str
    open: Callable[[Path | None, DataSettings, Progress | None], Dataset]
    settings: frozenset[str]


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            "mnist",
            "mnist[:DIR]",
            "10,000 handwritten digits that ship with steadygan, or all 70,000 from DIR; 28x28",
            open_mnist,
            _IMAGES,
        ),
        Source(
            "fashion-mnist",
            "fashion-mnist[:DIR]",
            "70,000 garments in ten classes, from Debian's dataset-fashion-mnist or DIR; 28x28",
            open_fashion,
            _IMAGES,
        ),
        Source(
            "folder",
            "folder:DIR",
            "your own PNG, JPEG, WebP, BMP, GIF or TIFF images; class = subfolder; 64x64 colour",
            open_folder,
            _IMAGES | {"holdout", "allow_bad"},
        ),
        Source("ring", "ring", "points of 8 Gaussians on a circle", open_ring, frozenset()),
        Source("grid", "grid", "points of 25 Gaussians on a 5 x 5 grid", open_grid, frozenset()),
    )
}


def open_data(
    spec: str, settings: DataSettings = DataSettings(), *, progress: Progress | None = None
) -> Dataset:
    """Open `spec`, a source's name with `:DIR` where it takes one, decoding it on first use.

    `progress(done, total)` counts images while they are decoded; it is not called where the cache
    has them. Raises UserError for an unknown name, a setting that the source does not have, and
    whatever the source finds wrong.
    """
    name, colon, folder = spec.partition(":")
    source = SOURCES.get(name)
    if source is None:
        if Path(spec).is_dir():
            raise UserError(f"unknown data '{spec}'; for your own images: --data folder:{spec}")
        raise UserError(f"unknown data '{name}'{did_you_mean(name, SOURCES)}")
    if colon and (not folder or "DIR" not in source.usage):
        raise UserError(f"--data {spec}: write it as {source.usage}")
    defaults = DataSettings()
    for key in DataSettings.model_fields:
        # allow_bad is a flag of the whole command, and harmless where nothing can be bad.
        if key in source.settings or key == "allow_bad":
            continue
        if getattr(settings, key) != getattr(defaults, key):
            raise UserError(f"{key}= means nothing for --data {name}; leave it out")
    path = Path(folder).expanduser().absolute() if colon else None
    return source.open(path, settings, progress)
