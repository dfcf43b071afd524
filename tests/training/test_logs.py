"""What a run writes down, and that writing it changes nothing."""

import math

import pytest
import torch
from PIL import Image

from steadygan.game.context import StepContext
from steadygan.game.part import Part
from steadygan.methods import methods
from steadygan.parts.augment import DiffAugment
from steadygan.parts.noise import InstanceNoise
from steadygan.training import Goal, Hooks, train
from steadygan.training.goals import milestones
from tests.reliability import games

ALWAYS = {
    "step", "images", "seconds", "d_loss", "g_loss", "d_loss/adversarial", "g_loss/adversarial",
    "d_gradient_norm", "g_gradient_norm", "d_score_real", "d_score_fake", "d_score_heldout",
}  # fmt: skip
WITH_ODDS = {
    "d_real_probability", "d_fake_probability", "d_heldout_probability",
}  # fmt: skip
WITH_THRESHOLD = {"d_accuracy_real", "d_accuracy_fake", "d_accuracy_heldout"}
OWN = {
    "infogan": {"mutual_information", "mutual_information_continuous"},
    "wgan": {"wasserstein_estimate", "clipped_share"},
    "wgan-gp": {"wasserstein_estimate", "critic_gradient_norm", "critic_gradient_norm_std"},
}


def size_of(path):
    with Image.open(path) as image:
        image.load()
        return image.size


@pytest.fixture(scope="module", params=games.METHODS)
def run(request, tmp_path_factory):
    """A run of 4 logged turns of each method: its name, folder and history."""
    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("log") / "run"
    recipe = games.small(request.param)
    train(recipe, games.images(), out=out, steps=4, device="cpu", precision="fp32",
          schedule=games.LogSchedule(log_every=1))  # fmt: skip
    return request.param, out, games.history(out)


def test_every_signal_has_its_name_in_every_line(run):
    method, _, history = run
    recipe = methods()[method].recipe
    wanted = (ALWAYS | OWN.get(method, set())) - {"seconds"}
    objective = recipe.objective
    wanted |= WITH_THRESHOLD if objective.threshold is not None else set()
    wanted |= WITH_ODDS if objective.probability(torch.zeros(1)) is not None else set()
    wanted -= set() if recipe.g_adversarial else {"g_loss/adversarial"}
    for side, parts in (("d", recipe.on_d), ("g", recipe.on_g)):
        wanted |= {f"{side}_loss/{p.name}" for p in parts if type(p).loss is not Part.loss}
    assert [line["step"] for line in history] == [0, 1, 2, 3, 4]
    for line in history[1:]:
        assert wanted <= set(line), wanted - set(line)
        assert all(math.isfinite(v) for v in line.values() if isinstance(v, float))
    if objective.threshold is None:
        assert not (WITH_ODDS | WITH_THRESHOLD) & set(history[-1])


def test_the_numbers_agree_with_each_other(run):
    method, _, history = run
    for line in history[1:]:
        for side in "dg":
            parts = [v for k, v in line.items() if k.startswith(f"{side}_loss/")]
            assert line[f"{side}_loss"] == pytest.approx(sum(parts), abs=1e-5)
        for kind in ("real", "fake", "heldout"):
            if f"d_accuracy_{kind}" in line:
                assert line[f"d_accuracy_{kind}"] * 8 == round(line[f"d_accuracy_{kind}"] * 8)
            assert 0 <= line.get(f"d_{kind}_probability", 0) <= 1
        if method in ("wgan", "wgan-gp"):
            gap = line["d_score_real"] - line["d_score_fake"]
            assert line["wasserstein_estimate"] == pytest.approx(gap, abs=1e-6)
            assert line["d_loss/adversarial"] == pytest.approx(-gap, abs=1e-6)
        if method == "wgan":
            assert 0 <= line["clipped_share"] <= 1
        if method == "infogan":
            assert line["mutual_information"] <= math.log(10) + 1e-6


