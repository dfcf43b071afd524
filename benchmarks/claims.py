"""The studies behind docs/claims.md: what the sources claim of their methods, over seeds.

    python -m benchmarks.claims list
    python -m benchmarks.claims run ring --out claims [--jobs 2]
    steadygan table claims/ring
    python -m benchmarks.claims table ring --out claims
    python -m benchmarks.claims cost tricks

`list` prints each study's command, which can be pasted; `run` runs one, and goes on where an
earlier call was cut off; `table` prints a line for each claim from the study's folder: what was
measured over the seeds, the difference with its 95 % interval and p (`study/statistics.py`), the
verdict, and how many seeds would show a difference of this size with a power of .8 at the observed
spread; `cost` times the iterations of its methods in turn, with nothing else computing. All runs
count steps and compute with one thread, so what they learn depends on no other work of the machine.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median, stdev

import numpy as np
import torch

from benchmarks.characters import saturation
from benchmarks.overhead import timed, trainer_of
from steadygan.data import open_data
from steadygan.report.settle import running_median, settle, smoothing_window
from steadygan.study.plan import entries_of
from steadygan.study.request import read_request
from steadygan.study.results import Results, RunResult, read_results
from steadygan.study.statistics import Difference, difference
from steadygan.training.runfolder import read_history


@dataclass(frozen=True)
class Study:
    """A `steadygan compare`: the methods, what all of them share, and what it is to show."""

    about: str
    methods: tuple[str, ...]
    shared: str
    seeds: int = 6

    def command(self, out: Path, jobs: int) -> list[str]:
        """The command that writes to `out`, `jobs` runs at a time."""
        given = ["steadygan", "compare", *self.methods, *shlex.split(self.shared)]
        given += ["horizon=budget", "threads=1", "--device", "cpu", "--seeds", str(self.seeds)]
        return [*given, "--jobs", str(jobs), "--out", str(out)]


_RING = "--data ring preset=light --steps {} --evaluate-every {}"
_GARMENTS = ("sngan", "sngan-gl2", "sngan-dl2", "sngan-l2", "sngan-l2:generator-l2.weight=0.01")
_SQUARES, _SATURATING = "multiclass-lsgan:", "multiclass-gan:objective=minimax,"
#: What `steadygan recommend` names for some thousand pictures of 64 px.
RECOMMENDED = "dcgan:preset=small,spectral-norm=true,diffaugment=true,steps=4500"

STUDIES = {
    "digits": Study(
        "GAN, InfoGAN, WGAN-GP and DCGAN on digits for 2,000 iterations",
        ("gan", "infogan", "wgan-gp", "dcgan"),
        "--data mnist preset=light log_every=5 --steps 2000 --evaluate-every 250 --count 2000",
    ),
    "ring": Study(
        "SNGAN with L2-norm constraints on G, on D and on both: eight Gaussians on a circle",
        ("sngan", "sngan-gl2", "sngan-dl2", "sngan-l2"),
        _RING.format(600, 300),
        seeds=16,
    ),
    "ring-long": Study(
        "the same four for four times as long, evaluated often enough to be scored for stability",
        ("sngan", "sngan-gl2", "sngan-dl2", "sngan-l2"),
        _RING.format(2400, 300),
        seeds=16,
    ),
    "ring-settings": Study(
        "the weights of both constraints, and their other readings",
        (
            "sngan",
            *(
                f"{method}:{part}.weight={weight}"
                for method, part in (
                    ("sngan-gl2", "generator-l2"),
                    ("sngan-dl2", "discriminator-l2"),
                )
                for weight in (0.01, 0.05, 0.1, 0.5, 1.0)
            ),
            *(
                f"sngan-gl2:generator-l2.kind={kind}"
                for kind in ("pair_sq", "batch_mean", "nearest")
            ),
            "sngan-dl2:discriminator-l2.kind=mean",
            "sngan-dl2:discriminator-l2.on=probabilities",
        ),
        _RING.format(600, 100),
    ),
    "constraints": Study(
        "the same four on garments, 28 px, and both constraints at a fifth of the weight on G",
        _GARMENTS,
        "--data fashion-mnist size=28 preset=light --steps 600 --evaluate-every 150 --count 2000",
    ),
    "constraints-steady": Study(
        "the same runs, evaluated often enough to be scored for stability",
        _GARMENTS,
        "--data fashion-mnist size=28 preset=light --steps 600 --evaluate-every 100 --count 2000",
    ),
    "tricks": Study(
        "each trick of the bag alone and all together, on DCGAN and garments",
        (
            "dcgan",
            "dcgan:label-noise=true",
            "dcgan:label-smoothing=true",
            "dcgan:instance-noise=true",
            "dcgan:dropout=true",
            "dcgan:joint_batches=true",
            "dcgan:g_steps=2",
            "dcgan:feature-matching=true",
            "dcgan:prior=normal",
            "dcgan:label-noise=true,label-smoothing=true,instance-noise=true,dropout=true,"
            "g_steps=2,feature-matching=true,prior=normal",
        ),
        "--data fashion-mnist size=28 preset=light --steps 1000 --evaluate-every 250 --count 2000",
    ),
    "saturation": Study(
        "least squares and cross entropy on 100 characters, in the conditions of the argument",
        (
            "multiclass-lsgan",
            "multiclass-gan",
            "multiclass-gan:objective=minimax",
            *(f"{each}d_steps=5,steps=300" for each in (_SQUARES, _SATURATING)),
            *(f"{each}g_norm=none,d_norm=none" for each in (_SQUARES, _SATURATING)),
        ),
        # An iteration of five D steps sees five batches: the images are the same for all.
        "--data hanzi:lanting100 preset=light log_every=5 --steps 1500 --evaluate-every 25% "
        "--count 2000",
    ),
    "decoding": Study(
        "the decoding constraint at equal epochs, and its table of methods at the seconds it takes",
        (
            "dcgan",
            # An iteration of decoding takes 1.4 times this one's, behind its auto-encoder.
            "dcgan:steps=1650",
            "decoding",
            "decoding:decode=l1",
            "decoding:decode=joint",
            "decoding:features=normal",
            "decoding:features=uniform,prior=uniform",
            # As many as DCGAN's 1,650 take seconds (`cost decoding`).
            "lsgan:steps=1800",
            "began:steps=1250",
            "wgan:steps=460",
            "wgan-gp:steps=400",
            "sagan-js:steps=420",
            "sagan-hinge:steps=420",
        ),
        "--data fashion-mnist size=32 preset=light --steps 1000 --evaluate-every 25% --count 2000",
    ),
    "drawings": Study(
        "line drawings at 64 px: SNGAN, its constraints, and the recipe for one's own pictures",
        # One D step a step of G: five leave G a fifth of the steps that its time allows. The recipe
        # has as many iterations as one of SNGAN's takes seconds.
        ("sngan", "sngan-gl2", "sngan-dl2", "sngan-l2", RECOMMENDED),
        "--data folder:tabler64 channels=1 preset=light d_steps=1 --features effnet-64 "
        "--steps 1000 --evaluate-every 20% --count 2000",
    ),
}


# ---- what is measured of a run: by its log and by run.json ---------------------------------------


@dataclass(frozen=True)
class Seen:
    """A finished run: its log, a line a dictionary, and its facts."""

    history: list[dict]
    facts: RunResult

    def loss(self, key: str) -> tuple[list[float], list[float]]:
        """A loss with the steps at which it was logged."""
        known = [(line["step"], line[key]) for line in self.history if key in line]
        return [step for step, _ in known], [value for _, value in known]


Measure = Callable[[Seen], float | None]


def last(key: str) -> Measure:
    """A measure of the samples at the last step."""
    return lambda run: run.facts.value(key, "last")


def recognised(run: Seen) -> float | None:
    """The share of samples that a classifier takes for one of the classes, in per cent."""
    share = run.facts.count("measures", "recognisable", "share")
    return None if share is None else 100 * share


def probed(key: str) -> Measure:
    """A signal of the last probe (`diagnosis/probe.py`)."""
    return lambda run: next((h["probe"][key] for h in run.history[::-1] if "probe" in h), None)


def legible(run: Seen) -> float | None:
    """The share of samples that a reader of text takes for the character asked for, in per cent."""
    value = run.facts.value("legible", "last")
    return None if value is None else 100 * value


def saturated(run: Seen) -> float | None:
    """The share of logged steps, in per cent, with D's loss below 1e-3 or with a batch's mean score
    beyond 10, whichever is more (benchmarks/characters.py)."""
    found = saturation(run.history)
    return 100 * max(found["loss < 1e-3"], found["|score| > 10"])


def weak_gradient(run: Seen) -> float | None:
    """The 5th percentile of the norm of G's gradient over its median."""
    found = saturation(run.history)
    return found["its 5th percentile"] / found["G gradient"]


