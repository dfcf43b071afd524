"""What a run must repeat exactly to go on exactly, and how it differs from what is here now."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import Any

import torch

from steadygan.training.precision import DeviceConfig


def versions() -> dict[str, str]:
    """The versions that a run records."""
    names = ("steadygan", "torch", "numpy", "safetensors")
    return {"python": platform.python_version(), **{n: version(n) for n in names}}


def identity(
    recipe: dict, data: dict, seed: int, device_config: DeviceConfig, processes: int = 1
) -> dict[str, Any]:
    """Everything that decides a run's bits. Two runs of one identity are bitwise equal on a CPU,
    and on a GPU where they are exact (`DeviceConfig`); else kernels may add in another order there.
    """
    return {
        "recipe": recipe,
        "data": {"fingerprint": data["fingerprint"], "settings": data["settings"]},
        "seed": seed,
        "device": device_config.device.type,
        "arithmetic": device_config.arithmetic,
        "precision": device_config.precision,
        "threads": torch.get_num_threads(),
        "processes": processes,
        "torch": torch.__version__,
    }


def differences(recorded: dict[str, Any], here: dict[str, Any], place: str = "") -> list[str]:
    """`key: recorded -> here` for every leaf in which two identities differ."""
    found: list[str] = []
    for key in sorted({*recorded, *here}):
        old, new, where = recorded.get(key), here.get(key), f"{place}{key}"
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new, f"{where}.")
        elif _plain(old) != _plain(new):
            found.append(f"{where}: {_plain(old)} -> {_plain(new)}")
    return found


def _plain(value: Any) -> Any:
    """A value as it reads back from JSON: tuples are lists there."""
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return value