def test_images_count_what_d_has_seen(run):
    method, _, history = run
    per_turn = 8 * methods()[method].recipe.d_steps
    assert [line["images"] for line in history] == [per_turn * n for n in range(5)]


def test_pictures_and_histogram_stand_at_the_start_and_the_end(run):
    method, out, history = run
    for line in (history[0], history[-1]):
        assert size_of(out / line["samples"]) == (8 * 18 + 2, 8 * 18 + 2)
        assert ("codes" in line) == (method == "infogan")
        histogram = line["weight_histogram"]
        assert len(histogram["counts"]) == 50
        assert histogram["low"] < histogram["high"]
    trainer = games.trainer_of(games.small(method), out.parent / "again")
    weights = sum(p.numel() for p in trainer.state.discriminator.parameters())
    assert sum(history[0]["weight_histogram"]["counts"]) == weights
    if method == "wgan":
        assert history[-1]["weight_histogram"]["low"] >= -0.01
        assert history[-1]["weight_histogram"]["high"] <= 0.01
    if method == "infogan":
        assert size_of(out / history[-1]["codes"]) == (10 * 18 + 2, 10 * 18 + 2)


def test_held_out_scores_are_those_of_the_step_that_was_logged(tmp_path):
    # An accuracy of 1 on real and 0 on held-out data is how an overfitted D is seen.
    trainer = games.trainer_of(games.small("gan"), tmp_path / "run")
    trainer.iterate()
    from steadygan.training import signals

    line = signals.of_iteration(trainer.last, trainer.source.held_out(trainer.iteration))
    without = signals.of_iteration(trainer.last, None)
    assert {k for k in line if "heldout" in k} == set(line) - set(without)
    assert {k: line[k] for k in without} == without


def untrained(tmp_path, *parts):
    """A game whose D has seen nothing, so that held-out data are to it what training data are."""
    recipe = games.small("dcgan", batch=100, d_norm="none").with_(*parts)
    trainer = games.trainer_of(recipe, tmp_path / "run", games.images(200, 200))
    return trainer, StepContext(recipe, trainer.state, "d", trainer.inputs("d", 0))


@pytest.mark.parametrize("part", [InstanceNoise(sigma=3.0), DiffAugment()])
def test_held_out_samples_are_shown_as_real_ones_are(tmp_path, part):
    """Shown as they are, they would score apart from noised or augmented real ones: a gap that
    says D overfits before it has learned."""
    trainer, context = untrained(tmp_path, part)
    augment = []
    trunk = trainer.state.discriminator.trunk
    watch = trunk.register_forward_pre_hook(lambda module, given: augment.append(given[0]))
    batch = trainer.source.held_out(trainer.iteration)
    held, real = context.held_out_scores(batch), context.real_scores
    watch.remove()
    spread = [images.std().item() for images in augment]
    assert spread[0] == pytest.approx(spread[1], rel=0.05)
    assert spread[0] != pytest.approx(batch.samples.std().item(), rel=0.05)
    error = (held.var() / len(held) + real.var() / len(real)).sqrt().item()
    assert held.mean().item() == pytest.approx(real.mean().item(), abs=4 * error)


def test_held_out_noise_is_drawn_from_a_stream_of_its_own(tmp_path):
    context = untrained(tmp_path, InstanceNoise(sigma=1.0))[1]
    same = context.batch
    assert context.held_out_scores(same).mean() != context.real_scores.mean()
    again = untrained(tmp_path / "again", InstanceNoise(sigma=1.0))[1]
    assert torch.equal(again.held_out_scores(same), context.held_out_scores(same))
    assert torch.equal(again.real_scores, context.real_scores)


def test_held_out_samples_are_judged_beside_the_fakes_where_real_ones_are(tmp_path):
    """They then share batch statistics: the same batch held out scores as it does as real."""
    recipe = games.small("dcgan", joint_batches=True)
    trainer = games.trainer_of(recipe, tmp_path / "run")
    context = StepContext(recipe, trainer.state, "d", trainer.inputs("d", 0))
    torch.testing.assert_close(context.held_out_scores(context.batch), context.real_scores)
    alone = context.critic(context.real)
    assert not torch.allclose(alone, context.real_scores, atol=1e-4)


