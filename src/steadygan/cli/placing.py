"""Where the runs of a study train: by which engine, in how many processes, on how many GPUs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from steadygan.errors import UserError

if TYPE_CHECKING:
    from steadygan.study.queue import Engine


def engine_called(
    name: str, address: str | None, jobs: int | None, gpus: float | None
) -> Callable[..., Engine]:
    """The engine of a study's runs, still without `trust_code`."""
    from steadygan.errors import did_you_mean
    from steadygan.study.cluster import on_ray
    from steadygan.study.queue import local

    if name not in ("local", "ray"):
        raise UserError(f"--engine {name}{did_you_mean(name, ('local', 'ray'))}")
    if name == "local" and address is not None:
        raise UserError(f"--address {address}: belongs to --engine ray")
    if name == "local" and gpus is not None:
        raise UserError(f"--gpus-per-run {gpus:g}: belongs to --engine ray")
    if name == "local":
        return partial(local, jobs or 1)
    return partial(on_ray, address, jobs, gpus)


def require_devices(device: str, processes: int, gpus: float | None, elsewhere: bool) -> None:
    """Refuse a device that is not there, and processes that could not each have one, before
    anything is written: here, or by what is said of a cluster."""
    from steadygan.study.cluster import require_gpus
    from steadygan.training.joining import device_of
    from steadygan.training.precision import find_device, require_known

    require_known(device)
    if processes == 1 and not elsewhere:
        find_device(device)
    require_gpus(gpus, processes, device)
    if processes > 1 and device not in (several := ("auto", "cpu", "cuda")):
        raise UserError(
            f"--device {device}: with --processes-per-run {processes} give {', '.join(several)}: "
            "each process takes a GPU of its own"
        )
    if processes > 1 and not elsewhere:
        device_of(device, processes - 1)


def threads_each(jobs: int) -> int:
    """The threads of each of `jobs` runs at a time, so that all of them share the cores."""
    import torch

    return max(1, torch.get_num_threads() // jobs)
