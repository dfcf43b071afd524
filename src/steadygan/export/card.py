"""The model card: README.md of an exported generator, with the front matter that a hub reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from steadygan.data.build.card import UNSTATED, safe
from steadygan.data.scan import CARD
from steadygan.diagnosis.finding import TITLES
from steadygan.export.inputs import Layout
from steadygan.report.read import read_folder
from steadygan.report.standing import standing
from steadygan.report.text import figure

#: What is shown of the quality, by the key in run.json.
SHOWN = {
    "energy_distance": "energy distance", "fid": "FID", "kid": "KID", "precision": "precision",
    "recall": "recall", "coverage": "coverage", "sharpness": "sharpness",
}  # fmt: skip
#: Licences that a hub knows by the name that a data card gives.
LICENCES = {"mit", "apache-2.0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0"}
USES = {
    "generator.py": "the generator in plain torch, and a command that draws: "
    "`python generator.py --count 16 --seed 0 --out {picture}`",
    "generator.safetensors": "its weights",
    "config.json": "shape, prior and classes",
    "model.onnx": "for ONNX Runtime and others",
    "model.torchscript": "for `torch.jit.load`",
    "model.pt2": "for `torch.export.load`",
    "samples.png": "64 samples of seed 0, not picked",
}


def card(
    run: Path, facts: dict[str, Any], config: dict[str, Any], layout: Layout,
    files: Sequence[str], plain: bool,
) -> str:  # fmt: skip
    """The card as Markdown. `plain`: generator.py is there."""
    licence = licence_of(facts)
    tag = licence.lower().replace(" ", "-")
    front = {
        "license": tag if tag in LICENCES else "unknown" if licence == UNSTATED else "other",
        "library_name": "pytorch",
        "pipeline_tag": "unconditional-image-generation",
        "tags": ["gan", "steadygan", facts["method"]],
    }
    if front["license"] == "other":
        front |= {"license_name": "see-card", "license_link": "README.md"}
    lines = ["---", *(f"{key}: {json.dumps(value)}" for key, value in front.items()), "---", ""]
    lines += [f"# {safe(facts['method'])} on {safe(facts['data']['name'])}", ""]
    lines += [safe(config["title"]), "", "![samples](samples.png)", "", "## Use", ""]
    picture = "points.csv" if len(config["shape"]) == 1 else "grid.png"
    lines += [
        f"- `{name}`: {use.format(picture=picture)}" for name, use in USES.items() if name in files
    ]
    lines += ["", *_inputs(layout, config)]
    if not plain:
        lines += ["", "The network is of its author's own code, which is not here: the weights "
                      "are by the names of that code."]  # fmt: skip
    lines += ["", "## Quality", "", *_quality(run, facts)]
    lines += ["", "## Limits", "", *_limits(facts)]
    lines += ["", "## How it was made", "", *_made(facts, config, licence), ""]
    return "\n".join(lines)


def licence_of(facts: dict[str, Any]) -> str:
    """The licence of the training data as the card of a built folder says it."""
    spec = facts["data"].get("spec", "")
    source, _, place = spec.partition(":")
    if source != "folder":
        return UNSTATED
    try:
        found = json.loads((Path(place) / CARD).read_text(encoding="utf-8"))
        return str(found["licence"])
    except (OSError, ValueError, KeyError, TypeError):
        return UNSTATED


def _inputs(layout: Layout, config: dict[str, Any]) -> Iterator[str]:
    shape = " x ".join(str(side) for side in config["shape"])
    noise = {"normal": "standard normal", "uniform": "uniform in [-1, 1]", "coded":
             "uniform in [-1, 1]", "sphere": f"uniform on the sphere of radius sqrt({layout.dim})",
             }.get(layout.prior, layout.prior)  # fmt: skip
    yield f"Inputs: `latents` (B, {layout.dim}), {noise};"
    if layout.categories:
        yield f"`categories` (B,), 0 to {layout.categories - 1}; `codes` (B, {layout.continuous})"
        yield "in [-1, 1];"
    if layout.classes:
        names = config["classes"] or []
        listed = ", ".join(safe(name) for name in names[:20])
        more = f" and {len(names) - 20:,} more, in config.json" if len(names) > 20 else ""
        yield f"`classes` (B,), the numbers of: {listed}{more};"
    yield f"output: (B, {shape.replace(' x ', ', ')}) in [-1, 1] where nothing else was asked."


def _quality(run: Path, facts: dict[str, Any]) -> Iterator[str]:
    quality = (facts.get("measures") or {}).get("quality")
    if not quality:
        yield "Not measured: `steadygan evaluate` measures a run."
        return
    last, best = quality["last"], quality.get("best") or {}
    features = quality.get("features")
    by = f" by features of {features}" if features else ""
    yield f"Of {quality['count']:,} samples{by}, at the last step ({last['step']:,})" + (
        f" and at the best evaluation ({best['step']:,}):" if best else ":"
    )
    yield ""
    yield "| measure | last | best |" if best else "| measure | last |"
    yield "|---|---|---|" if best else "|---|---|"
    for key, title in SHOWN.items():
        if last.get(key) is not None:
            cells = [figure(last[key]), *([figure(best.get(key))] if best else [])]
            yield f"| {title} | {' | '.join(cells)} |"
    lines = standing(read_folder(run))
    if lines:
        yield ""
    for line in lines:
        yield f"- {line.mark}: {safe(line.said)}"


def _limits(facts: dict[str, Any]) -> Iterator[str]:
    found = facts.get("diagnosis")
    if found:
        title, says = TITLES[found["verdict"]], safe(found["says"])
        yield f"- Diagnosis of the run: {says if says.startswith(title) else f'{title}: {says}'}"
    trained = facts["data"]["train"]
    yield (
        f"- It draws what {trained:,} training items showed it, in their size and style, and "
        "nothing else; whether samples are copies is said above where it was measured."
    )


def _made(facts: dict[str, Any], config: dict[str, Any], licence: str) -> Iterator[str]:
    data, status = facts["data"], facts["status"]
    shape = " x ".join(str(side) for side in data["shape"])
    yield f"- Method: {safe(config['title'])}"
    yield (
        f"- Data: {safe(data['name'])}, {data['train']:,} items of {shape}, fingerprint "
        f"`{data['fingerprint'][:16]}`; licence: {safe(licence)}"
    )
    yield (
        f"- Training: {status['step']:,} steps, {status['images']:,} images, "
        f"{status['seconds']:.0f} s on {facts['device']}, seed {facts['seed']}"
    )
    yield f"- Generator: {config['generator']}"
    yield f"- Made with {config['made_with']}, torch {facts['versions']['torch']}:"
    yield ""
    yield "```"
    yield " ".join(facts["command"].split()).replace("```", "")
    yield "```"
