"""Pages of the documentation site that are made from the sources: see `mkdocs.yml`.

A page a method from its file (docstring, when to use it, recipe and presets) with what the studies
in `docs/` measured of it; the list of methods; the reference of the public names; and README and
CONTRIBUTING, which lie outside of `docs/`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

import formulas

from steadygan import _HOME
from steadygan.methods import Method, by_family, methods
from steadygan.recipes.overrides import flat
from steadygan.study.describe import typed

ROOT = Path(__file__).parents[1]
#: Pages that lie at the root of the repository, by what they are called here.
AT_ROOT = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md"}
#: Documents with measured tables.
MEASURED = ("properties.md", "speed.md", "studies/small-images.md", "studies/own-pictures.md",
            "studies/all-methods.md", "studies/characters.md", "studies/line-drawings.md",
            "studies/first-look.md")  # fmt: skip


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The pages of methods and symptoms in the navigation, which `mkdocs.yml` leaves open."""
    assert config.nav is not None
    families = [{family: [{m.name: f"methods/{m.name}.md"} for m in listed]}
                for family, listed in by_family().items()]  # fmt: skip
    symptoms = sorted(path.name for path in (ROOT / "docs" / "diagnosis").glob("*.md"))
    more = {"Methods": families, "Diagnosis": [{"Each": [f"diagnosis/{n}" for n in symptoms]}]}
    for section in config.nav:
        for title, pages in more.items():
            if title in section:
                section[title] += pages
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    pages = {to: at_root(name) for name, to in AT_ROOT.items()}
    pages["methods/index.md"] = listing()
    for method in methods().values():
        pages[f"methods/{method.name}.md"] = page_of(method)
    pages["reference.md"] = reference()
    for place, text in pages.items():
        files.append(File.generated(config, place, content=text))
    return files


def at_root(name: str) -> str:
    """A page of the repository's root, its links as they are from here."""
    text = (ROOT / name).read_text(encoding="utf-8")
    text = text.replace("](docs/", "](").replace("](README.md", "](index.md")
    text = text.replace("](CONTRIBUTING.md", "](contributing.md")
    # What is in the repository and not on the site is named without a link.
    return re.sub(r"\[([^\]]+)\]\((?:LICENSE|CITATION\.cff|Makefile|src/[^)]*|tests/[^)]*)\)",
                  r"\1", text)  # fmt: skip


def on_page_markdown(markdown: str, **_: object) -> str:
    """Links to the repository's root, which the site has not."""
    markdown = re.sub(r"\[([^\]]+)\]\(\.\./(?:CITATION\.cff|LICENSE)\)", r"\1", markdown)
    markdown = markdown.replace("](../CONTRIBUTING.md", "](contributing.md")
    return markdown.replace("](../README.md", "](index.md")


# ---- methods -------------------------------------------------------------------------------------


def listing() -> str:
    lines = ["# Methods", ""]
    for family, listed in by_family().items():
        lines += [f"## {family}", "", "| method | use it when | paper |", "|---|---|---|"]
        lines += [f"| [`{m.name}`]({m.name}.md) | {m.use_when} | {m.work} |" for m in listed]
        lines.append("")
    return "\n".join(lines)


def page_of(method: Method) -> str:
    title, *paragraphs = method.doc.split("\n\n")
    lines = [f"# {method.name}", "", linked(" ".join(title.split())), ""]
    lines += [f"**Use it when** {method.use_when}.", ""]
    for paragraph in paragraphs:
        if paragraph.startswith("    "):
            lines += [formulas.table(paragraph), ""]
        else:
            lines += [linked(escaped(" ".join(paragraph.split()))), ""]
    lines += ["## Train it", "", "```"]
    light = " preset=light" if "light" in method.presets else ""
    lines += [f"steadygan train {method.name}{light} --data mnist --budget 5m", "```", ""]
    lines += measured(method.name)
    lines += ["## Recipe", "", *settings_of(method), ""]
    for name, keys in method.presets.items():
        said = " ".join(f"{key}={value}" for key, value in keys.items())
        lines += [f"- `preset={name}`: `{said}`"]
    return "\n".join(lines) + "\n"


def settings_of(method: Method) -> Iterator[str]:
    """A table of the recipe's settings; those that say "none" are left out."""
    yield "| setting | value |"
    yield "|---|---|"
    shown = typed(method.recipe)
    for key in flat(method.recipe):
        if shown[key] != "none":
            yield f"| `{key}` | {escaped(shown[key])} |"


def measured(name: str) -> list[str]:
    """The rows about a method in the tables of `MEASURED`, each with its head and page."""
    lines: list[str] = []
    pictures: list[str] = []
    for page in MEASURED:
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        title = text.partition("\n")[0].removeprefix("# ")
        for head, rows in tables(text):
            own = [row for row in rows if is_about(name, row)]
            if own:
                lines += [f"[{title}](../{page}):", "", *head, *own, ""]
                pictures += re.findall(r"^!\[[^]]*\]\(\.\./images/[^)]*\)", text, re.MULTILINE)[:1]
    if pictures:
        lines += ["Samples as they came, of this and other methods, from those pages:", ""]
        lines += [line for each in list(dict.fromkeys(pictures))[:2] for line in (each, "")]
    return ["## Measured", "", *lines] if lines else []


def tables(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """Head and rows of each table of a page."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        head, rule, *rows = block.splitlines()
        if re.fullmatch(r"[|:\- ]+", rule) and rows:
            yield [head, rule], rows


def is_about(name: str, row: str) -> bool:
    """Whether the first cell of a row names the method, as a word of its own."""
    first = row.strip("|").split("|")[0]
    quoted = re.search(r"`([\w-]+)(?: [^`]*)?`", first)
    if quoted:
        return quoted[1] == name
    word = re.escape(name)
    return re.search(rf"(?<![\w-]){word}(?![\w-])", first, re.IGNORECASE) is not None


def escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~^$])", r"\\\1", text)


def linked(text: str) -> str:
    """arXiv numbers and DOIs as links."""
    text = re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)
    return re.sub(r"doi:(10\.\d+/[\w./-]*\w)", r"[doi:\1](https://doi.org/\1)", text)


# ---- reference -----------------------------------------------------------------------------------


def reference() -> str:
    """The public names, each where it is defined."""
    lines = ["# Reference", "", "What `from steadygan import ...` gives.", ""]
    for name, home in sorted(_HOME.items(), key=lambda each: each[0].lower()):
        module, _, other = home.partition(":")
        lines += [f"::: steadygan.{module}.{other or name}", ""]
        if other:
            lines[-1:] = ["    options:", f"      heading: {name}", f"      toc_label: {name}", ""]
    return "\n".join(lines)
