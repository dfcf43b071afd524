"""A user's own module in the place of a built-in generator, discriminator, or both."""

from __future__ import annotations

import copy
import importlib
import inspect
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import torch
from pydantic import field_serializer
from torch import Tensor, nn

from steadygan.networks.base import NO_CODES, Built, Codes, Networks, Shape
from steadygan.spec import Member, Spec

#: Fields of networks that name what building them imports; `features` may name what ships, too.
IMPORTED = ("generator", "discriminator", "features")
#: Networks of a family that read D's features.
HEADS = {"classifier", "q"}


class OwnNetworks(Networks):
    """`generator` and `discriminator`: classes or functions that make modules, or modules.

    Each may also be named as `module:qualname`, which is how run.json records it. A callable is
    called with (latent_dim, shape) for G and (shape) for D if it takes arguments, with nothing
    otherwise; an argument called `classes` gets the number of classes. What is left out is built by
    the family `like`: G or D, and further networks of the method (InfoGAN's Q, a class head, an
    encoder). The networks are called as those of `like`: G with a class at the end of its latents,
    D with labels or latents as a second argument. A module instance is copied for each run; such a
    run can only be resumed from Python, by passing the same recipe again.
    """

    name = "own"
    generator: Any = None
    discriminator: Any = None
    like: Member[Networks] | None = None

    @field_serializer("generator", "discriminator")
    def _as_name(self, value: Any) -> str | None:
        if value is None or isinstance(value, str):
            return value
        made = type(value) if isinstance(value, nn.Module) else value
        return f"{made.__module__}:{made.__qualname__}"

    def incompatibility(self, shape: Shape) -> str | None:
        if self._alone:
            return None
        if self.like is None:
            return "own networks want both generator= and discriminator="
        return self.like.incompatibility(shape)

    @property
    def _alone(self) -> bool:
        """True where nothing of the family `like` is built."""
        more = self.reads_codes or self.reads_classes or self.d_takes_latents
        return self.generator is not None and self.discriminator is not None and not more

    @property
    def reads_codes(self) -> bool:
        return self.like is not None and self.like.reads_codes

    @property
    def reads_classes(self) -> bool:
        return self.like is not None and self.like.reads_classes

    @property
    def shows_maps(self) -> bool:
        return self.discriminator is None and self.like is not None and self.like.shows_maps

    # What is fixed for other families depends here on the settings.

    @property
    def g_takes_classes(self) -> bool:  # type: ignore[override]  # not fixed
        return self.like is not None and self.like.g_takes_classes

    @property
    def d_takes_classes(self) -> bool:  # type: ignore[override]  # not fixed
        return self.like is not None and self.like.d_takes_classes

    @property
    def d_takes_latents(self) -> bool:  # type: ignore[override]  # not fixed
        return self.like is not None and self.like.d_takes_latents

    @property
    def d_gives_errors(self) -> bool:  # type: ignore[override]  # not fixed
        return self.discriminator is not None or (
            self.like is not None and self.like.d_gives_errors
        )

    @property
    def d_scores_heads(self) -> bool:  # type: ignore[override]  # not fixed
        return self.discriminator is None and self.like is not None and self.like.d_scores_heads

    @property
    def d_has_head(self) -> bool:  # type: ignore[override]  # not fixed
        return self.discriminator is not None or self.like is None or self.like.d_has_head

    def build(self, shape: Shape, latent_dim: int, codes: Codes = NO_CODES) -> Built:
        built = self.like.build(shape, latent_dim, codes) if self.like and not self._alone else {}
        if self.generator is not None:
            built["generator"] = make_module(
                self.generator, latent_dim, shape, classes=codes.classes
            )
        if self.discriminator is not None:
            built["discriminator"] = make_module(self.discriminator, shape, classes=codes.classes)
        # Ready modules may be on a GPU already.
        device = next((p.device for p in built["generator"].parameters()), torch.device("cpu"))
        zeros = partial(torch.zeros, device=device)
        condition = [zeros(2, dtype=torch.int64)] if self.d_takes_classes else []
        condition += [zeros(2, latent_dim)] if self.d_takes_latents else []
        _check(built, shape, zeros(2, latent_dim + self.g_takes_classes), condition)
        return built


