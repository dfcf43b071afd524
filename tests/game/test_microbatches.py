"""Gradient accumulation: the pieces of a batch make the step of the whole one, or are refused."""

import json

import pytest
import torch
from sharing import GAMES, apart, played, trainer_of
from tiny import dataset, shrunk
from torch.nn.modules.batchnorm import _BatchNorm

from steadygan.errors import UserError
from steadygan.game.microbatches import Piece
from steadygan.game.part import Part
from steadygan.game.processes import ALONE, Processes
from steadygan.losses.penalties import GradientPenalty
from steadygan.methods import find
from steadygan.training import checkpoint, train
from steadygan.training.loop import require_shares

#: Games that read a batch as a whole beside batch norm; all others are the same in pieces.
WHOLE = {
    "L2 of means of D", "L2 of means of G", "L2 to the nearest", "dragan", "ebgan",
    "feature matching", "feature-matching", "lecam", "minibatch discrimination", "ragan",
}  # fmt: skip
R3GAN = find("r3gan").recipe


def without_statistics(trainer):
    """The game with every batch norm as the affine map that it is after training."""
    for network in trainer.state.networks().values():
        for layer in network.modules():
            if isinstance(layer, _BatchNorm):
                layer.eval()
    return trainer


#: Two derivatives, spectral norm in both players with shared latents, codes: in each run of tests.
FEW = ("wgan-gp", "sagan-hinge", "infogan", "r3gan")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in FEW else pytest.mark.long)
        for name in GAMES
        if name not in WHOLE
    ],
)
def test_a_batch_in_pieces_is_the_step_of_the_whole(name, float64):
    whole, pieces = (
        played(without_statistics(trainer_of(*GAMES[name], **keys)))
        for keys in ({}, {"microbatch": 2, "sync_batchnorm": "false"})
    )
    assert apart(whole, pieces) < 1e-10


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_what_reads_a_batch_as_a_whole_is_refused(name):
    with pytest.raises(UserError, match=r"microbatch=2 does not fit: .* reads a batch as a whole"):
        trainer_of(*GAMES[name], microbatch=2, sync_batchnorm="false")


def test_batch_norm_of_pieces_is_another_game_that_must_be_asked_for(tmp_path):
    dcgan = shrunk(find("dcgan").recipe, microbatch=4)
    with pytest.raises(UserError, match="batch norm takes statistics of a whole batch"):
        train(dcgan, dataset(), out=tmp_path / "a", steps=1)
    assert not (tmp_path / "a").exists()
    run = train(dcgan.changed(sync_batchnorm=False), dataset(), out=tmp_path / "b", steps=1)
    moved = checkpoint.load(checkpoint.listed(run / "checkpoints")[0]).tensors
    counts = {k: int(t) for k, t in moved.items() if k.endswith("num_batches_tracked")}
    # Two pieces each: G's step makes the fakes of D's step again, which moves nothing.
    assert {n for k, n in counts.items() if k.startswith("players/g")} == {2}
    assert {n for k, n in counts.items() if k.startswith("players/d")} == {4}  # real and fake


def test_a_part_of_ones_own_that_reads_a_whole_batch_is_refused_in_its_first_step(tmp_path):
    class ReadsOthers(Part):
        name = "reads-others"

        def loss(self, context):
            return context.whole(context.real_scores).std()

    recipe = shrunk(R3GAN).with_(ReadsOthers()).changed(microbatch=2)
    with pytest.raises(UserError, match="reads a batch as a whole; leave microbatch= out"):
        train(recipe, dataset(), out=tmp_path / "run", steps=1)


def test_a_microbatch_of_the_whole_batch_is_the_batch(tmp_path):
    for name in ("ragan", "dcgan"):
        train(shrunk(find(name).recipe, microbatch=8), dataset(), out=tmp_path / name, steps=1)


def test_one_sample_is_no_piece_for_batch_norm(tmp_path):
    recipe = shrunk(find("dcgan").recipe, microbatch=1, sync_batchnorm="false")
    with pytest.raises(UserError, match="microbatch=1 does not fit: batch norm needs two samples"):
        train(recipe, dataset(), out=tmp_path / "run", steps=1)


def test_pieces_must_divide_a_batch_and_each_processs_share_of_it():
    with pytest.raises(UserError, match="batch=8 has no pieces of microbatch=3: give a divisor"):
        shrunk(R3GAN, microbatch=3)
    with pytest.raises(UserError, match="does not divide the 4 samples that each of 2 processes"):
        require_shares(shrunk(R3GAN, microbatch=8), 2)


def test_pieces_of_a_process_are_cut_from_the_batch_of_the_run():
    run = torch.arange(12)
    second = Processes(1, 2)
    pieces = [Piece(second, index, 3) for index in range(3)]
    assert [piece.share_of(run).tolist() for piece in pieces] == [[6, 7], [8, 9], [10, 11]]
    assert [piece.cut(second.share_of(run)).tolist() for piece in pieces] == [
        [6, 7], [8, 9], [10, 11]
    ]  # fmt: skip
    assert Piece(ALONE, 1, 3).share_of(run).tolist() == [4, 5, 6, 7]


def test_a_run_in_pieces_logs_what_the_whole_one_does(tmp_path):
    lines = []
    for name, keys in (("whole", {}), ("pieces", {"microbatch": 2})):
        recipe = shrunk(R3GAN.with_(GradientPenalty()), **keys)
        train(recipe, dataset(), out=tmp_path / name, steps=2, precision="fp32")
        lines.append(json.loads((tmp_path / name / "history.jsonl").read_text().splitlines()[-1]))
    whole, pieces = lines
    assert list(whole) == list(pieces)
    numbers = {key for key, value in whole.items() if isinstance(value, float)}
    assert numbers > {"d_loss", "d_score_fake", "d_score_heldout", "critic_gradient_norm"}
    numbers -= {"seconds", "critic_gradient_norm_std"}  # the spread is within pieces
    for key in sorted(numbers):
        assert pieces[key] == pytest.approx(whole[key], rel=1e-5, abs=1e-7), key
