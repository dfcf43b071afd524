"""What several commands share: their options, and what reads them."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steadygan.cli import streams
from steadygan.errors import UserError

if TYPE_CHECKING:
    from steadygan.data import Dataset
    from steadygan.study.request import Request
    from steadygan.training import StopAsked

DATA_HELP = "mnist, folder:DIR, zip:FILE, ...; `steadygan data list` names all."
KEYS_HELP = (
    "key=value settings: size= channels= flip= holdout= attribute= (data), batch= width= lr= "
    "objective= ... (method; `steadygan methods NAME` lists them), preset=light|paper, "
    "precision= threads= exact= graphs= "
    "log_every= save_every= sample_every= (run)."
)
ALLOWED = {False: [], True: ["allow_bad=true"]}
SHOWN = 10  # files left out, by name
UNITS = {"s": 1 / 60, "m": 1.0, "h": 60.0, "d": 1440.0}

Data = Annotated[str, typer.Option("--data", help=DATA_HELP)]
Steps = Annotated[
    int | None,
    typer.Option("--steps", help="Training steps (iterations): all D steps, then all G steps."),
]
Budget = Annotated[
    str | None,
    typer.Option("--budget", help="Training time such as 45s, 5m or 2h; evaluations not counted."),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="Folder to write to; must be new or empty.")
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
AllowBad = Annotated[
    bool,
    typer.Option("--allow-bad", help="Continue even if over 1 % of the images cannot be decoded."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**62, help="Seed of all randomness.")]
StopAfter = Annotated[
    str | None,
    typer.Option("--stop-after", help="Save and exit with code 75 after this wall-clock time."),
]
EvaluateEvery = Annotated[
    str,
    typer.Option(
        "--evaluate-every",
        help="Evaluate samples during training: every so many steps (500), training time (30s) or "
        "share of the goal (5%); auto (5% of the goal, at most a tenth of the time); or none. "
        "train's default: auto for a budget of two minutes or more, else none.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the output file if it exists.")]
StopOnFault = Annotated[
    bool,
    typer.Option(
        "--stop-on-fault",
        help="Save and exit with code 1 once the run is certainly lost (a network that is not "
        "updated or trained backwards, a collapse that lasts).",
    ),
]
Track = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        help="Send curves, samples and findings to tensorboard (RUN/tensorboard), wandb (offline "
        "in RUN/wandb, unless WANDB_MODE says otherwise) or trackio (on this machine), too; repeat "
        "it for several.",
    ),
]
TrustCode = Annotated[
    bool,
    typer.Option(
        "--trust-code",
        help="Import what the folder names as its own networks (module:Name), from here.",
    ),
]
Layout = Annotated[
    str, typer.Option("--layout", help="Table layout: summary, or paper (the tables of papers).")
]


def minutes(text: str | None, option: str) -> float | None:
    """`45s`, `5m`, `2h` (or a plain number of minutes) as minutes."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if not found or float(found[1]) == 0:
        raise UserError(f"{option} {text}: wants a time above 0 such as 45s, 5m or 2h")
    return float(found[1]) * UNITS[found[2] or "m"]


def require_new(path: Path, force: bool, option: str = "--out") -> None:
    """Raise `UserError` where `path` exists, unless `force`: no command overwrites by default."""
    if not force and path.exists():
        raise UserError(f"{option} {path}: exists; --force overwrites it")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def load_torch() -> None:
    """Import torch and what trains with it, which takes seconds, under a bar that says so."""
    from steadygan.study.bars import bars, phase

    if "torch" not in sys.modules:
        with bars() as progress, phase(progress, "loading torch"):
            import steadygan.training  # noqa: F401


def examples(*commands: str) -> str:
    """The last lines of a command's --help: what one may type."""
    return "\n\n".join(["Example:" if len(commands) == 1 else "Examples:", *commands])


def use_own_code(wanted: bool) -> None:
    """Look for modules in the working folder first, as `python -m` does, where that is `wanted`:
    networks, losses and parts of the user's own, which may import more later."""
    if wanted:
        sys.path.insert(0, os.getcwd())


def command_line() -> str:
    """What was typed, for the run folder."""
    return shlex.join(["steadygan", *sys.argv[1:]])


def opened(source: str, request: Request) -> Dataset:
    """The data set, decoded with a progress bar; bad files and what else was lost are reported.

    Raises UserError for files that are all smaller than any network here takes, unless a size is
    asked for.
    """
    from steadygan.data import open_data
    from steadygan.data.tally import SIDES
    from steadygan.study.bars import Phases, bars

    with bars() as progress:
        data = open_data(source, request.data, progress=Phases(progress))
    for note in data.notes:
        say(f"note: {note}")
    for bad in data.quarantine[:SHOWN]:
        say(f"left out {bad['path']}: {bad['reason']}")
    if len(data.quarantine) > SHOWN:
        say(f"left out {len(data.quarantine) - SHOWN:,} more; run.json lists all")
    if request.data.size is None and 0 < data.largest < SIDES[0]:
        raise UserError(
            f"--data {source}: the largest image is {data.largest} px, and {SIDES[0]} is the least "
            f"to learn from; size={SIDES[0]} enlarges them all the same"
        )
    return data


def require_keys_of_data(request: Request, command: str) -> None:
    """Refuse keys other than those of data and `threads`, for a command that trains nothing."""
    for key in (*request.recipe, *sorted(request.run.model_fields_set - {"threads"})):
        raise UserError(
            f"{key}= means nothing here; {command} takes the settings of data and threads="
        )


def use_threads(request: Request, elsewhere: bool = False, processes: int = 1) -> None:
    """Set the requested number of threads; refused where there are fewer cores for those of all
    `processes` of a run, unless the work is done `elsewhere`."""
    import torch

    if (asked := request.run.threads) is None:
        return
    cores = os.cpu_count() or 1
    if asked * processes > cores and not elsewhere:
        of = f" in each of {processes} processes" if processes > 1 else ""
        most = max(1, cores // processes)
        raise UserError(f"threads={asked}{of}: this machine has {cores} cores; give at most {most}")
    torch.set_num_threads(min(asked, cores))


def stop_after_or_unread(stop_after: str | None) -> StopAsked:
    """What stops a run: a signal, the time of --stop-after, and a closed output pipe."""
    from steadygan.training import StopAsked

    return StopAsked(seconds(stop_after), reader_left=streams.reader_left)


def seconds(stop_after: str | None) -> float | None:
    asked = minutes(stop_after, "--stop-after")
    return None if asked is None else 60.0 * asked


def schedule(text: str) -> str | None:
    """`--evaluate-every` as it is recorded, checked."""
    from steadygan.stability.trajectory import Schedule

    if text == "none":
        return None
    Schedule.read(text)
    return text


@contextmanager
def reported_if_it_stops(folder: Path) -> Iterator[None]:
    """Write the report also of a run or study that fails or is stopped."""
    from steadygan.diagnosis.diagnose import conclude
    from steadygan.errors import NonFiniteError
    from steadygan.report import write_report
    from steadygan.training import Stopped

    try:
        yield
    except (NonFiniteError, Stopped):
        if (folder / "run.json").exists():
            conclude(folder)
        say(str(write_report(folder)))
        raise
