"""Every method's generator, exported, against itself.

    python -m benchmarks.exports

For each method a run of a few steps of small networks (28 px in grey and, with --colour, 64 px in
colour) is exported in every format, and seven samples of new latents are compared with those of
the run: plain torch, torch.export and TorchScript by bits, ONNX Runtime by the greatest difference.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from steadygan.export import formats
from steadygan.export.inputs import Layout, NamedInputs
from steadygan.export.plain import baked, plain
from steadygan.methods import Method, methods
from steadygan.recipes.overrides import override
from steadygan.study.compose import compose
from steadygan.training.sampling import draw_latents

CLASSES = 10
SMALL = {"width": 8, "hidden": 32, "q_hidden": 16, "d_width": 8, "g_width": 32, "label_dim": 8,
         "autoencoder_steps": 1, "side": 32, "mixed": 4}  # fmt: skip


def compared(method: Method, shape: tuple[int, ...], home: Path) -> Iterator[str]:
    """What each format gives: `same bits`, or the greatest difference."""
    recipe = compose(method, shape, {}, (), ())
    for key, value in SMALL.items():
        recipe = override(recipe, key, str(value)) or recipe
    torch.manual_seed(0)
    generator = recipe.start(shape, CLASSES).g_ema.eval()
    prior = recipe.sampling_prior(CLASSES)
    layout, network = Layout.of(prior), baked(generator)
    named = NamedInputs(network, layout).eval()
    latents = draw_latents(prior, 7, 1)
    inputs, wanted = layout.parts(latents), generator(latents)
    yield said(plain(network, draw_latents(prior, 5, 0)).network(latents), wanted)
    for form, name in formats.FILES.items():
        path = home / name
        formats.write(form, named, layout.parts(draw_latents(prior, 5, 0)), path)
        if form == "onnx":
            yield said(formats.run_onnx(path, inputs), wanted)
        elif form == "pt2":
            yield said(torch.export.load(path).module()(**inputs), wanted)
        else:
            yield said(torch.jit.load(path)(**inputs), wanted)


def said(found: torch.Tensor, wanted: torch.Tensor) -> str:
    if torch.equal(found, wanted):
        return "same bits"
    return f"{(found - wanted).abs().max().item():.1e}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--colour", action="store_true")
    shape = (3, 64, 64) if parser.parse_args().colour else (1, 28, 28)
    warnings.simplefilter("ignore")
    titles = ("method", "plain torch", *formats.FILES)
    print("| " + " | ".join(titles) + " |\n" + "|---" * len(titles) + "|")
    with tempfile.TemporaryDirectory() as home, torch.no_grad():
        for name, method in methods().items():
            cells = compared(method, shape, Path(home))
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
