"""Logs of other programs: CSV, JSON lines and TensorBoard event files, and what they can show.

Such a log has losses, perhaps D's outputs and a distance. That shows numbers that stopped being
finite, a D that wins or learns nothing, and a distance that falls, stands or rises; what needs
samples or weights is not claimed.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from steadygan.diagnosis.finding import Advice, Diagnosis, Finding, Kind, Number
from steadygan.errors import UserError

D, G = "(d|dis|disc|discriminator|critic)", "(g|gen|generator)"
#: What a column is taken for: the first of our keys whose pattern it matches, without case.
PATTERNS = {
    "step": r"(global_?)?(step|iter(ation)?s?|it|epoch|kimg)$",
    "fid": r"(.*[^a-z])?(fid|frechet.*)([^a-z].*)?$",
    "d_real": r"(.*[^a-z])?(d\(x\)|d_?real|real_?(score|prob\w*|output|logits?))$",
    "d_fake": r"(.*[^a-z])?(d\(g\(z\)\)1?|d_?fake|fake_?(score|prob\w*|output|logits?))$",
    "d_loss": rf"(.*[^a-z])?({D}[^a-z]*loss|loss[^a-z]*{D})(_?total)?$",
    "g_loss": rf"(.*[^a-z])?({G}[^a-z]*loss|loss[^a-z]*{G})(_?total)?$",
}
#: D's loss where it is undecided: cross entropy (summed, halved), least squares, hinge.
UNDECIDED = (math.log(4), math.log(2), 1.0, 0.5, 2.0)
#: Fewer logged steps than this say nothing.
LEAST = 8
#: D has won where its loss is below this share of the start's.
WON = 0.05

Log = dict[str, list[tuple[float, float]]]


def read_log(path: Path, named: Mapping[str, str] | None = None) -> tuple[Log, dict[str, str]]:
    """The series of a log, (step, value) by our keys, and which column each was taken from. `named`
    gives columns by our keys (`--map d_loss=loss/D`). Raises `UserError` where nothing is known."""
    columns = _columns(path)
    given = dict(named or {})
    for key, column in given.items():
        if key not in PATTERNS:
            raise UserError(f"--map {key}={column}: known are {', '.join(PATTERNS)}")
        if column not in columns:
            raise UserError(f"--map {key}={column}: {path} has {', '.join(sorted(columns))}")
    for key, pattern in PATTERNS.items():
        found = [c for c in columns if re.match(pattern, c, re.IGNORECASE)]
        if key not in given and found:
            given[key] = min(found, key=len)
    steps = dict(columns.get(given.get("step", ""), []))
    log: Log = {}
    for key, column in given.items():
        if key != "step":
            log[key] = [(steps.get(row, row), value) for row, value in columns[column]]
    if not log:
        raise UserError(
            f"{path}: no column is known as a loss, D's output or a distance (it has "
            f"{', '.join(sorted(columns)) or 'none'}): name them, as --map d_loss=loss/D"
        )
    return log, given


def _columns(path: Path) -> dict[str, list[tuple[float, float]]]:
    """(row or step, value) of every column of numbers."""
    if path.is_dir():
        return _of_tensorboard(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    rows: Iterable[Mapping[str, object]]
    if path.suffix == ".csv":
        rows = csv.DictReader(text.splitlines())
    else:
        lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
        rows = [_json_object(path, n, line) for n, line in lines]
    found: dict[str, list[tuple[float, float]]] = {}
    for n, row in enumerate(rows):
        for name, value in row.items():
            try:
                number = float(str(value))
            except ValueError:
                continue
            found.setdefault(str(name), []).append((float(n), number))
    return found


def _json_object(path: Path, line: int, text: str) -> Mapping[str, object]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UserError(f"{path}: line {line} holds no JSON object")
    return value


def _of_tensorboard(path: Path) -> dict[str, list[tuple[float, float]]]:
    """The scalars of event files in a folder, by TensorBoard's own reader."""
    if not list(path.rglob("events.out.tfevents.*")):
        raise UserError(f"{path}: no run, no study, and no TensorBoard event file in it")
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        raise UserError(
            f"{path}: event files need the extra `tensorboard`: pip install -c constraints.txt "
            "'steadygan[tensorboard]'"
        ) from None
    found: dict[str, list[tuple[float, float]]] = {}
    places: dict[str, Path] = {}
    for folder in sorted({file.parent for file in path.rglob("events.out.tfevents.*")}):
        events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
        events.Reload()
        for tag in events.Tags()["scalars"]:
            if (first := places.setdefault(tag, folder)) != folder:
                raise UserError(
                    f"{path}: '{tag}' is in {first.name} and in {folder.name}: several runs, or "
                    "curves of one plot; give the folder of one"
                )
            found[tag] = [(e.step, e.value) for e in events.Scalars(tag)]
    return found


# ---- what a log shows --------------------------------------------------------------------------


