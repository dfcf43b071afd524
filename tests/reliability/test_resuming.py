"""R1, R2, R3 in small counts; `python -m benchmarks.reliability` runs the long ones."""

import pytest

from tests.reliability import children, games, resuming

#: `make reliability` cuts the siblings' runs, too.
CUT = [subject for subject in resuming.SUBJECTS if subject not in games.SIBLINGS]


@pytest.mark.parametrize(
    "subjects",
    [CUT[::3], *(pytest.param(CUT[first::3], marks=pytest.mark.long) for first in (1, 2))],
    ids=str,
)
def test_a_cut_run_ends_bit_for_bit_as_an_uninterrupted_one(subjects, tmp_path):
    # 17 is inside an epoch of 25 batches, and inside the stage; 27 lies past the epoch's end.
    found = resuming.exact_resume([(17,)], tmp_path, subjects=subjects, steps=27)
    assert found == len(subjects)


@pytest.mark.parametrize("subject", resuming.SUBJECTS)
def test_every_tensor_of_a_running_game_is_in_its_checkpoint(subject, tmp_path):
    assert children.run(resuming.walked, subject, tmp_path, folder=tmp_path) == 0


@pytest.mark.parametrize("subject", resuming.KINDS)
def test_without_any_group_of_keys_the_comparison_fails(subject, tmp_path):
    assert children.run(resuming.dropping, subject, tmp_path, folder=tmp_path) == 0
