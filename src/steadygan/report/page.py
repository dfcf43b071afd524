"""Puts the page together: the template, its style, its scripts and its data in one file."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from steadygan.files import write_whole
from steadygan.report import (
    diagnosis,
    differences,
    metrics,
    notices,
    overview,
    quality,
    steady,
    text,
)
from steadygan.report.autoencoder import autoencoders
from steadygan.report.charts import Gallery
from steadygan.report.facts import facts
from steadygan.report.losses import loss_chart, loss_rows, method_rows, player_name, players
from steadygan.report.read import Run, Study, families, read_folder
from steadygan.report.recipes import difference, flatten
from steadygan.report.samples import (
    MOST_BYTES,
    Frame,
    Pair,
    Table,
    at_bound,
    best_pairs,
    last_table,
    lightened,
    nearest_of,
    sample_frames,
    source,
    weight_bars,
)
from steadygan.report.settle import DEFINITION
from steadygan.report.signals import signal_groups
from steadygan.report.standing import standing

_HERE = Path(__file__).parent
_SCRIPTS = ("charts.js", "samples.js")
#: Seconds after which the page of a run that is running loads itself again.
RELOAD_AFTER = 15
#: The measures that have a place of their own in the page.
SHOWN = ("recognisable", "autoencoder", "quality")


def write_report(folder: Path) -> Path:
    """Writes `folder/report.html` atomically and returns its path.

    `folder` holds a run (`run.json`) or a study (`study.json`); raises UserError where it is
    neither or cannot be written to.
    """
    folder = Path(folder)
    page = render(read_folder(folder))
    path = folder / "report.html"
    write_whole(path, page)
    return path


def render(study: Study) -> str:
    """The whole page as text."""
    gallery = Gallery(study.runs)
    context = {
        **_first_screen(study),
        **_measured(study, gallery),
        **_curves(study.runs, gallery),
        **_pictures(study.runs, gallery),
        **_tables(study.runs),
    }
    context["data"] = script_json({**gallery.payload(), "frames": _frame_data(context["frames"])})
    context.update(_code())
    return _templates().get_template("report.html.jinja").render(context)


def prose(said: str) -> Markup:
    """A sentence with its `commands` set as code, and all else escaped."""
    pieces = said.split("`")
    if len(pieces) % 2 == 0:  # one that is not closed
        return Markup.escape(said)
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if i % 2 else piece
        for i, piece in enumerate(pieces)
    )


def script_json(value: Any) -> Markup:
    """JSON that is safe inside a script element: no text in it can end the element."""
    raw = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        raw = raw.replace(char, f"\\u{ord(char):04x}")
    return Markup(raw)


def _first_screen(study: Study) -> dict[str, Any]:
    shown, folded = diagnosis.shown(study)
    owner = study.info if not study.single else (study.runs[0].info if study.runs else {})
    return {
        "runs": study.runs,
        "families": families(study.runs),
        "others": [i for members in families(study.runs).values() for i in members[1:]],
        "first": [members[0] for members in families(study.runs).values()],
        "single": study.single,
        "running": study.single
        and any(run.get("status", "state") == "running" for run in study.runs),
        "reload_after": RELOAD_AFTER,
        "seeded": study.seeded,
        "heading": overview.heading(study),
        "summary": overview.summary(study),
        "standing": standing(study),
        "command": str(owner.get("command") or ""),
        "facts": facts(study),
        "notices": notices.notices(study),
        "diagnosed": diagnosis.first_line(study),
        "diagnoses": shown,
        "diagnoses_folded": folded,
        "glances": overview.glances(study),
        "each_glance": [overview.glance(index, run) for index, run in enumerate(study.runs)],
        "speeds": overview.speed_table(study),
        "each_speed": overview.speed_rows(study.runs),
    }


def _measured(study: Study, gallery: Gallery) -> dict[str, Any]:
    """Quality, stability and differences."""
    runs = study.runs
    curves = quality.quality_charts(runs)
    cloud = None if study.single else quality.precision_recall(study)
    found = steady.stabilities(runs)
    scores = steady.score_rows(study, found)
    return {
        "outcome": quality.outcome(study),
        "quality_curves": [(chart, gallery.add(chart)) for chart in curves],
        "quality_tables": [] if study.single else quality.quality_tables(study),
        "numbers": quality.numbers_of(study) if study.single and runs else [],
        "numbers_doubtful": any(quality.doubt_of(r, at) for r in runs for at in ("last", "best")),
        "number_steps": [quality.when_of(run, at) for run in runs[:1] for at in ("last", "best")],
        "cloud": cloud and gallery.add(cloud),
        "basis": metrics.basis(runs),
        "evaluated": quality.evaluated(runs),
        "scores": scores,
        "signs": steady.sign_rows(study, found),
        "parts": steady.PARTS,
        "main_title": main.title if (main := quality.main_metric(study)) else "",
        "said_of_differences": differences.said(study),
        "differences": differences.rows(study),
    }


def _curves(runs: list[Run], gallery: Gallery) -> dict[str, Any]:
    names = players(runs)
    panels = []
    for index, run in enumerate(runs):
        charts = [loss_chart(index, run, player) for player in names]
        if any(charts):
            panels.append((index, [(chart, chart and gallery.add(chart)) for chart in charts]))
    groups = [
        (group, [(chart, gallery.add(chart)) for chart in group.charts])
        for group in signal_groups(runs)
    ]
    return {
        "loss_players": [player_name(player) for player in names],
        "loss_panels": panels,
        "loss_rows": method_rows(runs) if len(families(runs)) < len(runs) else loss_rows(runs),
        "each_loss": loss_rows(runs),
        "definition": DEFINITION,
        "groups": groups,
    }


def _pictures(runs: list[Run], gallery: Gallery) -> dict[str, Any]:
    found = [
        table
        for kind in ("codes", "classes")
        for index, run in enumerate(runs)
        if (table := last_table(kind, index, run))
    ]
    tables, later = _by_method(runs, found)
    built = autoencoders(runs)
    nearest = nearest_of(runs)
    others = [t.source for t in found] + [b.source for b in built] + [n.source for n in nearest]
    frames, left_out, pairs = _grids(runs, sum(map(len, others)))
    histograms = [bars for i, run in enumerate(runs) if (bars := weight_bars(i, run))]
    histograms.sort(key=lambda bars: _wgan_first(runs[bars.owner]))
    return {
        "frames": frames,
        "left_out": left_out,
        "last_frames": [source(mine[-1].png) if mine else "" for mine in frames],
        "pairs": pairs,
        "nearest": nearest,
        "autoencoders": built,
        "histograms": [(bars, at_bound(bars), gallery.add(bars)) for bars in histograms],
        "tables": tables,
        "later_tables": later,
    }


def _grids(runs: list[Run], taken: int) -> tuple[list[list[Frame]], int, list[Pair]]:
    """Grids through time and those at best, within the size limit for pictures, less `taken`, the
    length of the others in the page."""
    every = sample_frames(runs)
    pairs = best_pairs(runs, every)
    taken += sum(len(pair.best) + len(pair.last) for pair in pairs)
    frames, left_out = lightened(runs, every, MOST_BYTES - taken * 3 // 4)
    return frames, left_out, pairs


def _by_method(runs: list[Run], tables: list[Table]) -> tuple[list[Table], list[Table]]:
    """The tables of each method's first run that has one, and those of its other seeds."""
    first: dict[tuple[str, str], Table] = {}
    for table in tables:
        first.setdefault((table.kind, runs[table.run].family), table)
    return list(first.values()), [table for table in tables if table not in first.values()]


