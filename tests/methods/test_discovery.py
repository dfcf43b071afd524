"""Methods are found by file name, and by nearly right names."""

import pkgutil
import re
from pathlib import Path

import pytest

import steadygan.methods
from steadygan.errors import UserError
from steadygan.methods import FAMILIES, by_family, find, methods
from steadygan.study.describe import listing


def test_every_file_gives_methods_in_alphabetical_order():
    names = list(methods())
    assert names == sorted(names)
    assert {"gan", "dcgan", "infogan", "wgan", "wgan-gp"} <= set(names)
    for info in pkgutil.iter_modules(steadygan.methods.__path__):
        module = getattr(steadygan.methods, info.name)
        if not getattr(module, "recipes", None):
            assert find(info.name).recipe == module.recipe.changed(method=find(info.name).name)


@pytest.mark.parametrize(
    ("name", "nearest"), [("dcgann", "dcgan"), ("wgangp", "wgan-gp"), ("inforgan", "infogan")]
)
def test_an_unknown_method_names_the_nearest(name, nearest):
    with pytest.raises(UserError) as raised:
        find(name)
    assert str(raised.value) == f"unknown method '{name}'; did you mean '{nearest}'?"


def test_a_file_may_give_several_recipes(monkeypatch):
    from steadygan.methods import gan

    both = {"gan-ns": gan.recipe, "gan-minimax": gan.recipe.changed(objective="minimax")}
    monkeypatch.setattr(gan, "recipes", both, raising=False)
    found = methods.__wrapped__()
    assert "gan" not in found
    assert found["gan-minimax"].recipe.objective.name == "minimax"
    assert found["gan-ns"].recipe.method == "gan-ns"


def test_every_method_has_a_family_and_says_when_to_use_it():
    for name, method in methods().items():
        assert method.family in FAMILIES, name
        assert 20 <= len(method.use_when) <= 80, name
        assert method.work.endswith(re.search(r"\d{4}", method.title).group()), name
    assert [name for listed in by_family().values() for name in sorted(m.name for m in listed)] == [
        method.name for listed in by_family().values() for method in listed
    ]
    assert sum(map(len, by_family().values())) == len(methods())


def test_the_readme_has_the_same_families():
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w ,-]+) \| ((?:`[\w-]+` ?)+) \|", readme, re.MULTILINE)
    said = {family: sorted(re.findall(r"`([\w-]+)`", names)) for family, names in rows}
    assert {family: said.get(family) for family in FAMILIES} == {
        family: sorted(method.name for method in listed) for family, listed in by_family().items()
    }


def test_the_listing_says_each_method_once_under_its_family():
    lines = listing().splitlines()
    for family, listed in by_family().items():
        at = lines.index(family)
        end = lines.index("", at) if "" in lines[at:] else len(lines)
        words = [line.split()[0] for line in lines[at + 1 : end : 2]]
        assert words == [method.name for method in listed]
