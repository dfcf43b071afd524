"""The table of public logs: a run that never learned is not steady, whatever its last / best."""

import pytest

from benchmarks.public_logs import START, Summary, moved, ranks, read, table
from steadygan.errors import UserError

LEARNED = Summary("d", "learned", 10.0, 12.0)
NEVER = Summary("d", "never", 306.0, 309.0)
FELL = Summary("d", "fell", 10.0, 200.0)


def test_a_run_that_never_learned_ranks_below_one_that_did():
    lines = table([NEVER, LEARNED, FELL]).splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[1] for row in cells] == ["learned", "never", "fell"]
    assert [row[5] for row in cells] == ["2 of 3", "1 of 3", "3 of 3"], "by last / best alone"
    assert [row[-1] for row in cells] == ["yes", "no", "no"]
    assert (NEVER.survived, Summary("d", "x", 39.0, 40.0).survived) == (False, True)
    assert START == 400.0, "a tenth of it is usable"


def test_ranks_share_the_better_place_and_move_with_the_assumed_start():
    assert ranks([0.5, 0.9, 0.5]) == [2, 1, 2]
    assert moved([LEARNED, NEVER, FELL], 400.0) == 0
    assert moved([LEARNED, NEVER, FELL], 250.0) == 1, "what never learned has then learned nothing"


def test_a_summary_is_read_and_a_file_without_its_columns_is_one_line(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("dataset,run,best_fid,last_fid,more\nd,learned,10,12,x\n")
    assert read(path) == [LEARNED]
    path.write_text("run,fid\na,1\n")
    with pytest.raises(UserError, match="no column dataset, best_fid, last_fid"):
        read(path)
