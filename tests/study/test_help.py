"""What the command line says of itself: help, examples, version."""

import shlex
import sys

import pytest
from typer.main import get_command

from steadygan import cli
from steadygan.training.facts import versions


def leaves(group, words=()):
    """Every command below a group, as (its words, the command)."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from leaves(command, (*words, name))
        else:
            yield (*words, name), command


COMMANDS = dict(leaves(get_command(cli.app)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_example_of_help_is_one_that_the_command_takes(words):
    command = COMMANDS[words]
    _, *examples = command.epilog.split("\n\n")
    assert examples
    for example in examples:
        program, *rest = shlex.split(example)
        assert (program, tuple(rest[: len(words)])) == ("steadygan", words)
        command.make_context(words[-1], rest[len(words) :])  # raises for an unknown option


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_option_and_argument_says_what_it_is(words):
    for parameter in COMMANDS[words].params:
        if not getattr(parameter, "hidden", False):
            assert parameter.help, parameter.name


def test_the_version_is_that_of_the_package(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["steadygan", "--version"])
    cli.main()
    assert capsys.readouterr().out == f"steadygan {versions()['steadygan']}\n"
