"""Where the settings of a study's methods differ from those of their papers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from steadygan.errors import UserError
from steadygan.game.recipe import Recipe
from steadygan.methods import find
from steadygan.stability.score import number
from steadygan.study.compose import compose
from steadygan.study.describe import typed
from steadygan.study.render import Cell, Table
from steadygan.study.results import EntryResult, Results
from steadygan.training.recorded import read_recipe

ABSENT = "-"


def settings(results: Results) -> Table:
    """A row for each setting and parameter count in which a method of the study is not as in its
    paper: as `preset=paper` sets it, or the method's defaults where it has no such preset."""
    rows: list[list[Cell]] = []
    same = []
    for entry in results.entries:
        found = differing(entry)
        rows += [[entry.name, *row] for row in found or []]
        same += [entry.name] if found == [] else []
    note = "The paper's: preset=paper, or the method's defaults where it has no such preset."
    if same:
        note += f" As in the paper: {', '.join(same)}."
    head = ["model", "setting", "here", "paper's"]
    return Table("settings", "Settings other than the papers'", head, rows, note)


def differing(entry: EntryResult) -> list[tuple[str, str, str]] | None:
    """(setting, here, paper's) wherever they differ, parameters in millions first; None where no
    run has begun, or where this version does not know the method or its settings."""
    shape = tuple(entry.first("data", "shape") or ())
    try:
        method, own = find(entry.method), read_recipe(dict(entry.recipe), Path("study.json"))
    except UserError:
        return None
    if not shape:
        return None
    paper = compose(method, shape, {"preset": "paper"} if "paper" in method.presets else {})
    here, there = typed(own), typed(paper)
    found = [
        (key, here.get(key, ABSENT), there.get(key, ABSENT))
        for key in sorted({*here, *there})
        if here.get(key) != there.get(key)
    ]
    counts = _counts(entry, paper, shape)
    return [("parameters (10^6)", *counts), *found] if counts[0] != counts[1] else found


def _counts(entry: EntryResult, paper: Recipe, shape: tuple[int, ...]) -> tuple[str, str]:
    """The parameters of the runs and of the paper's networks for their data, in words."""
    sizes = entry.first("parameters")
    classes = len(entry.first("data", "class_names") or ())
    try:
        of_paper = millions(parameters_of(paper, shape, classes))
    except UserError as error:
        of_paper = f"none for these data: {error}"
    return millions(sizes if isinstance(sizes, Mapping) else {}), of_paper


def parameters_of(recipe: Recipe, shape: tuple[int, ...], classes: int) -> dict[str, int]:
    """The parameters of each player of a game, as run.json has them. Torch's generator is left as
    it was."""
    with torch.random.fork_rng(devices=[]):
        players = recipe.start(shape, classes).players
    return {
        name: sum(p.numel() for p in player.parameters)
        for name, player in players.items()
        if not player.weights_of
    }


def total(sizes: Mapping[str, Any]) -> int:
    """Parameters of every network that was trained, from those by player."""
    known = {key: number(value) for key, value in sizes.items()}
    # the decode step is a player of its own on G's weights, which count once
    return int(sum(n for key, n in known.items() if n is not None and key != "decode"))


def millions(sizes: Mapping[str, Any]) -> str:
    """In millions, with those of each player: `9.45 (D 4.32, G 5.14)`; those of one player where
    there is one."""
    if not (every := total(sizes)):
        return ABSENT
    parts = ", ".join(f"{key.upper() if len(key) == 1 else key} {n / 1e6:.2f}"
                      for key, n in sizes.items() if key != "decode")  # fmt: skip
    return f"{every / 1e6:.2f} ({parts})"