def late(key: str) -> Measure:
    """The mean of a logged value over the last tenth of the log."""
    return lambda run: _mean_of(run.loss(key)[1], 0.9, 1)


def _mean_of(values: list[float], begin: float, end: float) -> float | None:
    """The mean of a log between two shares of it; of one value at the least."""
    first = min(int(begin * len(values)), len(values) - 1)
    part = values[max(first, 0) : max(first + 1, int(end * len(values)))]
    return mean(part) if part else None


def apart(begin: float = 0.9, end: float = 1) -> Measure:
    """Log 2 minus the JS divergence as D sees it, over a part of the log; 0 where D tells all real
    images from all samples. Half of D's loss, which is 2 log 2 - 2 JS at its optimum."""

    def found(run: Seen) -> float | None:
        value = _mean_of(run.loss("d_loss/adversarial")[1], begin, end)
        return None if value is None else value / 2

    return found


def at_ends(run: Seen) -> float | None:
    """The share of D's weights in the first and the last of the 50 bins of their histogram at the
    last picture, in per cent; 4 where they are spread evenly."""
    counts = next((h["weight_histogram"]["counts"] for h in run.history[::-1]
                   if "weight_histogram" in h), None)  # fmt: skip
    return None if counts is None else 100 * (counts[0] + counts[-1]) / sum(counts)


