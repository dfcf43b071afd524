"""Device, precision and memory format: what the hardware does well, decided once and recorded."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch

from steadygan.errors import UserError

Precision = Literal["auto", "fp32", "bf16"]
MEMORY_FORMATS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
#: What torch says of a kernel that `use_deterministic_algorithms` forbids.
NOT_DETERMINISTIC = "does not have a deterministic implementation"


def require_known(name: str) -> None:
    """Raise `UserError` for a name that no device of any machine has."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,4})?", name, re.ASCII):
        raise UserError(f"--device {name}: known are auto, cpu, cuda and cuda:N")


def find_device(name: str) -> torch.device:
    """`auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`."""
    require_known(name)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
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
    """Where and how networks run. Build with `place`.

    On a GPU a step is free to round products to TF32 (where the precision is fp32) and to choose
    kernels by their speed, which may add in another order from run to run; `exact` forbids both.
    `graphs` lets iterations be CUDA graphs there (`training/graphs.py`). On a CPU both mean
    nothing: it is exact always.
    """

    device: torch.device
    precision: Literal["fp32", "bf16"]
    memory_format: torch.memory_format
    exact: bool = False
    graphs: bool = True

    @property
    def memory_format_name(self) -> str:
        """The key of `memory_format` in `MEMORY_FORMATS`."""
        return next(n for n, found in MEMORY_FORMATS.items() if found == self.memory_format)

    @property
    def arithmetic(self) -> str:
        """What decides the last bits of a result, in words."""
        found = arithmetic_of(self.device, self.precision)
        return f"{found}, exact" if self.exact and self.device.type == "cuda" else found

    def computing(self) -> Callable[[], AbstractContextManager]:
        """Makes what is entered around all that trains: the libraries of a GPU then compute as this
        says."""
        return partial(_on_gpu, self.exact) if self.device.type == "cuda" else nullcontext

    def autocast(self) -> Callable[[], AbstractContextManager]:
        """Makes what is entered around network forwards only; scores, losses and penalties are
        float32."""
        if self.precision == "bf16":
            return partial(torch.autocast, self.device.type, dtype=torch.bfloat16)
        return nullcontext


@contextmanager
def _on_gpu(exact: bool) -> Iterator[None]:
    cudnn: Any = torch.backends.cudnn  # its stubs do not know `conv`
    matmul = torch.backends.cuda.matmul
    before = cudnn.conv.fp32_precision, matmul.fp32_precision, cudnn.benchmark
    deterministic = torch.are_deterministic_algorithms_enabled()
    wanted = "ieee" if exact else "tf32"
    cudnn.conv.fp32_precision, matmul.fp32_precision, cudnn.benchmark = wanted, wanted, not exact
    torch.use_deterministic_algorithms(exact)
    try:
        yield
    except RuntimeError as error:
        if NOT_DETERMINISTIC not in str(error):
            raise
        what = str(error).partition(" does not")[0]
        raise UserError(f"exact=true: {what} has no deterministic kernel on a GPU; leave exact= "
                        "out, or train on a CPU") from None  # fmt: skip
    finally:
        torch.use_deterministic_algorithms(deterministic)
        cudnn.conv.fp32_precision, matmul.fp32_precision, cudnn.benchmark = before


def place(
    device: str,
    precision: Precision,
    double_backward: bool,
    exact: bool = False,
    graphs: bool = True,
    memory_format: str = "",
) -> DeviceConfig:
    """Resolve `auto`. `memory_format` is a name of `MEMORY_FORMATS`; without one, channels-last,
    but on a GPU under double backward, where it has not been measured."""
    found = find_device(device)
    if precision == "auto":
        precision = "bf16" if has_bf16(found) else "fp32"
    on_cpu = found.type == "cpu"
    fastest = "channels_last" if on_cpu or not double_backward else "contiguous"
    if exact and found.type == "cuda":  # read by cuBLAS when it starts
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    laid_out = MEMORY_FORMATS[memory_format or fastest]
    return DeviceConfig(found, precision, laid_out, exact, graphs)
