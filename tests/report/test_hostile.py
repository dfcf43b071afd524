"""R19: 60 payloads in every place of a user's words leave the tags of a harmless report."""

import itertools
import json
import re

import pytest

from steadygan.report import write_report
from steadygan.report.page import _code, script_json

SCRIPTS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script href=data:,alert(1) />",
    "<body onload=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<a href='https://evil.example'>%{fullData.name}</a>",
    "<a href=javascript:alert(1)>x</a>",
    "<input autofocus onfocus=alert(1)>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=http://evil.example'>",
    "<form action=http://evil.example><button>x</button></form>",
]
BREAKS = ["</script>", "\"'>", "--></style></title></table>"]
OTHERS = [
    "' onmouseover=alert(1) x='",
    '" style=position:fixed onclick=alert(1) x="',
    "<!--<script>",
    "]]><!--",
    "{{ 7 * 7 }}{% raw %}",
    "{{ self.__init__.__globals__ }}",
    "javascript:alert(1)",
    "https://evil.example/track.png",
    "hthttps://tps://evil.example",
    "HtTp:////evil.example",
    "\u2028alert(1)\u2029",
    "gpj.\u202etpircs\u2066",
    "\x00\x1b[31m\ud800\ufeff",
    "&lt;script&gt;&#60;script&#62;",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "\\u003cscript\\u003e\\x3cscript\\x3e",
    "${alert(1)}`",
    "__proto__",
]
PAYLOADS = [*("".join(pair) for pair in itertools.product(BREAKS, SCRIPTS)), *OTHERS]


def hostile(make, folder, text):
    """A study with the payload in every place that a user's words can come from."""
    key = text.replace("/", "_")
    info = make.run_json("gan") | {"name": text, "method": text, "title": text, "command": text}
    info["data"] |= {"name": text, "spec": text, "class_names": [text] * 3, "fingerprint": text}
    info["quarantine"] = [{"path": text, "reason": text}]
    info["inexact"] = [text]
    info["status"] |= {"state": "failed", "reason": text}
    info["recipe"] |= {f"k{text}": {"name": f"n{text}", f"x{text}": text}}
    info["versions"] |= {f"v{text}": text}
    info["measures"]["recognisable"]["verdict"] = text
    info["measures"]["own"] = {f"m{text}": text}
    _, lines = make.judge(info, make.history("gan", lines=30), 20.0)
    quality, evaluation = info["measures"]["quality"], info["evaluation"]
    for facts in (quality, evaluation):
        facts |= {"features": text, "feature_hash": text, "count": text}
    evaluation["every"] = text
    info["best"] = {"step": text, "samples": text}
    for line in lines:
        line |= {f"s{key}": 1.0, f"d_loss/{key}": line.get("d_loss", 1) / 2, f"z{key}_loss": 1.0}
    run = make.write_run(folder / "runs" / "a", info, lines)
    make.write_run(folder / "runs" / "b", make.run_json("dcgan"), [])
    make.write_study(folder, ["runs/a", "runs/b", f"runs/missing {key}"], command=text, data=text)
    tables = make.tables({text: [20.0], "dcgan": [30.0]})
    tables |= {"said_of_differences": text, "notes": [text], "main": "fid"}
    tables["metrics"] = [{"key": "fid", "title": text, "lower_is_better": text}]
    tables["runs"] = [{"name": text, "entry": text}, {"name": "dcgan-s0", "entry": "dcgan"}]
    tables["differences"]["fid"][0] |= {"other": text, "n": text}
    (folder / "tables.json").write_text(json.dumps(tables), encoding="utf-8")
    return run


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def pages(make, folder, text):
    """The reports of the study and of its run, less the 4 MB of plotly, which no word can be in."""
    run = hostile(make, folder, text)
    plotly = str(_code()["plotly"])
    found = [write_report(path).read_text(encoding="utf-8") for path in (folder, run)]
    assert all(page.count(plotly) == 1 for page in found)
    return [page.replace(plotly, "") for page in found]


@pytest.fixture(scope="module")
def harmless(make, tmp_path_factory):
    return [make.Page(page) for page in pages(make, tmp_path_factory.mktemp("a"), "harmless")]


def test_plotly_itself_holds_no_address():
    assert not re.search(r"https?://", str(_code()["plotly"]), re.IGNORECASE)


def test_there_are_sixty_payloads():
    assert len(set(PAYLOADS)) == 60


def test_json_in_a_script_element_holds_no_markup_and_means_the_same():
    words = ["</script >", "<!--<script", "&amp;", "\u2028", "图"]
    raw = script_json(words)
    assert not re.search("[<>&\u2028]", raw)
    assert json.loads(raw) == words


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_word_of_a_user_becomes_markup(payload, make, harmless, tmp_path):
    for page, expected in zip(pages(make, tmp_path, payload), harmless, strict=True):
        parsed = make.Page(page)
        assert parsed.tags == expected.tags
        assert len(parsed.scripts) == len(expected.scripts)
        assert not re.search(r"https?://", page, re.IGNORECASE)
        assert len(data_of(page)["charts"]) > 10


def test_each_place_shows_the_words_as_written(make, tmp_path):
    said = make.Page(pages(make, tmp_path, "<b>it</b>")[1]).said
    assert said.count("<b>it</b>") >= 15
