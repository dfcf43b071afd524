"""Results that take long to compute: stored in the cache under a key of their inputs.

An entry is one safetensors file with the sha256 of the whole and the full key in its metadata, so
neither a damaged file nor one computed from other inputs is ever used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from steadygan.data.cache import cache_root
from steadygan.errors import CheckpointError, UserError
from steadygan.training import checkpoint

#: `KIND.safetensors` of the shipped digits, by tools/build_classifiers.py: weights of two or
#: more dimensions in half precision.
SHIPPED = Path(__file__).parent / "shipped"

Made = tuple[dict[str, Tensor], dict[str, Any]]


def cached(
    kind: str, key: dict[str, Any], say: Callable[[str], None], make: Callable[[], Made]
) -> Made:
    """Tensors and facts by name: shipped, from the cache, or from `make()`, whose result is then
    cached.

    `kind` is the folder in the cache, `key` (plain JSON values) everything that determines the
    result. A damaged entry is reported and made again; a cache that cannot be written is reported.
    """
    text = key_text(key)
    place = cache_root() / kind / hashlib.sha256(text.encode()).hexdigest()[:24]
    shipped = SHIPPED / f"{kind}.safetensors"
    for path in [shipped] * shipped.is_file() + checkpoint.listed(place):
        try:
            found = checkpoint.load(path)
        except CheckpointError as error:
            say(f"{error}; making it again")
            continue
        if found.metadata.get("key") == text:
            return found.tensors, found.info("facts")
    tensors, facts = make()
    try:
        place.mkdir(parents=True, exist_ok=True)
        checkpoint.save(place, 0, tensors, {"key": text, "facts": facts})
    except (OSError, UserError) as error:
        say(f"not kept in the cache for next time: {error}")
    return tensors, facts


def key_text(key: dict[str, Any]) -> str:
    """A key as the metadata of an entry holds it."""
    return json.dumps(key, sort_keys=True)


def cached_facts(
    kind: str, key: dict[str, Any], say: Callable[[str], None], make: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """As `cached`, of facts alone."""
    return cached(kind, key, say, lambda: ({"none": torch.zeros(1)}, make()))[1]


def digest_of(tensors: dict[str, Tensor], *more: str) -> str:
    """Hex sha256 over tensors by name, with their shapes and types, and over `more` words."""
    digest = hashlib.sha256(json.dumps(more).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
