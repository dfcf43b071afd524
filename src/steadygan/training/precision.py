"""Device, precision and memory format: what the hardware does well, decided once and recorded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from steadygan.errors import UserError

Precision = Literal["auto", "fp32", "bf16"]


def find_device(name: str) -> torch.device:
    """`auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"--device {name}: known are auto, cpu, cuda and cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device {name}: known are auto, cpu, cuda and cuda:N")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"--device {name}: torch sees no GPU here; use --device cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"--device {name}: there are {torch.cuda.device_count()} GPUs, from cuda:0")
    return device


def has_bf16(device: torch.device) -> bool:
    """True where bf16 products run in hardware: AVX512-BF16 or AMX on a CPU, Ampere on a GPU."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def arithmetic_of(device: torch.device, precision: str = "fp32") -> str:
    """What decides the last bits of a result here: the GPU's name or the CPU's vector set, and
    whether its bf16 is emulated."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    emulated = precision == "bf16" and not has_bf16(device)
    return torch.backends.cpu.get_cpu_capability() + (" emulating bf16" if emulated else "")


@dataclass(frozen=True)
class DeviceConfig:
    """Where and how networks run. Build with `place`."""

    device: torch.device
    precision: Literal["fp32", "bf16"]
    memory_format: torch.memory_format

    def autocast(self) -> Callable[[], AbstractContextManager]:
        """Makes what is entered around network forwards only; scores, losses and penalties are
        float32."""
        if self.precision == "bf16":
            return partial(torch.autocast, self.device.type, dtype=torch.bfloat16)
        return nullcontext


def place(device: str, precision: Precision, double_backward: bool) -> DeviceConfig:
    """Resolve `auto`. Channels-last is for single backward: under double backward it is slower."""
    found = find_device(device)
    if precision == "auto":
        precision = "bf16" if has_bf16(found) else "fp32"
    channels_last = not double_backward
    return DeviceConfig(
        found, precision, torch.channels_last if channels_last else torch.contiguous_format
    )
