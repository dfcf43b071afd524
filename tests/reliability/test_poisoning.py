"""R13 at steps 0 and 1, half of the cases a method; `python -m benchmarks.reliability` runs the
whole of them, step 100 and every value."""

import pytest
import torch

from steadygan.errors import NonFiniteError
from steadygan.game.context import StepContext
from steadygan.game.inputs import RealBatch
from steadygan.training import Goal, Hooks, checkpoint, guards, replay, resume, train
from tests.reliability import children, games, poisoning

#: Methods whose steps are another one's, with another loss or a part: `make reliability` poisons
#: them too.
POISONED = [name for name in games.METHODS if name not in games.SIBLINGS]


@pytest.mark.parametrize("method", POISONED)
def test_a_poisoned_number_stops_the_run_before_a_weight(method, tmp_path):
    """A third of the kinds of numbers at each of two steps; the next method has another third."""
    values, first = (poisoning.NAN, poisoning.INF), games.METHODS.index(method) % 3
    poisoning.poisoned(method, tmp_path, steps=(0, 1), values=values, every_value=False,
                       one_in=3, first=first)  # fmt: skip


@pytest.mark.parametrize("value", [poisoning.NAN, poisoning.INF, -poisoning.INF])
def test_each_tensor_is_watched_for_itself(value, tmp_path):
    # In a game most poisons show in several places; alone, each must stop it too.
    trainer = games.trainer_of(games.small("wgan-gp"), tmp_path / "run")
    trainer.iterate()
    unseen, kinds = [], set()

    def guard(update):
        assert guards.all_finite(guards.watched(update))
        context, player = update.context, update.player
        alone = context.used() | {"norm": update.gradient_norm} | update.losses
        alone |= {f"moment {k}": v for k, v in player.optimizer_tensors().items()}
        alone |= {f"weight {k}": v for k, v in player.named_parameters().items()}
        if context.player == "g":
            alone |= {f"EMA {k}": v for k, v in context.state.g_ema.state_dict().items()}
        for name, tensor in alone.items():
            if tensor.is_floating_point():
                numbers, last = tensor.detach(), (-1,) * tensor.dim()
                kept = numbers[last].clone()
                numbers[last] = value
                if guards.all_finite(guards.watched(update)):
                    unseen.append(f"{player.name}: {name}")
                numbers[last] = kept
                kinds.add(name.split()[0])

    trainer.guard.check = guard
    trainer.iterate()
    assert unseen == []
    assert kinds == {
        "real", "latents", "norm", "adversarial", "gradient-penalty", "moment", "weight", "EMA",
    }  # fmt: skip


@pytest.mark.parametrize("bad", ["cpu", "meta", None])
def test_numbers_are_summed_on_the_device_where_they_are(bad, monkeypatch):
    """RMSProp keeps step counters on the CPU where weights are on a GPU; "meta" stands for one."""
    sums = {device: poisoning.NAN if device == bad else 0.0 for device in ("cpu", "meta")}
    monkeypatch.setattr(torch.Tensor, "item", lambda tensor: sums[tensor.device.type])
    both = [torch.ones(2), torch.ones(2, device="meta"), torch.ones(3)]
    assert guards.all_finite(both) is (bad is None)


def test_large_numbers_are_finite_though_their_norm_is_not():
    large = torch.full((4,), 1e30)  # squares overflow
    assert guards.all_finite([torch.ones(3), large])
    assert not guards.all_finite([large, torch.tensor([1.0, float("inf")])])
    assert not guards.all_finite([torch.ones(1, dtype=torch.float64), torch.tensor(float("nan"))])


def test_a_layer_that_overflows_is_named(tmp_path):
    trainer = games.trainer_of(games.small("gan"), tmp_path / "run")
    d = trainer.state.discriminator
    with torch.no_grad():
        for layer in (d.trunk[2].linear, d.trunk[4].linear):
            layer.weight.fill_(1e18)  # finite, and so are the outputs of the first two layers
    with pytest.raises(NonFiniteError, match=r"layer trunk.4.linear of network players/d.disc"):
        trainer.run(Goal(steps=2), Hooks())
    assert guards.all_finite(trainer.gathered().values())


def test_the_part_whose_loss_is_bad_is_named(tmp_path):
    poison = poisoning.Poison("loss d", 1, poisoning.NAN)
    said = poisoning.stopped(poison, "wgan-gp", tmp_path / "run")
    assert "loss part gradient-penalty of player d" in said