def steady(part: str) -> Measure:
    """The stability score of a run or one of its parts (docs/stability.md)."""
    return lambda run: getattr(run.facts.stability, part)


def within(key: str, step: int) -> Measure:
    """A measure of the draft evaluation at a step."""
    return lambda run: next((h[key] for h in run.history if h["step"] == step and key in h), None)


#: The iteration from which the comparison of digits reads losses.
READ_FROM = 750


def highest(key: str, since: int = 0) -> Measure:
    """The highest value of a loss from step `since` on."""
    return lambda run: max(_since(run, key, since), default=None)


def extent(key: str) -> Measure:
    """The distance of a loss's extremes where the comparison reads them."""

    def found(run: Seen) -> float | None:
        values = _since(run, key, READ_FROM)
        return max(values) - min(values) if values else None

    return found


def _since(run: Seen, key: str, since: int) -> list[float]:
    return [value for step, value in zip(*run.loss(key), strict=True) if step >= since]


def settled(key: str) -> Measure:
    """The step from which a loss stays near its end (`report/settle.py`), or None."""
    return lambda run: settle(*run.loss(key)).step


def jump(key: str) -> Measure:
    """The step around which the smoothed loss changes most within 250 steps."""

    def found(run: Seen) -> float | None:
        steps, values = run.loss(key)
        if len(values) < 100:
            return None
        smooth = np.array(running_median(values, smoothing_window(len(values))))
        reach = max(1, round(125 / (steps[1] - steps[0])))
        change = np.abs(smooth[2 * reach :] - smooth[: -2 * reach])
        begin = np.searchsorted(steps, 100)  # the start of training aside
        return float(steps[int(change[begin:].argmax()) + begin + reach])

    return found


