"""The checkpoint file, and the state that goes into it and comes back."""

import hashlib
import json

import pytest
import safetensors
import torch

from steadygan.errors import CheckpointError
from steadygan.training import checkpoint, state_dict
from tests.reliability import games

TENSORS = {
    "a/weight": torch.tensor([[0.1, -0.0], [float("1e-45"), 3e38]]),
    "a/steps": torch.tensor(2**53 + 1),
    "b": torch.arange(6, dtype=torch.bfloat16).reshape(2, 3).T,
    "none": torch.zeros(0, 3),
}
INFO = {"seconds": 0.1 + 0.2, "identity": {"name": "é ✓ \u2028", "list": [1, None]}}


def test_what_is_saved_comes_back_bit_for_bit(tmp_path):
    path = checkpoint.save(tmp_path, 12, TENSORS, INFO)
    found = checkpoint.load(path)
    assert path.name == "step-000012.safetensors"
    assert set(found.tensors) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor)
    assert found.tensors["a/weight"][0, 1].signbit()
    assert int(found.tensors["a/steps"]) == 2**53 + 1
    assert {key: found.info(key) for key in INFO} == INFO


def test_plain_safetensors_opens_it_and_the_digest_is_of_the_file_with_it_blank(tmp_path):
    path = checkpoint.save(tmp_path, 1, TENSORS, INFO)
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata()
        assert set(file.keys()) == set(TENSORS)
    assert metadata["format"] == checkpoint.FORMAT
    blank = path.read_bytes().replace(metadata["sha256"].encode(), b"0" * 64)
    assert hashlib.sha256(blank).hexdigest() == metadata["sha256"]


def test_a_digest_in_the_users_own_text_is_not_taken_for_the_files(tmp_path):
    info = {"note": '"sha256":"' + "f" * 64, "sha256 of": "x"}
    path = checkpoint.save(tmp_path, 1, {'"sha256":"' + "0" * 64: torch.ones(2)}, info)
    assert checkpoint.load(path).info("note") == info["note"]


def test_another_format_is_refused_even_where_it_is_whole(tmp_path, monkeypatch):
    path = checkpoint.save(tmp_path, 1, TENSORS, INFO)
    monkeypatch.setattr(checkpoint, "FORMAT", "steadygan-2")
    with pytest.raises(CheckpointError, match=r"format 'steadygan-1', expected 'steadygan-2'"):
        checkpoint.load(path)


def test_steps_are_listed_as_numbers_newest_first(tmp_path):
    for name in ("step-000009", "step-1000000", "step-000010", "step-x", "step-"):
        (tmp_path / f"{name}.safetensors").touch()
    (tmp_path / ".step-000011.safetensors.7.part").touch()
    assert [checkpoint.step_of(p) for p in checkpoint.listed(tmp_path)] == [1000000, 10, 9]


def test_half_written_files_of_a_killed_process_are_cleared_by_the_next_save(tmp_path):
    (tmp_path / ".step-000001.safetensors.99.part").write_bytes(b"half")
    checkpoint.save(tmp_path, 2, TENSORS, INFO)
    assert [p.name for p in tmp_path.iterdir()] == ["step-000002.safetensors"]


@pytest.fixture
def trainer(tmp_path):
    trainer = games.trainer_of(games.small("dcgan"), tmp_path / "run")
    trainer.iterate()
    return trainer


def broken(tensors, how):
    tensors = {k: v.clone() for k, v in tensors.items()}
    name = next(k for k in tensors if k.startswith("players/d"))
    if how == "missing":
        del tensors[name]
    elif how == "left over":
        tensors["players/x/weight"] = torch.zeros(1)
    elif how == "shape":
        tensors[name] = tensors[name].flatten()[:-1]
    elif how == "type":
        tensors[name] = tensors[name].double()
    elif how == "moment":
        tensors["optimizers/g/nobody/exp_avg"] = torch.zeros(1)
    return tensors


@pytest.mark.parametrize("how", ["missing", "left over", "shape", "type", "moment"])
def test_a_checkpoint_of_another_game_is_refused_with_the_name(how, trainer):
    with pytest.raises(CheckpointError, match=r"players/|player|differ") as caught:
        state_dict.restore(trainer.state, broken(trainer.gathered(), how))
    assert "\n" not in str(caught.value)


def test_the_estimate_of_a_checkpoints_size_is_near_the_truth(trainer):
    size = len(checkpoint.to_bytes(trainer.gathered(), trainer.info()))
    estimate = state_dict.size_in_bytes(trainer.state)
    tensors = sum(t.numel() * t.element_size() for t in trainer.gathered().values())
    assert estimate == pytest.approx(tensors, rel=0.02)
    assert estimate < size


def test_the_metadata_is_what_run_json_can_be_checked_against(trainer):
    found = checkpoint.load(trainer.save())
    identity = found.info("identity")
    assert set(identity) == {
        "recipe", "data", "seed", "device", "arithmetic", "precision", "processes", "threads",
        "torch",
    }  # fmt: skip
    assert identity["recipe"] == json.loads(json.dumps(trainer.recipe.model_dump(mode="json")))
    assert identity["torch"] == torch.__version__
    assert found.info("seconds") == trainer.seconds
