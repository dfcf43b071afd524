"""Curves where people look: one small adapter each on the field's own libraries.

A tracker gets the numbers of every logged step, the sample grids, the settings of the recipe, and
findings. Nothing leaves the machine unless the library's own settings say so.
"""

from __future__ import annotations

import importlib
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from steadygan.errors import UserError, did_you_mean
from steadygan.report.recipes import flatten
from steadygan.training.runfolder import read_facts

#: Keys of a history line that are pictures.
PICTURES = ("samples", "codes", "classes")


class Tracker(ABC):
    """Follows one run; see `follow.Reader`."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.begun = False

    def line(self, run: Path, line: dict[str, Any]) -> None:
        if not self.begun:
            facts = read_facts(run)
            settings = {
                "method": facts["method"],
                "data": facts["data"]["spec"],
                "seed": facts["seed"],
                **{".".join(key): value for key, value in flatten(facts["recipe"]).items()},
            }
            self.begin(run, settings, line["step"])
            self.begun = True
        step = line["step"]
        self.scalars(step, dict(scalars_of(line)))
        for key in PICTURES:
            if (run / line.get(key, "")).is_file():
                self.picture(step, key, run / line[key])
        if "probe" in line:
            self._tell_findings(run)

    def _tell_findings(self, run: Path) -> None:
        for finding in read_facts(run).get("findings") or ():
            if finding["name"] not in self.found:
                self.found.add(finding["name"])
                self.finding(finding["step"], f"{finding['name']}: {finding['says']}")

    def close(self, run: Path) -> None:
        if self.begun:
            self._tell_findings(run)
            self.end()

    @abstractmethod
    def begin(self, run: Path, settings: Mapping[str, Any], step: int) -> None:
        """Begin, or take up again from `step`, the record of the run."""

    @abstractmethod
    def scalars(self, step: int, values: Mapping[str, float]) -> None: ...

    @abstractmethod
    def picture(self, step: int, name: str, path: Path) -> None: ...

    @abstractmethod
    def finding(self, step: int, said: str) -> None: ...

    @abstractmethod
    def end(self) -> None: ...


def scalars_of(line: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The finite numbers of a history line, those of a probe as `probe/...`."""
    for key, value in line.items():
        if isinstance(value, Mapping):
            yield from scalars_of(value, "probe/") if key == "probe" else ()
        elif key != "step" and type(value) in (int, float) and math.isfinite(value):
            yield prefix + key, float(value)


class TensorBoard(Tracker):
    """Event files in RUN/tensorboard: `tensorboard --logdir RUN`."""

    def __init__(self) -> None:
        super().__init__()
        self.module = imported("torch.utils.tensorboard", "tensorboard")

    def begin(self, run: Path, settings: Mapping[str, Any], step: int) -> None:
        # What a run that was killed wrote after the checkpoint that it goes on from is dropped.
        self.writer = self.module.SummaryWriter(
            os.fspath(run / "tensorboard"), max_queue=1000, purge_step=step or None
        )
        lines = "\n".join(f"| {key} | {value} |" for key, value in settings.items())
        self.writer.add_text("settings", f"| setting | value |\n|---|---|\n{lines}", 0)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self.writer.add_scalar(key, value, step)

    def picture(self, step: int, name: str, path: Path) -> None:
        import numpy as np

        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        self.writer.add_image(name, pixels, step, dataformats="HWC")

    def finding(self, step: int, said: str) -> None:
        self.writer.add_text("findings", said, step)

    def end(self) -> None:
        self.writer.close()


class RunTracker(Tracker):
    """A library whose `init` gives a run that logs, alerts and finishes, as Weights & Biases' does:
    `begin` sets `run`."""

    module: Any
    run: Any

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=step)

    def picture(self, step: int, name: str, path: Path) -> None:
        self.run.log({name: self.module.Image(os.fspath(path))}, step=step)

    def finding(self, step: int, said: str) -> None:
        self.run.alert(title="finding", text=f"step {step}: {said}")

    def end(self) -> None:
        self.run.finish()


class Wandb(RunTracker):
    """Weights & Biases, offline in RUN/wandb unless WANDB_MODE says otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.module = imported("wandb", "wandb")

    def begin(self, run: Path, settings: Mapping[str, Any], step: int) -> None:
        key = read_facts(run)["data"]["fingerprint"][:8]
        self.run = self.module.init(
            project="steadygan", name=run.name, id=f"{run.name}-{key}", dir=os.fspath(run),
            config=dict(settings), resume="allow", mode=os.environ.get("WANDB_MODE", "offline"),
        )  # fmt: skip


class Trackio(RunTracker):
    """Trackio, in its own folder on this machine (TRACKIO_DIR), unless TRACKIO_SPACE_ID or
    TRACKIO_SERVER_URL says otherwise: `trackio show --project steadygan`."""

    def __init__(self) -> None:
        super().__init__()
        self.module = imported("trackio", "trackio")

    def begin(self, run: Path, settings: Mapping[str, Any], step: int) -> None:
        self.run = self.module.init(
            project="steadygan", name=run.name, config=dict(settings), embed=False,
            resume="allow" if step else "never", auto_log_gpu=False, auto_log_cpu=False,
        )  # fmt: skip


NAMES: dict[str, type[Tracker]] = {"tensorboard": TensorBoard, "wandb": Wandb, "trackio": Trackio}


def tracker(name: str) -> Tracker:
    """The tracker of that name. Raises UserError for another name, and where its library is
    missing."""
    if name not in NAMES:
        raise UserError(f"--track {name}: no such tracker{did_you_mean(name, list(NAMES))}")
    return NAMES[name]()


def imported(module: str, extra: str) -> Any:
    """A library that is an extra. Raises UserError with the command that installs it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise UserError(
            f"--track {extra} needs the extra `{extra}`: pip install -c constraints.txt "
            f"'steadygan[{extra}]'"
        ) from None