# ---- claims ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """A claim of a source, of methods as the study's command names them. `one` is said to have
    less (`more`: more) of a measure than each of `others`, or of its distance from the median of
    the seeds (`of_spread`, as Brown and Forsythe compare spreads); without others the measure of
    `one` is shown by seed, and in how many of them it is as claimed (`holds`)."""

    says: str
    source: str
    measure: Measure
    unit: str
    one: str
    others: tuple[str, ...] = ()
    more: bool = False
    of_spread: bool = False
    holds: Callable[[float | None], bool] | None = None


GL, DL = "g_loss/adversarial", "d_loss"
COMPARISON, THESIS, ARTICLE = "the comparison", "the thesis", "Chao et al. 2021"
#: The variants of the decoding constraint, and the other methods of its paper's table.
VARIANTS, PEERS = STUDIES["decoding"].methods[3:7], STUDIES["decoding"].methods[7:]
SQUARES, DECODING, TRICKS = "Mao et al. 2017", "Chen et al. 2022", "the bag of tricks"


def constrained(*measures: tuple[str, str, bool]) -> list[Claim]:
    """What is claimed of the L2-norm constraints, by each of some measures (key, name, whether more
    of it is better)."""
    claims = []
    for name, source in (("sngan-gl2", THESIS), ("sngan-dl2", ARTICLE), ("sngan-l2", THESIS)):
        for key, unit, more in measures:
            given = source, last(key), unit, name, ("sngan",)
            claims.append(Claim(f"{name} is better than SNGAN", *given, more=more))
        key, unit, _ = measures[0]
        given = source, last(key), f"{unit}, distance from the median", name, ("sngan",)
        claims.append(Claim(f"{name} varies less over seeds", *given, of_spread=True))
    return claims


def steadier() -> list[Claim]:
    """What is claimed of the L2-norm constraints by the stability score and by steadiness alone."""
    return [
        Claim(f"{name} trains more steadily", source, steady(part), unit, name, ("sngan",),
              more=True)
        for name, source in (("sngan-gl2", THESIS), ("sngan-dl2", ARTICLE), ("sngan-l2", THESIS))
        for part, unit in (("score", "stability score"), ("steadiness", "steadiness"))
    ]  # fmt: skip


def against(base: str, source: str, says: str, names: Iterable[str]) -> list[Claim]:
    """That each of `names` is better than `base`, by FID and by recall."""
    return [
        Claim(says.format(name), source, last(key), unit, name, (base,), more=more)
        for name in names
        for key, unit, more in (("fid", "FID", False), ("recall", "recall", True))
    ]


def on_points(names: Iterable[str]) -> list[Claim]:
    """That each way of setting a constraint is better than SNGAN on the ring."""
    return [
        Claim(f"{name.partition(':')[2]} is better than SNGAN",
              THESIS if "generator-l2" in name else ARTICLE, last("energy_distance"),
              "energy distance", name, ("sngan",))
        for name in names
    ]  # fmt: skip


def squares(pair: tuple[str, str], how: str) -> list[Claim]:
    """What is claimed of least squares beside cross entropy, in some conditions."""
    one, other = pair
    given = [
        ("cross entropy saturates", saturated, "% of steps saturated", False),
        ("and leaves G a vanishing gradient", weak_gradient, "weakest over median gradient", True),
        ("squares are easier to read", legible, "% read correctly", True),
        ("squares are nearer to real characters", last("fid"), "FID", False),
    ]
    return [
        Claim(f"{how}: {says}", SQUARES, measure, unit, one, (other,), more=more)
        for says, measure, unit, more in given
    ]


OF_POINTS = (
    ("energy_distance", "energy distance", False),
    ("high_quality", "share within 3 sd of a mode", True),
)
OF_IMAGES = (("fid", "FID", False), ("recall", "recall", True))

CLAIMS: dict[str, list[Claim]] = {
    "digits": [
        Claim("InfoGAN's losses stay below 1", COMPARISON, highest(GL), "highest loss of G",
              "infogan", holds=lambda v: v is not None and v < 1),
        Claim("the same from iteration 750 on", COMPARISON, highest(GL, READ_FROM),
              "highest loss of G", "infogan", holds=lambda v: v is not None and v < 1),
        Claim("InfoGAN's losses have the smallest range", COMPARISON, extent(GL),
              "range of G's loss from iteration 750 on", "infogan", ("gan", "wgan-gp", "dcgan")),
        Claim("InfoGAN's pictures are the clearest", COMPARISON, recognised, "% recognised",
              "infogan", ("gan", "wgan-gp", "dcgan"), more=True),
        Claim("the same by distance", COMPARISON, last("fid"), "FID", "infogan",
              ("gan", "wgan-gp", "dcgan")),
        Claim("and complete", COMPARISON, last("recall"), "recall", "infogan",
              ("gan", "wgan-gp", "dcgan"), more=True),
        Claim("GAN's pictures are the noisiest", COMPARISON, probed("fine"),
              "log10 of fine detail beside the data's", "gan", ("infogan", "wgan-gp", "dcgan"),
              more=True),
        Claim("GAN's losses jump at iterations 750 to 1,000", COMPARISON, jump(GL),
              "step of the largest change of G's loss", "gan",
              holds=lambda v: v is not None and 750 <= v <= 1000),
        Claim("WGAN-GP converges after 1,500 iterations", COMPARISON, settled(DL),
              "step at which D's loss settles", "wgan-gp",
              holds=lambda v: v is not None and v >= 1500),
        Claim("DCGAN's losses do not settle", COMPARISON, settled(GL),
              "step at which G's loss settles", "dcgan", holds=lambda v: v is None),
    ],
    "ring": constrained(*OF_POINTS),
    "ring-long": [*constrained(*OF_POINTS), *steadier()],
    "ring-settings": on_points(STUDIES["ring-settings"].methods[1:]),
    "constraints": [
        *constrained(*OF_IMAGES),
        Claim("a fifth of the weight on G undoes that", "seen here", last("fid"), "FID",
              "sngan-l2:generator-l2.weight=0.01", ("sngan-l2",)),
        *(Claim("at a fifth of the weight on G both are better than SNGAN", "seen here", last(key),
                key.replace("fid", "FID"), "sngan-l2:generator-l2.weight=0.01", ("sngan",),
                more=key == "recall") for key in ("fid", "recall")),
        Claim("the constraint on D leaves G a smaller gradient", "seen here",
              late("g_gradient_norm"), "norm of G's gradient, last tenth", "sngan-dl2",
              ("sngan",)),
        Claim("and a smaller adversarial loss", "seen here", late(GL),
              "adversarial loss of G, last tenth", "sngan-dl2", ("sngan",)),
        Claim("beside which the constraint on G is nearly as much", "seen here",
              late("g_loss/generator-l2"), "weighted L2 loss of G, last tenth", "sngan-l2",
              holds=lambda v: v is not None and v > 0.6),
    ],
    "constraints-steady": steadier(),
    "tricks": [
        *against("dcgan:joint_batches=true", TRICKS, "separate batches help", ("dcgan",)),
        *against("dcgan", TRICKS, "{} helps",
                 [m for m in STUDIES["tricks"].methods[1:-1] if "joint" not in m]),
        *against("dcgan", TRICKS, "all of them help", STUDIES["tricks"].methods[-1:]),
    ],
    "saturation": [
        *squares(("multiclass-lsgan", "multiclass-gan"), "as published"),
        *squares(("multiclass-lsgan", "multiclass-gan:objective=minimax"), "saturating G"),
        *squares(STUDIES["saturation"].methods[3:5], "saturating G, five D steps"),
        *squares(STUDIES["saturation"].methods[5:7], "saturating G, no batch norm"),
    ],
    "decoding": [
        Claim("FID: below DCGAN's at equal epochs", DECODING, last("fid"), "FID", "decoding",
              ("dcgan",)),
        Claim("FID: below DCGAN's at equal seconds", DECODING, last("fid"), "FID", "decoding",
              ("dcgan:steps=1650",)),
        Claim("after half of the epochs", DECODING, within("fid", 500), "FID at iteration 500",
              "decoding", ("dcgan",)),
        Claim("FID: l2 below l1, joint steps and fixed features", DECODING, last("fid"), "FID",
              "decoding", VARIANTS),
        Claim("FID: l1 below normal features", DECODING, last("fid"), "FID", VARIANTS[0],
              VARIANTS[2:3]),
        Claim("FID: below the others of its table at equal seconds", DECODING, last("fid"), "FID",
              "decoding", PEERS),
        Claim("its sharpness is nearer to real", DECODING, last("sharpness_difference"),
              "distance from real sharpness", "decoding", ("dcgan", "decoding:decode=joint")),
        Claim("BEGAN's sharpness is the farthest from real", DECODING,
              last("sharpness_difference"), "distance from real sharpness", "began:steps=1250",
              ("decoding", "dcgan:steps=1650", *(p for p in PEERS if "began" not in p)),
              more=True),
        Claim("SAGAN: hinge below JS", DECODING, last("fid"), "FID", "sagan-hinge:steps=420",
              ("sagan-js:steps=420",)),
        Claim("and more complete", DECODING, last("recall"), "recall", "decoding",
              ("dcgan", "dcgan:steps=1650"), more=True),
        Claim("clipped weights pile up at the bound", COMPARISON, at_ends,
              "% of D's weights in the outermost 2 of 50 bins", "wgan:steps=460",
              ("wgan-gp:steps=400",), more=True),
        Claim("JS is kept from its constant", DECODING, apart(), "log 2 - JS as D sees it",
              "decoding", ("dcgan",), more=True),
    ],
    "drawings": [
        *constrained(*OF_IMAGES),
        *steadier(),
        *against("sngan", "docs/studies/own-pictures.md", "the recommended recipe is better than "
                 "SNGAN", (RECOMMENDED,)),
    ],
}  # fmt: skip


def lines(study: str, out: Path) -> Iterator[str]:
    """The table of a study's claims as Markdown."""
    results = in_words(study, read_results(out))
    yield "| claim | verdict | measured | | difference | p | n | seeds for power .8 | source |"
    yield "|---" * 9 + "|"
    for claim in CLAIMS[study]:
        one = by_seed(results, claim, claim.one)
        if not claim.others:
            yield alone(claim, one)
        for other in claim.others:
            yield compared(claim, one, other, by_seed(results, claim, other))


