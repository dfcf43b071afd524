"""CelebA: aligned faces, their centre of 108 pixels, an attribute of choice as the label.

Liu et al. 2015, "Deep Learning Face Attributes in the Wild", ICCV. The crop is that of Radford et
al. 2016 (arXiv:1511.06434) and of the papers after it: 108 x 108 about the centre, then 64 x 64.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from steadygan.data.dataset import Dataset, DataSettings, Progress
from steadygan.data.decoding import ImageSet
from steadygan.data.images import BadImage, Traits, picture, planes
from steadygan.data.scan import Found, printable
from steadygan.data.sources.folder import read_file
from steadygan.data.sources.imageset import open_images
from steadygan.data.stamps import listed, stamped
from steadygan.errors import UserError, did_you_mean

WIDTH, HEIGHT, CROP = 178, 218, 108
IMAGES, ATTRIBUTES, PARTS = "img_align_celeba", "list_attr_celeba.txt", "list_eval_partition.txt"
WHERE = (
    f"get img_align_celeba.zip, {ATTRIBUTES} and {PARTS} from "
    "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html and unpack the zip beside them"
)


def open_celeba(path: Path | None, settings: DataSettings, progress: Progress | None) -> Dataset:
    """The aligned images under `path`, centre crop 108, resized to `size` (64).

    `attribute=` makes two classes of one of the 40 attributes; without it there are no labels.
    Where list_eval_partition.txt exists, its training part is trained on and the rest held out;
    otherwise the split is by content. Raises UserError for missing or damaged files, and as
    `open_images` does; an image of another size than 178 x 218 counts as one that cannot be
    decoded.
    """
    if path is None:
        raise UserError(f"--data celeba needs a path: celeba:DIR; {WHERE}")
    spec = f"celeba:{path}"
    root = _images_under(path, spec)
    digest = stamped(root, "celeba", progress).digest
    content = hashlib.sha256(digest.encode())
    attribute = settings.attribute
    attributes = None if attribute is None else _text(path, ATTRIBUTES, spec)
    parts = _text(path, PARTS, spec) if (path / PARTS).is_file() else None
    for text in (attributes, parts):
        content.update(f"{text is None}\0{text or ''}".encode())

    def read(each: Found) -> bytes:
        if attributes is not None and each.label is None:
            raise BadImage(f"has no line in {ATTRIBUTES}")
        return read_file(root / each.name, each.stamp)

    def images() -> ImageSet:
        listing = listed(root, digest, "celeba", progress)
        found = [each._replace(label=None) for each in listing.found]
        names = None
        if attribute is not None and attributes is not None:
            values = _attribute(attributes, attribute, path / ATTRIBUTES)
            names = (f"not {attribute}", attribute)
            found = [_labelled(each, values, names) for each in found]
        held = None if parts is None else _held_out(parts, path / PARTS, found)
        return ImageSet(spec, found, read, cropped, held=held, class_names=names)

    slot = {"path": printable(str(path)), "attribute": attribute}
    return open_images(spec, images, slot, content.hexdigest(), settings, progress)


def cropped(
    data: bytes, size: int, channels: int, large: bool, white: int
) -> tuple[np.ndarray, Traits]:
    """The centre 108 x 108 of an aligned image as uint8 (channels, size, size). Raises as
    `picture`."""
    with picture(data, large, white) as (image, traits):
        if image.size != (WIDTH, HEIGHT):
            raise BadImage(f"{image.width} x {image.height}; aligned ones are {WIDTH} x {HEIGHT}")
        return planes(image, size, channels, CROP), traits


def _images_under(path: Path, spec: str) -> Path:
    """The folder of the images: the zip unpacks to one, and some tools to one in another."""
    for root in (path / IMAGES / IMAGES, path / IMAGES):
        if root.is_dir():
            return root
    raise UserError(f"{spec}: no folder {IMAGES} in {path}; {WHERE}")


def _text(path: Path, name: str, spec: str) -> str:
    try:
        return (path / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{spec}: no {name} in {path}; {WHERE}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path / name}: {error}") from error


def _attribute(text: str, asked: str, path: Path) -> dict[str, bool]:
    """Which images have the attribute: a line with the count, one with the names, one an image."""
    lines = text.splitlines()
    known = lines[1].split() if len(lines) > 1 else []
    if not known:
        raise UserError(f"{path} is damaged: its second line names no attributes")
    if asked not in known:
        near = did_you_mean(asked, known) or f"; known: {', '.join(known)}"
        raise UserError(f"attribute={asked}: none of {path.name}{near}")
    values, column = {}, 1 + known.index(asked)
    for number, line in enumerate(lines[2:], 3):
        words = line.split()
        if not words:
            continue
        if len(words) != 1 + len(known) or words[column] not in ("1", "-1"):
            raise UserError(
                f"{path} is damaged: line {number} wants a file name and {len(known)} of 1 and -1"
            )
        values[words[0]] = words[column] == "1"
    return values


def _labelled(each: Found, values: dict[str, bool], names: tuple[str, str]) -> Found:
    value = values.get(each.name)
    return each if value is None else each._replace(label=names[value])


def _held_out(text: str, path: Path, found: list[Found]) -> frozenset[str]:
    """The images of the validation and test parts (1 and 2)."""
    parts = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if words and (len(words) != 2 or words[1] not in ("0", "1", "2")):
            raise UserError(f"{path} is damaged: line {number} wants a file name and 0, 1 or 2")
        if words:
            parts[words[0]] = words[1]
    unknown = [each.name for each in found if each.name not in parts]
    if unknown:
        raise UserError(f"{path} has no line for {len(unknown)} images (first: {unknown[0]})")
    return frozenset(each.name for each in found if parts[each.name] != "0")
