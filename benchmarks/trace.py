"""How far one iteration of a method is to read: `python -m benchmarks.trace [METHOD]`.

Counts, with `sys.setprofile`, the calls of functions of steadygan in one iteration after a first
one, through how many functions and modules they go, and how often a call goes from one module of
steadygan into another. Generated methods (dataclasses, pydantic) and comprehensions are no calls.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import torch

import steadygan
from steadygan.methods import find
from tests import tiny

ROOT = Path(steadygan.__file__).parent


class Trace(NamedTuple):
    calls: int
    functions: int
    modules: int
    switches: int


def trace(run: Callable[[], object]) -> Trace:
    """The calls of steadygan's functions while `run()` runs."""
    calls: list[tuple[str, str]] = []
    stack: list[str] = []
    switches = 0

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal switches
        path, name = frame.f_code.co_filename, frame.f_code.co_qualname if hasattr(
            frame.f_code, "co_qualname"
        ) else frame.f_code.co_name  # fmt: skip
        if not path.startswith(str(ROOT)) or name.endswith(("comp>", "genexpr>")):
            return
        module = str(Path(path).relative_to(ROOT))
        if event == "call":
            switches += bool(stack) and stack[-1] != module
            calls.append((module, f"{name}:{frame.f_code.co_firstlineno}"))
            stack.append(module)
        elif event == "return" and stack:
            stack.pop()

    sys.setprofile(profile)
    try:
        run()
    finally:
        sys.setprofile(None)
    return Trace(len(calls), len(set(calls)), len({module for module, _ in calls}), switches)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", nargs="?", default="dcgan")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    trainer = tiny.trainer(tiny.shrunk(find(asked.method).recipe))
    trainer.iterate()
    found = trace(trainer.iterate)
    print(f"{asked.method}: " + ", ".join(f"{n} {name}" for name, n in found._asdict().items()))


if __name__ == "__main__":
    main()