def course(study: str, out: Path) -> Iterator[str]:
    """The main distance at each evaluation, a line a method: mean and deviation over the seeds."""
    results, key = (
        in_words(study, read_results(out)),
        "energy_distance" if study.startswith("ring") else "fid",
    )
    title = "energy distance" if study.startswith("ring") else "FID"
    heads: list[int] = []
    for entry in results.entries:
        seen: dict[int, list[float]] = {}
        for run in entry.runs:
            folder = results.folder / "runs" / run.name
            for line in read_history(folder) if run.state == "finished" else ():
                if key in line and line["step"]:
                    seen.setdefault(line["step"], []).append(line[key])
        if not heads:
            heads = list(seen)
            yield f"| {title} after | {' | '.join(f'{step:,}' for step in heads)} |"
            yield "|---" * (len(heads) + 1) + "|"
        if list(seen) != heads:  # of another length
            continue
        cells = [f"{mean(v):.3g} ± {stdev(v):.2g}" if len(v) > 1 else "" for v in seen.values()]
        yield f"| `{called(entry.name)}` | {' | '.join(cells)} |"


def divergences(study: str, out: Path) -> Iterator[str]:
    """Log 2 - JS as D sees it in each quarter of the log, of the methods whose D has that loss."""
    results = in_words(study, read_results(out))
    yield "| log 2 - JS in | first quarter | second | third | last |"
    yield "|---" * 5 + "|"
    for name in (n for n in STUDIES[study].methods if n not in PEERS):
        cells = []
        for quarter in range(4):
            claim = Claim("", "", apart(quarter / 4, (quarter + 1) / 4), "", name)
            values = by_seed(results, claim, name)
            cells.append(shown({s: v for s, v in values.items() if v is not None}))
        yield f"| `{name}` | {' | '.join(cells)} |"


