"""`steadygan cite`."""

import re
import sys
from importlib import metadata
from pathlib import Path

import pytest

from steadygan import cli
from steadygan.export.citations import Paper, authors, bibtex, cited, paper_of
from steadygan.methods import methods
from steadygan.training import train
from tests.reliability import games


@pytest.mark.parametrize("method", sorted(methods()))
def test_every_method_has_a_paper_with_a_number(method):
    paper = paper_of(method, methods()[method].title)
    assert paper is not None
    assert re.fullmatch(r"arXiv:\d{4}\.\d{4,5}|doi:10\.\d+/\S+[^.]", paper.where)
    assert 2014 <= paper.year <= 2025
    assert str(paper.year) in methods()[method].title


def test_an_entry_is_bibtex():
    paper = paper_of("decoding", methods()["decoding"].title)
    title, doi = "GANs under Decoding Constraint", "doi:10.16383/j.aas.c190496"
    assert paper == Paper("decoding", "Chen, Chen, He & Zhu", 2022, title, doi)
    assert bibtex(paper) == (
        "@misc{decoding,\n  title = {{GANs under Decoding Constraint}},\n"
        "  author = {Chen and Chen and He and Zhu},\n  year = {2022},\n"
        "  doi = {10.16383/j.aas.c190496}\n}"
    )
    assert authors("Radford et al.") == "Radford and others"
    assert authors("Berthelot, Schumm & Metz") == "Berthelot and Schumm and Metz"
    assert authors("Su") == "Su"


def test_parts_and_measures_are_cited_once_each():
    facts = {
        "method": "sngan", "title": methods()["sngan"].title,
        "recipe": {"shared": [{"name": "spectral-norm"}, {"name": "diffaugment"}]},
        "measures": {"quality": {"last": {"fid": 3.0, "kid": None, "precision": 0.5}}},
    }  # fmt: skip
    assert [paper.key for paper in cited(facts)] == [
        "sngan", "diffaugment", "fid", "precision-recall"]  # fmt: skip
    assert [paper.key for paper in cited({**facts, "title": "mine", "measures": None})] == [
        "sngan", "diffaugment"]  # fmt: skip


def test_the_command_prints_the_method_and_this_software(tmp_path, monkeypatch, capsys):
    run = train(games.small("gan"), games.images(), out=tmp_path / "run", steps=1, device="cpu",
                title=methods()["gan"].title)  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["steadygan", "cite", str(run)])
    cli.main()
    said = capsys.readouterr().out
    assert "eprint = {1406.2661}" in said
    assert f"version = {{{metadata.version('steadygan')}}}" in said


def test_the_citation_file_has_the_version_of_the_package():
    text = (Path(__file__).parents[2] / "CITATION.cff").read_text()
    assert f"version: {metadata.version('steadygan')}\n" in text
