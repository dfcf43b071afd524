"""Draw the last sample grid of each method of a study, side by side, five in a row.

    python tools/draw_demo.py runs/compare-mnist docs/images/demo.png
    python tools/draw_demo.py claims/digits docs/images/claims-digits.png
    python tools/draw_demo.py claims/constraints docs/images/claims-constraints.png
    python tools/draw_demo.py claims/decoding docs/images/claims-decoding.png
    python tools/draw_demo.py claims/drawings docs/images/claims-drawings.png
    python tools/draw_demo.py claims/saturation docs/images/claims-saturation.png
    python tools/draw_demo.py claims/tricks docs/images/claims-tricks.png

Takes the study's first seed, and needs nothing but its folder.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP, HEAD, FOOT = 24, 30, 26
IN_A_ROW = 5
ORDER = ("gan", "dcgan", "infogan", "wgan", "wgan-gp")


def panel(run: Path, name: str) -> Image.Image:
    """A run's last grid under its name, above its steps and the images that D has seen."""
    status = json.loads((run / "run.json").read_text(encoding="utf-8"))["status"]
    grid = Image.open(run / "samples" / f"step-{status['step']:06d}.png").convert("RGB")
    made = Image.new("RGB", (grid.width + GAP, grid.height + HEAD + FOOT), "white")
    made.paste(grid, (GAP // 2, HEAD))
    draw = ImageDraw.Draw(made)
    font = ImageFont.load_default(18)
    while draw.textlength(name, font) > grid.width:
        name = name.rstrip("…")[:-1] + "…"
    draw.text((GAP // 2, 6), name, "black", font)
    seen = f"step {status['step']:,} · {status['images']:,} images"
    draw.text((GAP // 2, HEAD + grid.height + 6), seen, "#555555", ImageFont.load_default(14))
    return made


def main() -> None:
    study, out = Path(sys.argv[1]), Path(sys.argv[2])
    facts = json.loads((study / "study.json").read_text(encoding="utf-8"))
    names = [name for name in ORDER if name in facts["methods"]]
    names += [name for name in facts["methods"] if name not in ORDER]
    seed = facts["seeds"][0]
    panels = [panel(study / "runs" / f"{name}-s{seed}", name) for name in names]
    rows = [panels[at : at + IN_A_ROW] for at in range(0, len(panels), IN_A_ROW)]
    width = max(sum(panel.width for panel in row) for row in rows)
    whole = Image.new("RGB", (width, len(rows) * panels[0].height), "white")
    for down, row in enumerate(rows):
        for across, each in enumerate(row):
            whole.paste(each, (across * each.width, down * each.height))
    grey = whole.convert("L")
    if not np.any(np.asarray(whole) != np.asarray(grey)[..., None]):
        whole = grey
    whole.save(out, optimize=True)


if __name__ == "__main__":
    main()