def in_words(study: str, results: Results) -> Results:
    """With the methods named as the study's command names them, in whose order they are."""
    named = zip(STUDIES[study].methods, results.entries, strict=True)
    entries = tuple(replace(entry, name=word) for word, entry in named)
    return replace(results, entries=entries)


def by_seed(results: Results, claim: Claim, name: str) -> dict[int, float | None]:
    """What a claim is of, for every finished run of a method."""
    entry = next(each for each in results.entries if each.name == name)
    found = {
        run.seed: claim.measure(Seen(list(read_history(results.folder / "runs" / run.name)), run))
        for run in entry.runs
        if run.state == "finished" and run.dig("measures") is not None
    }
    if not claim.of_spread:
        return found
    middle = median(value for value in found.values() if value is not None)
    return {seed: None if value is None else abs(value - middle) for seed, value in found.items()}


def called(word: str) -> str:
    """A method of a study for a table: one with every trick is too long."""
    return word if word.count(",") < 5 else f"{word.partition(':')[0]}:all"


def row(claim: Claim, verdict: str, values: str, *cells: str) -> str:
    """A line of the table: the verdict first, since wide tables are cut off on narrow screens."""
    return f"| {' | '.join((claim.says, verdict, claim.unit, values, *cells, claim.source))} |"


