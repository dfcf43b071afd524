"""A generator as one class of plain torch: its source, and its weights by the names used there.

torch.fx follows the forward of a network down to the modules of `torch.nn` and the functions of
torch; of these the class is written. So it holds what this one network does, and nothing that
builds others. It is right where it gives, of the same latents, the same bits as the network; that
is checked each time, on modules made by the very calls that the source has.
"""

from __future__ import annotations

import ast
import copy
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

from steadygan.networks.resampling import DoublingConv
from steadygan.networks.strided import StridedConvTranspose

#: Functions in C that fx names by where they are defined, under the name that users know.
BUILTIN = re.compile(r"\btorch\._C\._nn\.(\w+)")
#: What fx writes at length: x[(slice(None, None, None), -1)] for x[:, -1].
INDEX = re.compile(r"\[\(?((?:(?:slice\([^()]*\)|-?\d+|None|Ellipsis)(?:, )?)+)\)?\]")
SLICE = re.compile(r"slice\((None|-?\d+), (None|-?\d+), None\)")
#: The annotations of the network's own forward.
SIGNATURE = re.compile(r"def forward\(self, (\w+)[^)]*\)[^:]*:")
#: Of a batch norm's repr: an argument that older versions of torch do not have, at its default.
BIASED = re.compile(r"(?<=affine=True), bias=True(?=, track)")
#: fx frees what is read for the last time; between statements that only makes them long.
FREED = re.compile(r";\s+[\w ,=]+ = None$")


class NotPlain(Exception):
    """Why a network is not a class of plain torch."""


@dataclass(frozen=True)
class Plain:
    """`source` of `class Generator(nn.Module)`; `network`, of the modules that it makes and in its
    order, in eval mode, with the tensors by the names of the source."""

    source: str
    network: nn.Module

    @property
    def tensors(self) -> dict[str, Tensor]:
        return self.network.state_dict()


def plain(network: nn.Module, latents: Tensor) -> Plain:
    """`network` in plain torch, as it is in eval mode; `latents` (B, n) are what it is checked on.

    Spectral normalisation and other parametrisations are worked into the weights. Raises `NotPlain`
    where the network does what fx cannot follow, or gives other bits.
    """
    network = baked(network)
    try:
        found = _written(network)
        with torch.no_grad():
            same = torch.equal(found.network(latents), network(latents))
    except NotPlain:
        raise
    except Exception as error:  # fx runs the network's own code, which may raise anything
        raise NotPlain(f"{type(network).__name__}: {str(error).splitlines()[0]}") from error
    if not same:
        raise NotPlain(f"{type(network).__name__}: written as plain torch it gives other images")
    return found


def baked(network: nn.Module) -> nn.Module:
    """A copy on the CPU in eval mode, float32, with each parametrised weight as it stands, and
    the layers of our own that have one as layers of torch.nn."""
    network = copy.deepcopy(network).cpu().float().eval()
    for module in list(network.modules()):
        if not parametrize.is_parametrized(module):
            continue
        names = list(cast(nn.ModuleDict, module.parametrizations))
        values = {name: getattr(module, name).detach() for name in names}
        # Not `remove_parametrizations`: it takes the attribute from the class, which copies share.
        module.__class__ = parametrize.type_before_parametrizations(module)
        del module.parametrizations
        for name, value in values.items():
            module.register_parameter(name, nn.Parameter(value, requires_grad=False))
    for owner in list(network.modules()):
        for name, module in owner.named_children():
            if isinstance(module, (DoublingConv, StridedConvTranspose)):
                owner.register_module(name, module.plain())
    return network.requires_grad_(False)


def _written(network: nn.Module) -> Plain:
    """The class of a network of which nothing is parametrised."""
    traced = fx.symbolic_trace(network)
    flat = nn.Module()
    lines: list[str] = []
    count: Counter[str] = Counter()
    named: dict[str, str] = {}
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            node.name = node.target = "latents"
        elif node.name.startswith("_"):
            node.name = f"x{node.name}"
        if node.op not in ("call_module", "get_attr"):
            continue
        if node.target not in named:
            piece = _at(traced, node.target)
            kind = _snake(type(piece).__name__) if node.op == "call_module" else "constant"
            count[kind] += 1
            named[node.target] = f"{kind}_{count[kind]}"
            lines += _made(flat, named[node.target], piece)
        node.target = named[node.target]
    followed = fx.GraphModule(flat, traced.graph).eval()
    body = followed.graph.python_code("self").src
    source = "\n".join(
        [
            "class Generator(nn.Module):",
            "    def __init__(self) -> None:",
            "        super().__init__()",
            *(f"        self.{line}" for line in lines),
            "",
            *(_tidied(f"    {line}") for line in body.strip().splitlines()),
            "",
        ]
    )
    return Plain(source, followed)


def _made(flat: nn.Module, name: str, piece: nn.Module | Tensor) -> Iterator[str]:
    """The line that makes the piece as `name`; made by it, the piece becomes one of `flat`."""
    if isinstance(piece, nn.Module):
        call = BIASED.sub("", repr(piece))
        made = _constructed(type(piece), call)
        made.load_state_dict(piece.state_dict())
        flat.add_module(name, made)
        yield f"{name} = nn.{call}"
    else:
        flat.register_buffer(name, piece.detach())
        dtype = "" if piece.dtype == torch.float32 else f", dtype={piece.dtype}"
        yield f"register_buffer('{name}', torch.empty({tuple(piece.shape)}{dtype}))"


def _constructed(kind: type[nn.Module], call: str) -> nn.Module:
    """The module that `call`, such as `Linear(4, 2)`, makes; its arguments are numbers, words and
    tuples of them."""
    if not kind.__module__.startswith("torch.nn."):
        raise NotPlain(f"{kind.__qualname__} is no module of torch.nn")
    tree = ast.parse(call, mode="eval").body
    assert isinstance(tree, ast.Call)
    return kind(
        *(ast.literal_eval(each) for each in tree.args),
        **{str(each.arg): ast.literal_eval(each.value) for each in tree.keywords},
    )


def _at(root: nn.Module, path: str) -> nn.Module | Tensor:
    """What stands at a dotted path of a module."""
    owner, _, name = path.rpartition(".")
    found = getattr(root.get_submodule(owner), name)
    assert isinstance(found, (nn.Module, Tensor))
    return found


def _snake(name: str) -> str:
    """ConvTranspose2d -> conv_transpose2d."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.replace("ReLU", "Relu")).lower()


def _tidied(line: str) -> str:
    """A line of forward as one would write it."""
    line = FREED.sub("", line)
    line = SIGNATURE.sub(r"def forward(self, \1):", line)
    line = BUILTIN.sub(r"torch.nn.functional.\1", line)
    return INDEX.sub(_index, line).rstrip()


def _index(found: re.Match[str]) -> str:
    """[(slice(None, None, None), -1)] -> [:, -1]."""
    return f"[{SLICE.sub(lambda s: ':'.join(e.replace('None', '') for e in s.groups()), found[1])}]"