def test_a_failed_run_says_so_in_its_folder_and_in_a_resume(tmp_path):
    out, data = tmp_path / "run", games.images()
    poison = poisoning.Poison("data", 2, poisoning.NAN)
    held = []

    def hold(trainer):
        if not held:
            held.append(poison.into(trainer))
            held[0].__enter__()

    with pytest.raises(NonFiniteError) as caught:
        train(games.small("gan"), data, out=out, steps=5, device="cpu", hooks=Hooks(hold),
              schedule=games.LogSchedule(save_every=1))  # fmt: skip
    status = poisoning_status(out)
    assert status["state"] == "failed"
    assert status["reason"] == str(caught.value)
    resume(out, data=data, say=games.quiet)  # the bad batch was ours: without it the run goes on
    assert poisoning_status(out)["state"] == "finished"


def poisoning_status(run):
    from steadygan.training.runfolder import read_facts

    return read_facts(run)["status"]


def test_nothing_non_finite_is_saved_even_where_the_guard_did_not_look(tmp_path):
    trainer = games.trainer_of(games.small("gan"), tmp_path / "run")
    trainer.iterate()
    good = trainer.save()
    with torch.no_grad():
        next(trainer.state.g_ema.parameters()).view(-1)[0] = poisoning.INF
    trainer.iteration += 1
    with pytest.raises(NonFiniteError, match="nothing was saved"):
        trainer.save()
    assert checkpoint.listed(trainer.folder.checkpoints) == [good]


def test_a_signal_that_is_not_finite_stops_the_run_in_one_line(tmp_path, monkeypatch):
    trainer = games.trainer_of(games.small("gan"), tmp_path / "run")
    trainer.schedule = games.LogSchedule(log_every=1)
    monkeypatch.setattr(StepContext, "signals", {"odd": torch.tensor(poisoning.INF)}, raising=False)
    source, plain = trainer.source, trainer.source.held_out
    endless = lambda at: RealBatch(plain(at).samples * poisoning.INF)  # noqa: E731
    monkeypatch.setattr(source, "held_out", endless)
    with pytest.raises(NonFiniteError, match=r"step 1: NaN or Inf in the log's d_"):
        trainer.run(Goal(steps=2), Hooks())
    assert [line["step"] for line in games.history(trainer.folder.path)] == [0]


def test_where_the_failure_cannot_be_kept_it_is_still_exit_code_3(tmp_path, monkeypatch):
    trainer = games.trainer_of(games.small("gan"), tmp_path / "run")
    monkeypatch.setattr(trainer, "keep_failure", full)
    poison = poisoning.Poison("data", 0, poisoning.NAN)
    with poison.into(trainer), pytest.raises(NonFiniteError, match="was not kept") as caught:
        trainer.run(Goal(steps=2), Hooks())
    assert caught.value.exit_code == 3


def full(_update):
    raise OSError(28, "No space left on device")


def test_a_failure_inside_a_stage_is_named_kept_and_replayed(tmp_path):
    assert children.run(stage_failure, tmp_path, folder=tmp_path) == 0


def stage_failure(folder):
    from tests.reliability import staged

    recipe, data = staged.recipe(), games.images(labels=True)
    trainer = games.trainer_of(recipe, folder / "run", data)
    for _ in range(3):
        trainer.take_stage_step("warmup")
    before = {k: v.clone() for k, v in trainer.gathered().items()}
    poison = poisoning.Poison("data", 0, poisoning.NAN)
    with poison.into(trainer), pytest.raises(NonFiniteError) as caught:
        trainer.take_stage_step("warmup")
    assert "stage warmup, step 3: NaN or Inf in the real batch" in str(caught.value)
    kept = checkpoint.load(checkpoint.listed(folder / "run" / "failure")[0])
    assert "failure/labels" in kept.tensors
    assert steps(kept.tensors) == steps(before)
    answer = replay(folder / "run", recipe=recipe, data=data)
    assert answer == f"replayed: {caught.value}"


def steps(tensors):
    return {k: int(v) for k, v in tensors.items() if k.startswith("counters/")}


def test_a_parts_memory_is_kept_as_it_was_before_the_update(tmp_path):
    assert children.run(memory_kept, tmp_path, folder=tmp_path) == 0


def memory_kept(folder):
    from tests.reliability import staged

    trainer = games.trainer_of(staged.recipe(), folder / "run")
    trainer.iterate()
    before = {k: v.clone() for k, v in trainer.gathered().items() if k.startswith("states/")}
    poison = poisoning.Poison("data", 1, poisoning.NAN)
    with poison.into(trainer), pytest.raises(NonFiniteError):
        trainer.iterate()
    after = {k: v for k, v in trainer.gathered().items() if k.startswith("states/")}
    assert len(before) == 4, "a mean, its uses, and a ruler's weight and bias"
    assert games.unlike(before, after) == []