def alone(claim: Claim, values: dict[int, float | None]) -> str:
    said = ", ".join("none" if v is None else f"{v:.4g}" for v in values.values())
    assert claim.holds is not None
    yes = sum(claim.holds(value) for value in values.values())
    verdict = f"in {yes} of {len(values)} seeds"
    return row(claim, verdict, f"`{claim.one}`: {said}", "", "", str(len(values)), "")


def compared(
    claim: Claim, one: dict[int, float | None], name: str, other: dict[int, float | None]
) -> str:
    a, b = ({s: v for s, v in each.items() if v is not None} for each in (one, other))
    found = difference(claim.one, a, name, b)
    names = f"`{called(claim.one)}`", f"`{called(name)}`"
    if found is None or found.low is None or found.high is None:
        return row(claim, "no runs yet", ", ".join(names), "", "", "0", "")
    verdict = found.verdict
    if verdict != "open" and (found.mean > 0) != claim.more:
        verdict = f"the reverse: {verdict}"
    values = f"{names[0]} {shown(a)}, {names[1]} {shown(b)}"
    apart = f"{found.mean:.3g} ({found.low:.3g} to {found.high:.3g})"
    seeds = needed(found, a, b)
    return row(claim, verdict, values, apart, f"{found.p:.2g}", str(found.n), seeds)


def shown(values: dict[int, float]) -> str:
    if len(values) < 2:
        return ""
    return f"{mean(values.values()):.3g} ± {stdev(values.values()):.2g}"


def needed(found: Difference, a: dict[int, float], b: dict[int, float]) -> str:
    """How many paired seeds would show the observed difference in four of five studies, at p .05,
    by the normal approximation: ((1.96 + .84) sd / mean)^2; 6 at the least."""
    apart = [a[seed] - b[seed] for seed in sorted(set(a) & set(b))]
    spread = stdev(apart)
    if not found.mean:
        return "no difference"
    if abs(found.mean) < spread / 100:
        return "over 70,000"
    return f"{max(6, int(np.ceil(((1.96 + 0.84) * spread / found.mean) ** 2))):,}"


def costs(study: Study) -> Iterator[str]:
    """What an iteration of each method of a study takes, on one thread, in turn."""
    torch.set_num_threads(1)
    words = shlex.split(study.shared)
    request = read_request([word for word in words if "=" in word])
    data = open_data(words[words.index("--data") + 1], request.data)
    trainers = {
        word: trainer_of(entry.recipe, data)
        for word, entry in zip(
            study.methods, entries_of(study.methods, data.shape, request.recipe), strict=True
        )
    }
    for trainer in trainers.values():
        for stage, done in trainer.stage_steps.items():
            for _ in range(done, trainer.recipe.stage_length(stage)):
                trainer.take_stage_step(stage)
    taken = timed({word: each.iterate for word, each in trainers.items()}, steps=8, repeats=9)
    first = median(taken[study.methods[0]])
    yield f"| method | ms an iteration | times `{study.methods[0]}` |"
    yield "|---" * 3 + "|"
    for word, seconds in taken.items():
        yield f"| `{called(word)}` | {median(seconds) * 1e3:.1f} | {median(seconds) / first:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["list", "run", "table", "cost"])
    parser.add_argument("study", nargs="?", choices=list(STUDIES))
    parser.add_argument("--out", type=Path, default=Path("claims"))
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    if args.action == "list":
        for name, study in STUDIES.items():
            print(f"{name}: {study.about}")
            print(f"    {shlex.join(study.command(args.out / name, args.jobs))}")
        return
    if args.study is None:
        parser.error(f"{args.action} needs the name of a study: {', '.join(STUDIES)}")
    if args.action == "cost":
        print("\n".join(costs(STUDIES[args.study])))
        return
    if args.action == "table":
        out = args.out / args.study
        print("\n".join([*lines(args.study, out), "", *course(args.study, out)]))
        if args.study == "decoding":
            print("\n".join(["", *divergences(args.study, out)]))
        return
    command = STUDIES[args.study].command(args.out / args.study, args.jobs)
    sys.exit(subprocess.run([sys.executable, "-m", *command]).returncode)


if __name__ == "__main__":
    main()
