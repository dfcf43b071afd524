"""The exported folder: weights, code and card of one generator, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import safetensors.torch
import torch
from torch import Tensor, nn

from steadygan.errors import UserError
from steadygan.export import formats
from steadygan.export.card import card
from steadygan.export.inputs import Layout, NamedInputs
from steadygan.export.plain import NotPlain, Plain, baked, plain
from steadygan.files import json_text, new_folder
from steadygan.priors import Coded, Normal, Sphere, Uniform
from steadygan.training import pictures
from steadygan.training.sampling import draw_latents, load_at

FORMATS = ("safetensors", *formats.FILES)
#: Priors that a file of plain torch draws from.
KNOWN = {prior.name for prior in (Normal, Uniform, Sphere, Coded)}
SHOWN, COLUMNS, CHECKED = 64, 8, 5


def export(
    run: str | Path,
    out: str | Path,
    *,
    at: str = "last",
    form: Sequence[str] = (),
    as_uint8: bool = False,
    say: Callable[[str], None] = print,
    trust_code: bool = False,
) -> Path:
    """Write the averaged generator of a run into the new folder `out`, which needs no steadygan.

    In it: `generator.safetensors`, `generator.py` (torch, safetensors and pillow alone),
    `config.json`, `README.md` (a model card), `samples.png`, and a file for each of `form` (`onnx`,
    `torchscript`, `pt2`), whose inputs are named as in `export.inputs`; their samples are in [-1,
    1], or with `as_uint8` (B, H, W, C) of 0 to 255. `at`: `last` or `best`. A network that is not
    made of torch's own modules alone goes without `generator.py`, which is said. Raises UserError
    for what `load_generator` does, for an `out` that is there, and for formats that do not go.
    """
    run, out = Path(run), Path(out)
    asked = [each for each in dict.fromkeys(form) if each != "safetensors"]
    for each in asked:
        if each not in formats.FILES:
            raise UserError(f"--format {each}: known are {', '.join(FORMATS)}")
        formats.require(each)
    if out.exists():
        raise UserError(f"{out} is there already; give the name of a new folder")
    generator, prior, facts, step = load_at(run, say, at, trust_code)
    network, layout = baked(generator), Layout.of(prior)
    config = config_of(facts, layout, step, at)
    if as_uint8 and len(facts["data"]["shape"]) == 1:
        raise UserError("--uint8: this run's generator makes points, not images")
    latents = draw_latents(prior, SHOWN, 0)
    with new_folder(out) as home:
        written = _write_network(home, network, layout, config, latents[:CHECKED], say)
        named = NamedInputs(network, layout, as_uint8).eval()
        inputs = layout.parts(latents[:CHECKED])
        for each in asked:
            path = home / formats.FILES[each]
            formats.write(each, named, inputs, path)
        _write_picture(home / "samples.png", network, latents, len(facts["data"]["shape"]) == 1)
        files = sorted(path.name for path in home.iterdir())
        text = card(run, facts, config, layout, files, written)
        (home / "README.md").write_text(text, encoding="utf-8")
    return out


def config_of(facts: dict[str, Any], layout: Layout, step: int, at: str) -> dict[str, Any]:
    """What config.json says."""
    return {
        "format": 1,
        "made_with": f"steadygan {facts['versions']['steadygan']}",
        "method": facts["method"],
        "title": facts["title"],
        "generator": f"average of G at step {step}, {at}",
        "shape": facts["data"]["shape"],
        "prior": {"name": layout.prior, "dim": layout.dim, "categories": layout.categories,
                  "continuous": layout.continuous},
        "classes": facts["data"].get("class_names") if layout.classes else None,
    }  # fmt: skip


def _write_network(
    home: Path, network: nn.Module, layout: Layout, config: dict[str, Any], latents: Tensor,
    say: Callable[[str], None],
) -> bool:  # fmt: skip
    """The weights with their config, and generator.py where it can be written; whether it was."""
    found: Plain | None = None
    if layout.prior not in KNOWN:
        say(f"generator.py is left out: latents of '{layout.prior}' are of your own code")
    else:
        try:
            found = plain(network, latents)
        except NotPlain as error:
            say(f"generator.py is left out: the network is of your own code ({error})")
    tensors = found.tensors if found else network.state_dict()
    weights = safetensors.torch.save({name: value.contiguous() for name, value in tensors.items()})
    (home / "generator.safetensors").write_bytes(weights)
    (home / "config.json").write_text(json_text(config), encoding="utf-8")
    if found is not None:
        text = source_of(found, layout, config)
        (home / "generator.py").write_text(text, encoding="utf-8")
    return found is not None


def source_of(found: Plain, layout: Layout, config: dict[str, Any]) -> str:
    """generator.py."""
    words = []
    if layout.categories:
        words.append(f"a category of {layout.categories} and codes in [-1, 1]")
    if layout.classes:
        words.append(f"a class of {layout.classes}")
    title = config["title"].replace("\\", "\\\\").replace('"""', "'''")
    return _template().render(
        source=found.source, title=title, shape=config["shape"], points=len(config["shape"]) == 1,
        latent_dim=layout.total_dim, words_of_latents=f", with {' and '.join(words)}" if words
        else "", **{key: getattr(layout, key) for key in
                    ("prior", "dim", "categories", "continuous", "classes")},
    )  # fmt: skip


@cache
def _template() -> jinja2.Template:
    loader = jinja2.PackageLoader("steadygan.export", ".")
    made = jinja2.Environment(
        loader=loader, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )  # fmt: skip
    return made.get_template("generator.py.jinja")


def _write_picture(path: Path, network: nn.Module, latents: Tensor, points: bool) -> None:
    made = torch.cat(list(pictures.generate(network, latents)))
    if points:
        pictures.save_png(pictures.scatter(made.numpy(), made.numpy()), path)
    else:
        pictures.save_png(pictures.grid(pictures.to_uint8(made), COLUMNS), path)
