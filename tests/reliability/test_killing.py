"""R5, R11, R12 in small counts; `python -m benchmarks.reliability` runs the long ones."""

from tests.reliability import killing


def test_a_killed_run_goes_on_as_if_nothing_had_been(tmp_path):
    assert killing.killed(3, tmp_path, "wgan-gp").startswith("3 kills")


def test_a_signalled_run_saves_and_goes_on(tmp_path):
    assert killing.signalled(3, tmp_path, "gan", steps=60).startswith("3 signals")


def test_a_run_stopped_on_time_asks_to_be_run_again(tmp_path):
    killing.stopped_on_time(1, tmp_path, "gan", steps=100)
