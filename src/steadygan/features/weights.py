"""The only importer of external weights: the Inception network of FID in pytorch-fid's format.

A `.pth` file is a pickle. It is opened here and nowhere else, by `steadygan weights import` alone,
with torch's weights-only loader; every tensor is checked by name, shape and value; what is written
is safetensors, which holds nothing but numbers.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from steadygan.errors import UserError
from steadygan.features.inception import Inception
from steadygan.files import write_whole
from steadygan.records import open_regular

PUBLISHED = "pt_inception-2015-12-05-6726825d.pth"
#: The first digits of the published file's sha256, as its name says.
PUBLISHED_SHA256 = "6726825d"
FORMAT = "steadygan-inception-1"
WHERE = (
    f"{PUBLISHED} is on the releases page (fid_weights) of github.com/mseitzer/pytorch-fid; "
    "then `steadygan weights import FILE.pth OUT.safetensors`"
)
#: Counters of batch norm in training: in the file, but unused.
COUNTERS = ".num_batches_tracked"


def expected() -> dict[str, torch.Size]:
    """The shape of each tensor of the network by name."""
    with torch.device("meta"):
        state = Inception().state_dict()
    return {name: t.shape for name, t in state.items() if not name.endswith(COUNTERS)}


def checked(tensors: object, path: Path) -> dict[str, Tensor]:
    """The network's tensors out of what a file holds, as float32.

    Raises `UserError` that names the first one missing, unknown, of another shape or type, not
    finite, or a variance below 0.
    """
    if not isinstance(tensors, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in tensors.items()
    ):
        raise UserError(f"{path}: holds no tensors by name; wanted: {PUBLISHED}")
    found = {name: t for name, t in tensors.items() if not name.endswith(COUNTERS)}
    shapes = expected()
    if missing := sorted(shapes.keys() - found.keys()):
        raise UserError(
            f"{path}: {len(missing)} of {len(shapes)} tensors are missing (first: {missing[0]}); "
            f"wanted: {PUBLISHED}"
        )
    if unknown := sorted(found.keys() - shapes.keys()):
        raise UserError(f"{path}: {unknown[0]} is no tensor of this network; wanted: {PUBLISHED}")
    for name, shape in shapes.items():
        tensor = found[name]
        if tensor.shape != shape:
            raise UserError(f"{path}: {name} is {list(tensor.shape)}, wanted {list(shape)}")
        if not tensor.is_floating_point():
            raise UserError(f"{path}: {name} is {tensor.dtype}, wanted floating point")
        if not bool(torch.isfinite(tensor).all()):
            raise UserError(f"{path}: {name} holds NaN or Inf")
        if name.endswith("running_var") and bool((tensor < 0).any()):
            raise UserError(f"{path}: {name} holds a variance below 0")
    return {name: found[name].float().contiguous() for name in shapes}


def import_weights(source: Path, out: Path) -> bool:
    """Turn `source` (pytorch-fid's .pth) into `out` (.safetensors), checked tensor by tensor.

    True if the file is the published one, by its sha256. Raises `UserError` for anything else than
    the tensors of that network, and where `out` cannot be written.
    """
    if out.suffix != ".safetensors":
        raise UserError(f"{out}: wants a name that ends in .safetensors")
    try:
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{source}: cannot be read: {error.strerror or error}") from None
    try:
        loaded = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may make the unpickler raise anything
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{source}: is no file of plain torch tensors: {why[:200]}") from None
    tensors = checked(loaded, source)
    metadata = {"format": FORMAT, "source_sha256": digest}
    write_whole(out, safetensors.torch.save(tensors, metadata))
    return digest.startswith(PUBLISHED_SHA256)


def load_inception(path: Path) -> Inception:
    """The network with imported weights, in eval mode. Raises `UserError` for any other file."""
    if path.suffix != ".safetensors":
        raise UserError(f"--weights {path}: import it first: `steadygan weights import {path} OUT`")
    try:
        os.close(open_regular(path)[0])  # a FIFO would make it wait
        tensors = safetensors.torch.load_file(path)
    except OSError as error:
        raise UserError(f"--weights {path}: cannot be read: {error}") from None
    except safetensors.SafetensorError as error:
        raise UserError(f"--weights {path}: is no safetensors file: {error}") from None
    network = Inception()
    network.load_state_dict(checked(tensors, path), strict=False)
    return network.eval()
