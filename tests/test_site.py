"""The documentation site: formulas, and the pages that are made from methods. `make docs` builds it
strictly."""

import importlib
import sys
from pathlib import Path

import pytest

from steadygan.methods import methods

pytest.importorskip("latex2mathml")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def formulas():
    sys.path.insert(0, str(ROOT / "docsite"))
    yield importlib.import_module("formulas")
    sys.path.remove(str(ROOT / "docsite"))


@pytest.fixture(scope="module")
def hooks(formulas):
    pytest.importorskip("mkdocs")
    return importlib.import_module("hooks")


FORMULAS = {
    "L_D = E max(0, 1 - C(x))": r"L_D = \mathbb{E} \operatorname{max}(0, 1 - C(x))",
    "E (||grad C(x^)|| - 1)^2": r"\mathbb{E} (\Vert \nabla  C(\hat{x})\Vert  - 1)^2",
    "z = E(x~)": r"z = E(\tilde{x})",
    "C* = p_d / (p_d + p_g)": r"C^{*} = p_d / (p_d + p_g)",
    "R1 = gamma/2": r"R_{1} = \gamma /2",
    "n_critic = 2e-4": r"n_{\text{critic}} = 2 \cdot 10^{-4}",
    "k_{t+1} = x a sample": r"k_{t+1} = x a \text{ sample }",
    "spectral norm in G": None,
    "x = a word too much for a formula": None,
}  # fmt: skip


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_in_plain_letters_is_latex(formula, formulas):
    assert formulas.latex(formula) == FORMULAS[formula]


def test_a_block_has_labels_formulas_and_sources(formulas):
    block = "    rpgan:  L_D = -E log s(C(x))     section 4.1\n    Adam(2e-4), batch 64   appendix"
    assert list(formulas.rows_of(block)) == [
        ("rpgan", "L_D = -E log s(C(x))", "section 4.1"), ("", "Adam(2e-4), batch 64", "appendix"),
    ]  # fmt: skip
    table = formulas.table(block)
    assert table.count("<math") == 1
    assert "<td>Adam(2e-4), batch 64</td>" in table


def test_every_method_has_a_page_with_its_formulas_and_settings(hooks):
    for name, method in methods().items():
        page = hooks.page_of(method)
        assert page.startswith(f"# {name}\n")
        assert f"steadygan train {name}" in page
        assert method.use_when in page
        assert "| `batch` |" in page
        assert "<math" in page, name
    assert all(f"[`{name}`]({name}.md)" in hooks.listing() for name in methods())


def test_rows_are_about_the_method_that_they_name(hooks):
    assert hooks.is_about("wgan", "| `wgan` | 3 |")
    assert hooks.is_about("wgan-gp", "| WGAN-GP: mean norm | 3 |")
    assert hooks.is_about("dcgan", "| `dcgan preset=light --add x` | 3 |")
    for row in ("| `wgan-gp` | 3 |", "| WGAN-GP: norm | wgan |", "| multiclass-wgan: x | 1 |"):
        assert not hooks.is_about("wgan", row)
    assert "0.962" in "".join(hooks.measured("infogan"))
