"""Formulas as the docstrings of methods write them, in plain letters, as MathML.

A line of a docstring's block is `L_D = E max(0, 1 - C(x)) + E max(0, 1 + C(g))    eq. 4`: a
formula, and where it is from. What holds a word that is no name of mathematics stays text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import latex2mathml.converter

GREEK = {"lambda", "gamma", "alpha", "beta", "delta", "tau", "mu", "nu", "sigma"}
FUNCTIONS = {
    "log", "max", "min", "exp", "softplus", "relu", "clip", "mean", "mean_i", "std", "softmax",
    "Dec", "Enc", "KL", "JS", "PT", "cos",
}  # fmt: skip
SYMBOLS = {
    "grad": r"\nabla ", "eps": r"\varepsilon ", "sum": r"\sum ", "->": r"\to ",
    "<-": r"\leftarrow ", "<=": r"\le ", ">=": r"\ge ", "||": r"\Vert ", "|": r"\vert ",
    "~": r"\sim ", "...": r"\ldots ",
}  # fmt: skip
TOKEN = re.compile(
    r"\\(?:hat|tilde)|\d+e-\d+|\d*\.\d+|\d+|\.\.\.|->|<-|<=|>=|\|\||[A-Za-z]+\d?|\{[^}]*\}|\s+|.",
    re.DOTALL,
)
#: Words among the symbols of a line that is still a formula.
MOST_WORDS = 4
LABEL = re.compile(r"([\w', -]+):\s+(.+)")


def rows_of(block: str) -> Iterator[tuple[str, str, str]]:
    """(label, formula, source) of each line of an indented block."""
    for line in block.splitlines():
        formula, _, source = re.sub(r"\s{2,}(?=\S)", "\0", line.strip()).rpartition("\0")
        if not formula:
            formula, source = source, ""
        formula = formula.replace("\0", " ")
        if formula.endswith(",") or source.startswith("="):  # a formula goes on
            formula, source = f"{formula} {source}", ""
        found = LABEL.fullmatch(formula)
        if found and (" " not in found[1] or mathml(found[2])):
            yield found[1], found[2], source
        else:
            yield "", formula, source


def latex(formula: str) -> str | None:
    """A formula as LaTeX, with the words that stand in one as text; None for what begins with a
    word."""
    text = re.sub(r"(\w)([\^~])(?=[\s),|]|$)", _accented, formula)
    text = re.sub(r"(?<=[A-Za-z])\*(?=[\s)=]|$)", r"^{*}", text)
    found: list[str] = []
    tokens = TOKEN.findall(text)
    if sum(map(_is_word, tokens)) > MOST_WORDS:
        return None
    for place, token in enumerate(tokens):
        after = "".join(tokens[place + 1 : place + 2])
        if _is_word(token):
            if not found:
                return None
            below = found[-1] == "_"
            found.append(rf"{{\text{{{token}}}}}" if below else rf"\text{{ {token} }}")
        else:
            found.append(_symbol(token, after))
    return "".join(found)


def _accented(match: re.Match[str]) -> str:
    return rf"\{'hat' if match[2] == '^' else 'tilde'}{{{match[1]}}}"


def _is_word(token: str) -> bool:
    known = {*FUNCTIONS, *GREEK, *SYMBOLS}
    return token.isalpha() and len(token) > 1 and token not in known


def _symbol(token: str, after: str) -> str:
    if token == "E" and after.isspace():
        return r"\mathbb{E}"
    if token in SYMBOLS:
        return SYMBOLS[token]
    if token in GREEK:
        return rf"\{token} "
    if token in FUNCTIONS:
        return rf"\operatorname{{{token}}}"
    if re.fullmatch(r"[A-Za-z]\d", token):  # R1
        return f"{token[0]}_{{{token[1]}}}"
    if "e-" in token:
        number, _, power = token.partition("e-")
        return rf"{number} \cdot 10^{{-{power}}}"
    if token.startswith("{") and len(token) > 1:
        inner = token[1:-1]
        return "{" + (latex(inner) or rf"\text{{{inner}}}") + "}"
    return token


def mathml(formula: str) -> str | None:
    """A formula as MathML; None for what is none, and for what cannot be read as one."""
    if "=" not in formula and not re.search(r"\bE |\bL_|\bKL\(", formula):
        return None
    text = latex(formula)
    try:
        return None if text is None else latex2mathml.converter.convert(text)
    except Exception:  # of a parser of another's: text is text still
        return None


def table(block: str) -> str:
    """The lines of a block as an HTML table of formulas and their sources."""
    lines = []
    for label, formula, source in rows_of(block):
        shown = mathml(formula) or html.escape(formula)
        head = f"<th>{html.escape(label)}</th>" if label else "<th></th>"
        lines.append(f"<tr>{head}<td>{shown}</td><td>{html.escape(source)}</td></tr>")
    return '<table class="formulas"><tbody>' + "".join(lines) + "</tbody></table>"
