"""What to cite for a run, as BibTeX: the papers of its method, its parts and the measures that were
taken, and this software."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple


class Paper(NamedTuple):
    """`authors` as they are named in text: `Mao et al.`, `Su`, `Chen, Chen, He & Zhu`; `where`: an
    arXiv number, or journal and doi."""

    key: str
    authors: str
    year: int
    title: str
    where: str


#: Of what a recipe or a run may hold, by its name.
PAPERS = {
    "diffaugment": Paper("diffaugment", "Zhao et al.", 2020,
                         "Differentiable Augmentation for Data-Efficient GAN Training",
                         "arXiv:2006.10738"),
    "ada": Paper("ada", "Karras et al.", 2020,
                 "Training Generative Adversarial Networks with Limited Data", "arXiv:2006.06676"),
    "spectral-norm": Paper("sngan", "Miyato et al.", 2018,
                           "Spectral Normalization for Generative Adversarial Networks",
                           "arXiv:1802.05957"),
    "gradient-penalty": Paper("wgan-gp", "Gulrajani et al.", 2017,
                              "Improved Training of Wasserstein GANs", "arXiv:1704.00028"),
    "r1": Paper("r1", "Mescheder et al.", 2018,
                "Which Training Methods for GANs do actually Converge?", "arXiv:1801.04406"),
    "lecam": Paper("lecam", "Tseng et al.", 2021,
                   "Regularizing Generative Adversarial Networks under Limited Data",
                   "arXiv:2104.03310"),
    "instance-noise": Paper("instance-noise", "Sonderby et al.", 2017,
                            "Amortised MAP Inference for Image Super-resolution",
                            "arXiv:1610.04490"),
    "fid": Paper("fid", "Heusel et al.", 2017,
                 "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash "
                 "Equilibrium",
                 "arXiv:1706.08500"),
    "kid": Paper("kid", "Binkowski et al.", 2018, "Demystifying MMD GANs", "arXiv:1801.01401"),
    "inception_score": Paper("inception-score", "Salimans et al.", 2016,
                             "Improved Techniques for Training GANs", "arXiv:1606.03498"),
    "precision": Paper("precision-recall", "Kynkaanniemi et al.", 2019,
                       "Improved Precision and Recall Metric for Assessing Generative Models",
                       "arXiv:1904.06991"),
    "coverage": Paper("density-coverage", "Naeem et al.", 2020,
                      "Reliable Fidelity and Diversity Metrics for Generative Models",
                      "arXiv:2002.09797"),
    "birthday": Paper("birthday", "Arora & Zhang", 2017,
                      "Do GANs actually learn the distribution? An empirical study",
                      "arXiv:1706.08224"),
}  # fmt: skip
#: `TITLE. AUTHORS YEAR, "PAPER"...`, as the files of methods begin.
REFERENCE = re.compile(
    r'(?P<authors>[^.]*?(?: al\.)?) (?P<year>\d{4}), "(?P<title>[^"]+)"(?P<rest>.*)'
)


def cited(facts: dict[str, Any]) -> Iterator[Paper]:
    """The papers of a run, each once."""
    found = [paper_of(facts["method"], facts["title"])]
    recipe = facts["recipe"]
    parts = [part["name"] for side in ("on_d", "on_g", "shared") for part in recipe.get(side, ())]
    last = ((facts.get("measures") or {}).get("quality") or {}).get("last") or {}
    measured = [key for key, value in last.items() if value is not None]
    found += [PAPERS.get(name) for name in (*parts, *measured)]
    seen: set[str] = set()
    for paper in found:
        if paper is not None and paper.where not in seen:
            seen.add(paper.where)
            yield paper


def paper_of(method: str, title: str) -> Paper | None:
    """The paper that the title of a method names; None for a method of one's own."""
    found = REFERENCE.search(title.partition(". ")[2])
    if found is None:
        return None
    where = re.search(r"arXiv:[\d.]+\d|doi:[^\s,]+[^\s,.]", found["rest"])
    return Paper(method, found["authors"], int(found["year"]), found["title"],
                 where[0] if where else "")  # fmt: skip


def bibtex(paper: Paper) -> str:
    """The entry of a paper."""
    fields = {"title": f"{{{_plain(paper.title)}}}", "author": authors(paper.authors),
              "year": str(paper.year)}  # fmt: skip
    kind, _, number = paper.where.partition(":")
    if kind == "arXiv":
        fields |= {"eprint": number, "archiveprefix": "arXiv"}
    elif kind == "doi":
        fields["doi"] = number
    return entry("misc", paper.key, fields)


def authors(text: str) -> str:
    """`Chen, He & Zhu` as `Chen and He and Zhu`; `et al.` as `others`."""
    text = re.sub(r"\s+et al\.?$", " and others", text)
    return _plain(" and ".join(re.split(r",\s*|\s*&\s*", text)))


def software(version: str) -> str:
    """The entry of this software."""
    return entry("software", "steadygan", {
        "title": "{steadygan: train GANs that stay stable, and prove it}",
        "author": "{steadygan contributors}", "version": version,
    })  # fmt: skip


def entry(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}\n}}"


def _plain(text: str) -> str:
    """Text without what TeX reads as a command."""
    return re.sub(r"([&%$#_])", r"\\\1", text)