def _wgan_first(run: Run) -> int:
    return {"wgan": 0, "wgan-gp": 1}.get(run.method, 2)


def _tables(runs: list[Run]) -> dict[str, Any]:
    differs, shared = difference(runs, [flatten(run.recipe) for run in runs])
    more = []
    for run in runs:
        measures = run.get("measures")
        known = measures if isinstance(measures, dict) else {}
        more.append(flatten({key: known[key] for key in known if key not in SHOWN}))
    more_differs, more_shared = difference(runs, more)
    return {
        "differs": differs,
        "shared": shared,
        "measures": [table for table in (more_differs, more_shared) if table.size],
        "quarantine": _quarantine(runs),
    }


def _quarantine(runs: list[Run]) -> list[tuple[str, str]]:
    """Each bad file once, with its reason."""
    found: dict[tuple[str, str], None] = {}
    for run in runs:
        listed = run.get("quarantine")
        for item in listed if isinstance(listed, list) else []:
            if isinstance(item, dict):
                found[text.words(item.get("path")), text.words(item.get("reason"))] = None
    return list(found)


def _frame_data(frames: list[list[Frame]]) -> list[list[dict[str, Any]]]:
    """The frames for the script; the last one's picture is in the page already."""
    return [
        [
            {
                "step": frame.step,
                "images": frame.images,
                "seconds": frame.seconds,
                "source": "" if frame is mine[-1] else source(frame.png),
            }
            for frame in mine
        ]
        for mine in frames
    ]


@cache
def _templates() -> jinja2.Environment:
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        figure=text.figure, count=text.count, percent=text.percent, words=text.words, prose=prose
    )
    return env


@cache
def _code() -> dict[str, Any]:
    """Style and scripts, and the policy that lets the browser run these and load nothing else."""
    # Written with `\/`, which a script reads as `/`, plotly's own texts hold no address either.
    plotly = get_plotlyjs().replace("http://", "http:\\/\\/").replace("https://", "https:\\/\\/")
    script = "\n".join((_HERE / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    digests = (hashlib.sha256(code.encode()).digest() for code in (plotly, script))
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    policy = (
        "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; "
        f"script-src {allowed}; base-uri 'none'; form-action 'none'"
    )
    style = (_HERE / "report.css").read_text(encoding="utf-8")
    return {
        "plotly": Markup(plotly),
        "script": Markup(script),
        "style": Markup(style),
        "policy": policy,
    }
