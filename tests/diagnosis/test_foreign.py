"""Logs of other programs: what a column is taken for, and what losses can show."""

import json
import math

import pytest

from steadygan import cli
from steadygan.diagnosis.foreign import diagnose_log, read_log
from steadygan.errors import UserError


def series(*values):
    return [(float(n), value) for n, value in enumerate(values)]


def falling(start, end, count=30):
    return series(*(start + (end - start) * n / (count - 1) for n in range(count)))


@pytest.mark.parametrize(
    ("columns", "taken"),
    [
        (("iter", "loss_D", "loss_G"), {"step": "iter", "d_loss": "loss_D", "g_loss": "loss_G"}),
        (("global_step", "train/critic_loss", "train/gen_loss", "FID"),
         {"step": "global_step", "d_loss": "train/critic_loss", "g_loss": "train/gen_loss",
          "fid": "FID"}),
        (("epoch", "Loss/discriminator", "Loss/generator", "D(x)", "D(G(z))"),
         {"step": "epoch", "d_loss": "Loss/discriminator", "g_loss": "Loss/generator",
          "d_real": "D(x)", "d_fake": "D(G(z))"}),
        (("step", "metrics/fid50k", "scores/real"), None),
    ],
)  # fmt: skip
def test_columns_are_known_by_their_names(columns, taken, tmp_path):
    path = tmp_path / "log.csv"
    rows = [",".join(columns), *(",".join(str(n) for _ in columns) for n in range(3))]
    path.write_text("\n".join(rows))
    log, found = read_log(path)
    if taken is not None:
        assert found == taken
        assert set(log) == set(taken) - {"step"}
    else:
        assert found["fid"] == "metrics/fid50k"


def test_a_mapping_is_taken_and_a_wrong_one_refused(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(json.dumps({"a": n, "b": "text", "n": 10 * n}) for n in range(5)))
    log, found = read_log(path, {"d_loss": "a", "step": "n"})
    assert log == {"d_loss": [(10.0 * n, float(n)) for n in range(5)]}
    assert found == {"d_loss": "a", "step": "n"}
    with pytest.raises(UserError, match=r"no column is known .*a, n.*--map"):
        read_log(path)
    with pytest.raises(UserError, match="known are step"):
        read_log(path, {"loss": "a"})
    with pytest.raises(UserError, match="has a, n"):
        read_log(path, {"d_loss": "b"})
    path.write_text('{"a": 1}\n[2]\n')
    with pytest.raises(UserError, match="line 2 holds no JSON object"):
        read_log(path)


@pytest.mark.parametrize(
    ("log", "verdict", "name"),
    [
        ({"d_loss": falling(1.4, 0.001), "g_loss": falling(0.7, 9.0)}, "fault", "d-overpowers"),
        ({"d_loss": falling(1.4, 0.001), "g_loss": falling(0.7, 0.7)}, "undecided", None),
        ({"d_loss": series(*[math.log(4)] * 20)}, "fault", "d-too-weak"),
        ({"d_loss": series(1.0, 0.9, math.nan, 0.8)}, "fault", "non-finite"),
        ({"fid": series(200, 90, 40, 30, 60, 80)}, "fault", "relapse"),
        ({"fid": series(200, 150, 120, 100, 80, 60, 50, 44, 40)}, "improving", None),
        ({"d_loss": series(1.0, 0.9)}, "undecided", None),
        ({"d_loss": falling(1.3, 0.9), "g_loss": falling(0.8, 1.0)}, "undecided", None),
    ],
)
def test_only_what_losses_and_distances_show_is_claimed(log, verdict, name):
    found = diagnose_log(log)
    assert found.verdict == verdict
    assert (found.headline.name if found.headline else None) == name
    if verdict == "undecided":
        assert found.needs


def test_event_files_of_torchs_own_writer(tmp_path):
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path / "logs")) as writer:
        for step, (d, g) in enumerate(zip(falling(1.4, 0.001), falling(0.7, 9.0), strict=True)):
            writer.add_scalar("Loss/D", d[1], 10 * step)
            writer.add_scalar("Loss/G", g[1], 10 * step)
    log, taken = read_log(tmp_path / "logs")
    assert taken == {"d_loss": "Loss/D", "g_loss": "Loss/G"}
    assert log["d_loss"][-1][0] == 290
    assert diagnose_log(log).headline.name == "d-overpowers"


def test_event_files_of_several_runs_are_not_taken_for_one(tmp_path):
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    for name in ("version_0", "version_1"):
        with SummaryWriter(tmp_path / name) as writer:
            writer.add_scalar("fid", 3.0, 1)
    with pytest.raises(UserError, match="'fid' is in version_0 and in version_1: several runs"):
        read_log(tmp_path)
    log, _ = read_log(tmp_path / "version_1")
    assert list(log) == ["fid"]


def test_the_command_on_a_log(tmp_path, monkeypatch, capsys):
    path = tmp_path / "log.csv"
    lines = [f"{n},{d},{g}" for n, ((_, d), (_, g)) in
             enumerate(zip(falling(1.4, 0.001), falling(0.7, 9.0), strict=True))]  # fmt: skip
    path.write_text("\n".join(["step,lossD,lossG", *lines]))

    def typed(*words):
        monkeypatch.setattr("sys.argv", ["steadygan", "diagnose", *map(str, words)])
        try:
            cli.main()
            code = 0
        except SystemExit as error:
            code = error.code
        return code, capsys.readouterr()

    code, said = typed(path)
    assert code == 1
    assert said.out.startswith("taken for: step=step, d_loss=lossD, g_loss=lossG\nfault: D's loss")
    code, said = typed(path, "--json")
    assert json.loads(said.out)["headline"]["name"] == "d-overpowers"
    assert typed(tmp_path / "none.csv")[0] == 2
    code, said = typed(tmp_path)
    assert code == 2
    assert "no TensorBoard event file" in said.err
