"""Where images come from, by name: `mnist`, `folder:DIR`, `zip:FILE`, `hub:OWNER/NAME`, ..."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from steadygan.data.dataset import Dataset, DataSettings, Progress
from steadygan.data.images import KNOWN
from steadygan.data.sources import celeba, cifar
from steadygan.data.sources.celeba import open_celeba
from steadygan.data.sources.cifar import open_cifar10
from steadygan.data.sources.digits import open_fashion, open_mnist
from steadygan.data.sources.folder import open_folder
from steadygan.data.sources.gaussians import open_grid, open_ring
from steadygan.data.sources.hanzi import open_hanzi
from steadygan.data.sources.hanzi_strokes import GET
from steadygan.data.sources.hub import open_hub
from steadygan.data.sources.hwdb import open_hwdb
from steadygan.data.sources.stacked import open_stacked
from steadygan.data.sources.zipped import open_zip
from steadygan.errors import UserError, did_you_mean

_IMAGES = frozenset({"size", "channels", "flip"})
_FILES = frozenset({"holdout", "allow_bad"})  # where single files are decoded and split by content


@dataclass(frozen=True)
class Source:
    """One kind of data. `usage`: how to name it, with DIR, FILE or OWNER/NAME for what follows the
    colon; `about`: one line; `open(path, settings, progress)`: its Dataset, from an absolute path
    (the bare text where usage says OWNER/NAME) or none; `settings`: the keys that apply to it;
    `missing`: how to get its files."""

    name: str
    usage: str
    about: str
    open: Callable[..., Dataset]
    settings: frozenset[str]
    missing: str = ""


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            "mnist",
            "mnist[:DIR]",
            "10,000 handwritten digits that ship with steadygan, or all 70,000 from DIR; 28x28",
            open_mnist,
            _IMAGES,
            "nothing for the shipped digits; for all: the four original IDX files into DIR",
        ),
        Source(
            "fashion-mnist",
            "fashion-mnist[:DIR]",
            "70,000 garments in ten classes, from Debian's dataset-fashion-mnist or DIR; 28x28",
            open_fashion,
            _IMAGES,
            "apt-get install dataset-fashion-mnist, or the four original IDX files into DIR",
        ),
        Source(
            "cifar10",
            "cifar10:DIR",
            "60,000 colour photographs in ten classes, the binary version; 32x32",
            open_cifar10,
            _IMAGES,
            cifar.WHERE,
        ),
        Source(
            "celeba",
            "celeba:DIR",
            "202,599 aligned faces, centre of 108 pixels; attribute=Smiling for classes; 64x64",
            open_celeba,
            _IMAGES | _FILES | {"attribute"},
            celeba.WHERE,
        ),
        Source(
            "stacked-mnist",
            "stacked-mnist[:DIR]",
            "triples of digits as red, green and blue: 1,000 modes to be found; 28x28",
            open_stacked,
            _IMAGES,
            "nothing with the shipped digits; DIR as for mnist:DIR",
        ),
        Source(
            "folder",
            "folder:DIR",
            f"your own {KNOWN} images; class = subfolder; 64x64 colour",
            open_folder,
            _IMAGES | _FILES,
            "`steadygan data build folder SRC OUT` makes a clean set of pictures of your own",
        ),
        Source(
            "zip",
            "zip:FILE",
            "a zip of such images, read in place and never unpacked; 64x64 colour",
            open_zip,
            _IMAGES | _FILES,
            "zip a folder of images: zip -r FILE DIR",
        ),
        Source(
            "hub",
            "hub:OWNER/NAME",
            "an image set of the Hugging Face hub (OWNER/NAME@CONFIG for one of several); 64x64",
            open_hub,
            _IMAGES | _FILES,
            "pip install 'steadygan[hub]'; fetched on first use, offline by HF_DATASETS_OFFLINE=1",
        ),
        Source(
            "hanzi",
            "hanzi:DIR",
            "Chinese characters as handwriting, made by `data build hanzi`; 28x28 by default",
            open_hanzi,
            _IMAGES,
            f"{GET}, then `steadygan data build hanzi package DIR`",
        ),
        Source(
            "hwdb",
            "hwdb:DIR",
            "handwritten characters of CASIA-HWDB, from all .gnt files below DIR; 28x28",
            open_hwdb,
            _IMAGES | {"holdout", "allow_bad"},
            "HWDB1.0 or 1.1 (offline, isolated) from CASIA, its .gnt files unpacked into DIR",
        ),
        Source(
            "ring",
            "ring",
            "points of 8 Gaussians on a circle",
            open_ring,
            frozenset(),
            "nothing: made on the spot",
        ),
        Source(
            "grid",
            "grid",
            "points of 25 Gaussians on a 5 x 5 grid",
            open_grid,
            frozenset(),
            "nothing: made on the spot",
        ),
    )
}


def open_data(
    spec: str, settings: DataSettings = DataSettings(), *, progress: Progress | None = None
) -> Dataset:
    """Open `spec`, a source's name with what its usage asks for, decoding it on first use.

    `progress(phase, done, total)` reports the progress of scanning, comparing times, decoding,
    writing and checking. Where the cache has the images, every byte of them is checked, of large
    sets when it is read, and nothing decoded. Raises UserError for an unknown name, a setting that
    the source does not have, and the errors of the source.
    """
    name, colon, folder = spec.partition(":")
    source = SOURCES.get(name)
    if source is None:
        if Path(spec).is_dir():
            raise UserError(f"unknown data '{spec}'; for your own images: --data folder:{spec}")
        if spec.lower().endswith(".zip") and Path(spec).is_file():
            raise UserError(f"unknown data '{spec}'; for a zip of images: --data zip:{spec}")
        raise UserError(f"unknown data '{name}'{did_you_mean(name, SOURCES)}")
    if colon and (not folder or ":" not in source.usage):
        raise UserError(f"--data {spec}: write it as {source.usage}")
    defaults = DataSettings()
    for key in DataSettings.model_fields:
        # allow_bad is a flag of the whole command, and harmless where nothing can be bad.
        if key in source.settings or key == "allow_bad":
            continue
        if getattr(settings, key) != getattr(defaults, key):
            raise UserError(f"{key}= means nothing for --data {name}; leave it out")
    if "OWNER/NAME" in source.usage:
        return source.open(folder or None, settings, progress)
    path = Path(folder).expanduser().absolute() if colon else None
    return source.open(path, settings, progress)
