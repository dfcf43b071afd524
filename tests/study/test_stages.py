"""A pre-training stage shows its own progress, in a terminal and in a pipe."""

import io
import re

import pytest
from rich.console import Console
from rich.progress import Progress
from tiny import GREY, shrunk, trainer

from steadygan.methods import find
from steadygan.study import stages
from steadygan.study.progress import RunBar
from steadygan.study.stages import going_on
from steadygan.training import Goal


def progress(terminal):
    return Progress(console=Console(file=io.StringIO(), force_terminal=terminal, width=200))


@pytest.fixture
def game():
    return trainer(shrunk(find("decoding").recipe, autoencoder_steps=6, feature_batches=3), GREY)


def tasks(shown):
    return {task.description.strip(): task for task in shown.tasks}


def test_a_stage_has_a_bar_of_its_own_that_leaves_when_the_stage_is_done(game, monkeypatch):
    monkeypatch.setattr(stages, "OFTEN", 0.0)
    shown = progress(terminal=True)
    bar = RunBar(shown, "decoding", Goal(steps=4))
    assert set(tasks(shown)) == {"decoding"}
    seen = []
    for stage, length in (("autoencoder", 6), ("features", 3)):
        for done in range(1, length + 1):
            game.take_stage_step(stage)
            bar(game)
            task = tasks(shown)[stage]
            assert (task.completed, task.total) == (done, length)
            seen.append(task.fields["detail"])
        assert set(tasks(shown)) == {"decoding", stage}
    assert seen[2].startswith("step 3 of 6  ")
    assert re.search(r"\d steps/s  reconstruction [\d.]+$", seen[2])
    loss = game.last["features"].losses["spread"].item()
    assert seen[-1].endswith(f"spread {loss:.3g}")
    game.iterate()
    bar(game)
    assert set(tasks(shown)) == {"decoding"}


def test_in_a_pipe_a_stage_says_how_far_it_is_and_when_it_is_done(game, capsys):
    bar = RunBar(progress(terminal=False), "decoding", Goal(steps=4))
    for stage, length in (("autoencoder", 6), ("features", 3)):
        for _ in range(length):
            game.take_stage_step(stage)
            bar(game)
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("decoding, ")]
    assert [line.split(":")[0] for line in said] == [
        "decoding, autoencoder", "decoding, autoencoder", "decoding, features", "decoding, features"
    ]  # fmt: skip
    assert "100%  step 6 of 6" in said[1]
    assert "s left" in said[1]


def test_a_resumed_stage_counts_its_rate_from_where_it_goes_on(game):
    for _ in range(3):
        game.take_stage_step("autoencoder")
    shown = progress(terminal=True)
    bar = stages.StageBar(shown, "decoding")
    bar(game)
    assert tasks(shown)["autoencoder"].completed == 3
    assert "step 3 of 6  0 steps/s" in tasks(shown)["autoencoder"].fields["detail"]


def test_games_without_stages_and_in_turns_have_none(game):
    assert going_on(game) == ""
    game.take_stage_step("autoencoder")
    assert going_on(game) == "autoencoder"
    game.iterate()
    assert going_on(game) == ""
    plain = trainer(shrunk(find("dcgan").recipe), GREY)
    plain.iterate()
    assert going_on(plain) == ""


def test_the_runs_own_line_names_the_stage_and_its_loss(game):
    game.take_stage_step("autoencoder")
    detail = RunBar(progress(terminal=True), "decoding", Goal(steps=4)).detail(game)
    assert re.fullmatch(r"autoencoder 1/6  loss autoencoder [\d.]+", detail)
    game.iterate()
    detail = RunBar(progress(terminal=True), "decoding", Goal(steps=4)).detail(game)
    assert re.fullmatch(r"step 1  .* images/s  loss d .* g .* decode .*", detail)