def diagnose_log(log: Log) -> Diagnosis:
    """What is wrong, as far as a log of losses and distances can show."""
    held = [f for look in (_non_finite, _relapse, _d_wins, _d_learns_nothing) if (f := look(log))]
    numbers = tuple(
        Number(key, median(_late(log[key])), "", _steps(log[key])) for key in log if _late(log[key])
    )
    if held:
        head, *rest = held
        return Diagnosis("fault", head, head.says, others=tuple(rest), numbers=numbers)
    if max(map(len, log.values())) < LEAST:
        needs = f"needs {LEAST} logged steps or more"
        return Diagnosis("undecided", None, f"not enough evidence: {needs}", needs=needs,
                         numbers=numbers)  # fmt: skip
    fids = _values(log.get("fid", ()))
    if len(fids) >= 4 and fids[-1] < 0.9 * fids[len(fids) * 2 // 3]:
        says = f"the distance still falls: {fids[-1]:.4g}, from {fids[len(fids) * 2 // 3]:.4g}"
        return Diagnosis("improving", None, says, numbers=numbers)
    needs = "samples or weights: watch the loop with steadygan.watch, or log a distance"
    says = "nothing is wrong that losses can show; a collapse needs " + needs
    return Diagnosis("undecided", None, says, needs=needs, numbers=numbers)


def _values(series: Sequence[tuple[float, float]]) -> list[float]:
    return [value for _, value in series if math.isfinite(value)]


def _late(series: Sequence[tuple[float, float]]) -> list[float]:
    """The finite values of the last third."""
    values = _values(series)
    return values[-max(1, len(values) // 3) :] if values else []


def _early(series: Sequence[tuple[float, float]]) -> list[float]:
    """The finite values of the first tenth, and at least the first two."""
    values = _values(series)
    return values[: max(2, len(values) // 10)]


def _end(series: Sequence[tuple[float, float]]) -> list[float]:
    """The finite values of the last tenth, and at least the last two."""
    values = _values(series)
    return values[-max(2, len(values) // 10) :]


def _steps(series: Sequence[tuple[float, float]]) -> tuple[int, int]:
    late = series[-max(1, len(series) // 3) :]
    return int(late[0][0]), int(late[-1][0])


def _found(name: str, says: str, sure: float, numbers: Sequence[Number], advice: str,
           step: float | None = None) -> Finding:  # fmt: skip
    kind: Kind = "exact" if sure == 1 else "effect"
    whole = None if step is None else int(step)
    return Finding(name, kind, says, sure, tuple(numbers), (Advice("", advice),), step=whole)


def _non_finite(log: Log) -> Finding | None:
    for key, series in log.items():
        for step, value in series:
            if not math.isfinite(value):
                says = f"{key} stopped being finite at step {step:g}"
                advice = "a tenth of the learning rates; penalties in float32"
                return _found("non-finite", says, 1.0, (), advice, step)
    return None


def _relapse(log: Log) -> Finding | None:
    series = [(step, value) for step, value in log.get("fid", ()) if math.isfinite(value)]
    if len(series) < 4:
        return None
    step, best = min(series, key=lambda pair: pair[1])
    last = series[-1][1]
    if best <= 0 or last < 1.5 * best:
        return None
    says = f"the distance was best at step {step:g}, and is {last / best:.1f} times that now"
    number = Number("fid", last, f"{best:.4g}, as at step {step:g}")
    return _found("relapse", says, 0.9, [number],
                  "go back to the best checkpoint; smaller rates, or stop there", step)  # fmt: skip


def _d_wins(log: Log) -> Finding | None:
    d, g = log.get("d_loss", ()), log.get("g_loss", ())
    if len(d) < LEAST or len(g) < LEAST:
        return None
    before, after = median(_early(d)), median(_end(d))
    rising = median(_end(g)) > 1.5 * abs(median(_early(g)))
    if before <= 0 or not (0 <= after < WON * before) or not rising:
        return None
    says = "D's loss went to nothing while G's loss rose: D tells everything apart"
    numbers = [Number("d_loss", after, f"above {WON * before:.2g}", _steps(d)),
               Number("g_loss", median(_end(g)), "not rising", _steps(g))]  # fmt: skip
    return _found("d-overpowers", says, 0.7, numbers,
                  "a smaller rate of D, instance noise, or a zero-centred penalty")  # fmt: skip


def _d_learns_nothing(log: Log) -> Finding | None:
    d = log.get("d_loss", ())
    values = _values(d)
    if len(values) < LEAST:
        return None
    for level in UNDECIDED:
        if all(abs(value - level) < 0.02 * level for value in values):
            says = (
                f"D's loss is {level:.3g} from the start, as of an undecided D: it learns nothing"
            )
            return _found("d-too-weak", says, 0.6,
                          [Number("d_loss", median(values), f"below {level:.3g}", _steps(d))],
                          "check that D's optimizer holds D's weights; raise its rate")  # fmt: skip
    return None