def test_held_out_scores_of_a_noised_game_move_no_bit_of_it(tmp_path):
    ends = []
    for log_every in (1, 10):
        recipe = games.small("gan").with_(InstanceNoise(sigma=0.5), DiffAugment())
        schedule = games.LogSchedule(log_every=log_every)
        trainer = games.trainer_of(recipe, tmp_path / str(log_every), schedule=schedule)
        trainer.run(Goal(steps=3), Hooks())
        ends.append(trainer.gathered())
    assert games.unlike(*ends) == []


@pytest.mark.parametrize("method", games.METHODS)
def test_logs_pictures_and_saves_change_nothing(method, tmp_path):
    ends = []
    for n, schedule in enumerate(
        (
            games.LogSchedule(log_every=1, save_every=2, sample_every=1),
            games.LogSchedule(log_every=10, save_every=0),
        )
    ):
        trainer = games.trainer_of(games.small(method), tmp_path / str(n), schedule=schedule)
        trainer.run(Goal(steps=3), Hooks())
        ends.append(trainer.gathered())
    assert games.unlike(*ends) == []


def test_lines_come_when_they_are_due(tmp_path):
    schedule = games.LogSchedule(log_every=3, sample_every=4)
    trainer = games.trainer_of(games.small("gan"), tmp_path / "run", schedule=schedule)
    trainer.run(Goal(steps=10), Hooks())
    lines = games.history(tmp_path / "run")
    assert [line["step"] for line in lines] == [0, 3, 4, 6, 8, 9, 10]
    assert [line["step"] for line in lines if "samples" in line] == [0, 4, 8, 10]


def test_samples_fall_on_the_same_images_whatever_the_method():
    assert list(milestones(6000)) == [1000, 1414, 2000, 2828, 4000, 5657]
    assert list(milestones(999)) == []


@pytest.mark.parametrize("method", ["gan", "wgan"])
def test_a_milestone_is_drawn_by_the_turn_that_passes_it(method, tmp_path):
    recipe = games.small(method, batch=40 if method == "wgan" else 200)
    trainer = games.trainer_of(recipe, tmp_path / "run", schedule=games.LogSchedule(log_every=0))
    trainer.run(Goal(steps=11), Hooks())  # 200 images a turn
    lines = games.history(tmp_path / "run")
    assert [line["images"] for line in lines if "samples" in line] == [0, 1000, 1600, 2000, 2200]


def test_points_are_drawn_as_a_scatter(tmp_path):
    from steadygan.data import open_data

    recipe = games.small("gan", (2,))
    out = train(recipe, open_data("ring"), out=tmp_path / "run", steps=2, device="cpu")
    assert size_of(out / games.history(out)[-1]["samples"]) == (512, 512)


@pytest.mark.parametrize("torn", ['{"step": 5, "na', '{"step": 5, "name": "é'])
def test_a_torn_last_line_is_cut_off_and_the_lines_after_a_checkpoint_too(torn, tmp_path):
    from steadygan.training.runfolder import RunFolder, read_history

    folder = RunFolder.create(tmp_path / "run")
    for step in range(5):
        folder.append({"step": step, "images": 0, "seconds": 0.0, "name": "é"})
    with folder.history_path.open("ab") as file:
        file.write(torn.encode()[:-1])  # also inside a character
    assert [line["step"] for line in read_history(folder.path)] == [0, 1, 2, 3, 4]
    folder.cut_history(3)
    assert folder.history_path.read_text(encoding="utf-8").splitlines()[-1] == (
        '{"step": 3, "images": 0, "seconds": 0.0, "name": "é"}'
    )
    folder.append({"step": 4, "images": 0, "seconds": 0.0})
    assert [line["step"] for line in read_history(folder.path)] == [0, 1, 2, 3, 4]
