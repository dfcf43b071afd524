"""What a step that is captured once and repeated (`training/graphs.py`) may know of its place."""

from __future__ import annotations

from typing import Any, NamedTuple

from steadygan.errors import SteadyGanError


class UnrepeatableError(SteadyGanError):
    """A step reads on the host what differs between iterations: no CUDA graph can repeat it."""


class Varying:
    """A count that is another one in each iteration, `now` in this one. Whatever is computed with
    it raises `UnrepeatableError`, since a captured step would keep the result."""

    def __init__(self, now: int) -> None:
        self.now = now

    def _refuse(self, *others: object) -> Any:
        raise UnrepeatableError("a step follows how far the run is")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __mod__ = __rmod__ = _refuse
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __divmod__ = _refuse
    __pow__ = __rpow__ = __neg__ = __pos__ = __abs__ = __round__ = __trunc__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = __hash__ = _refuse
    __int__ = __float__ = __index__ = __bool__ = __str__ = __format__ = _refuse


class Turn(NamedTuple):
    """Step `k` of `steps` an iteration, for what acts in one of `every` steps."""

    steps: int
    k: int
    every: int

    def is_now(self, iteration: int) -> bool:
        return (iteration * self.steps + self.k + 1) % self.every == 0