def imports_of(spec: Any) -> list[str]:
    """Each `module:qualname` that building `spec` imports, with all that is inside it; `spec` is a
    `Spec`, or what run.json holds of one."""
    found = own_members(spec)
    for each in _walked(spec):
        fields = vars(each) if isinstance(each, Spec) else each
        named = ((key, fields.get(key)) for key in IMPORTED)
        found += [value for key, value in named if isinstance(value, str)
                  and (key != "features" or ":" in value)]  # fmt: skip
    return list(dict.fromkeys(found))


def own_members(spec: Any) -> list[str]:
    """Each `module:Class` by which `spec` names a user's own loss or part."""
    names = [s.recorded_name() if isinstance(s, Spec) else s.get("name") for s in _walked(spec)]
    return list(dict.fromkeys(name for name in names if isinstance(name, str) and ":" in name))


def _walked(spec: Any) -> Iterator[Spec | dict[str, Any]]:
    """`spec` and all specs (or dicts of them) inside it."""
    inner: Iterable[Any] = ()
    if isinstance(spec, (Spec, dict)):
        yield spec
        inner = vars(spec).values() if isinstance(spec, Spec) else spec.values()
    elif isinstance(spec, (list, tuple)):
        inner = spec
    for each in inner:
        yield from _walked(each)


@torch.no_grad()
def _check(built: Built, shape: Shape, latents: Tensor, condition: list[Tensor]) -> None:
    """Raise ValueError where a network does not make or take samples of `shape`."""
    modes = {name: module.training for name, module in built.items()}
    for module in built.values():
        module.eval()
    try:
        made = built["generator"](latents)
        if tuple(made.shape) != (2, *shape):
            raise ValueError(f"the generator makes {tuple(made.shape[1:])}, the data are {shape}")
        discriminator: Any = built["discriminator"]
        scores = discriminator(made, *condition)
        if scores.numel() != 2:
            raise ValueError(
                f"the discriminator gives {tuple(scores.shape)} for 2 samples: it must give one "
                "raw score each, (B,) or (B, 1)"
            )
        for name in HEADS & set(built):
            if not hasattr(discriminator, "features"):
                raise ValueError(
                    f"the method's {name} reads D's features: give the discriminator "
                    "`features(x)` and `head(features)`"
                )
            built[name](discriminator.features(made, *condition))
    except (RuntimeError, TypeError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(f"own networks do not fit data of shape {shape}: {first}") from None
    finally:
        for name, module in built.items():
            module.train(modes[name])


def make_module(source: Any, *arguments: Any, classes: int = 0) -> nn.Module:
    """The module that `source` is, makes, or names as `module:qualname`. What it makes is called
    with `arguments` if it takes any, and with `classes` if it takes that. Raises ValueError."""
    made = _find(source) if isinstance(source, str) else source
    if isinstance(made, nn.Module):
        return copy.deepcopy(made)
    if not callable(made):
        raise ValueError(f"{source!r} is a {type(made).__name__}: it wants a class or function")
    signature = inspect.signature(made)
    named = {"classes": classes} if "classes" in signature.parameters else {}
    arguments = arguments if set(signature.parameters) - set(named) else ()
    try:
        signature.bind(*arguments, **named)
    except TypeError as error:
        wanted = "(latent_dim, shape)" if len(arguments) == 2 else "(shape)"
        raise ValueError(f"{source!r} is called with {wanted}: {error}") from None
    module = made(*arguments, **named)
    if not isinstance(module, nn.Module):
        raise ValueError(f"{source!r} made a {type(module).__name__}, not a torch.nn.Module")
    return module


def _find(name: str) -> Any:
    """The object that `module:qualname` names."""
    module_name, _, qualname = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for piece in qualname.split("."):
            found = getattr(found, piece)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"'{name}' wants module:qualname of a class or function ({error})"
        ) from None
    return found
