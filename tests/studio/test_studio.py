"""The web app: what its handlers do, its queue of trainings, and what it refuses."""

import json
import os
import shutil
import socket
import sys
import threading
import time
import zipfile

import numpy as np
import pytest
import torch

pytest.importorskip("gradio")

import gradio as gr

from steadygan import cli
from steadygan.errors import UserError
from steadygan.studio import app, compare, explore, shelf, state, studies, train, watch
from steadygan.studio.jobs import Job, Jobs
from steadygan.training import LogSchedule
from steadygan.training import train as train_run
from tests.export.test_export import NAMES, classed_images
from tests.reliability import games, web
from tests.study.test_table import written

# Some of what gradio imports warns of its own use of others.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning",
                                        "ignore::ResourceWarning")  # fmt: skip
HOSTILE = ["../outside", "/etc", "..", "", None, 7, "a/../../outside", "run\0", "%2e%2e/outside",
           ["run"], "outside", "~/run", "run/", "./run"]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with three runs, and one beside it."""
    torch.set_num_threads(1)
    home = tmp_path_factory.mktemp("studio")
    schedule = LogSchedule(log_every=1, save_every=0, sample_every=2)
    for folder, method, data in (("runs/run", "gan", games.images()),
                                 ("runs/coded", "infogan", games.images()),
                                 ("runs/classed", "cgan", classed_images()),
                                 ("outside", "gan", games.images())):  # fmt: skip
        train_run(games.small(method), data, out=home / folder, steps=4, device="cpu",
                  schedule=schedule, command=f"steadygan train {method} lr=1e-3 --out {folder}",
                  title="")  # fmt: skip
    return home / "runs"


@pytest.fixture
def studio(root, tmp_path):
    """The app's state over a copy of the runs."""
    return app.studio_of(shutil.copytree(root, tmp_path / "runs"))


# ---- runs by list --------------------------------------------------------------------------------


def test_the_runs_of_the_folder_and_nothing_else(studio):
    assert sorted(studio.shelf.names()) == ["classed", "coded", "run"]
    for name in HOSTILE:
        with pytest.raises(UserError, match="choose a run of the list"):
            studio.shelf.path(name)


def test_a_history_that_names_files_elsewhere_shows_none_of_them(studio, tmp_path):
    run = studio.shelf.path("run")
    secret = tmp_path / "secret.png"
    shutil.copyfile(next((run / "samples").glob("*.png")), secret)
    with open(run / "history.jsonl", "a") as file:
        file.write(json.dumps({"step": 5, "images": 1, "seconds": 1.0,
                               "samples": f"../../{secret.name}"}) + "\n")  # fmt: skip
    shown = [path for _, path in studio.shelf.pictures("run")]
    assert shown
    assert all(path.parent == run / "samples" for path in shown)


# ---- explore -------------------------------------------------------------------------------------


def test_samples_of_a_seed_are_those_of_the_run(studio):
    images = explore.drawn(studio, "run", False, 3, 5, "any")
    assert len(images) == 5
    wanted = studio.shelf.generator("run")(5, seed=3, as_uint8=True).numpy()
    for shown, one in zip(images, wanted, strict=True):
        assert shown.dtype == np.uint8
        assert np.array_equal(shown[::16, ::16, 0], one[..., 0])


def test_a_walk_goes_from_one_sample_to_another(studio):
    images = explore.drawn(studio, "run", False, 0, 4, "any")
    asked = (studio, "run", False, 0, 4, "any", 1, 3)
    assert np.array_equal(explore.walked(*asked, 0.0), images[1])
    assert np.array_equal(explore.walked(*asked, 1.0), images[3])
    middle = explore.walked(*asked, 0.5)
    assert not np.array_equal(middle, images[1])
    assert not np.array_equal(middle, images[3])


def loud(studio, name):
    """A run's generator with weights so large that its samples differ in their bytes."""
    generator = studio.shelf.generator(name)
    with torch.no_grad():
        for weight in generator.network.parameters():
            weight.mul_(5.0)
    return generator


def test_directions_are_of_length_one_and_move_a_sample(studio):
    for name in ("run", "coded", "classed"):
        directions = explore.directions_of(loud(studio, name))
        assert directions.shape[0] == explore.DIRECTIONS
        assert torch.allclose(directions.norm(dim=1), torch.ones(explore.DIRECTIONS), atol=1e-4)
        asked = (studio, name, False, 0, 4, "any", 2)
        still = explore.moved_along(*asked, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        assert np.array_equal(still, explore.drawn(studio, name, False, 0, 4, "any")[2])
        assert not np.array_equal(still, explore.moved_along(*asked, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0))


def test_a_code_moves_a_sample_where_there_is_one(studio):
    asked = (False, 0, 4, "any", 1)
    loud(studio, "coded")
    for name, moves in (("coded", True), ("run", False)):
        still = explore.moved_along(studio, name, *asked, 0.0, 0.0, 0, 0, 0, 0)
        for codes in ((1.0, 0.0), (0.0, 1.0)):
            moved = explore.moved_along(studio, name, *asked, *codes, 0, 0, 0, 0)
            assert np.array_equal(still, moved) != moves


def test_classes_are_chosen_by_name(studio):
    assert explore.kinds_of(studio, "classed").choices == [(n, n) for n in ["any", *NAMES]]
    latents = explore.latents_of(studio, "classed", False, 0, 6, "永")
    assert latents[:, -1].tolist() == [1.0] * 6


@pytest.mark.parametrize("form", [*explore.FORMS, explore.EXPORT])
def test_files_to_keep(form, studio):
    path = explore.made_file(studio, "run", False, 0, 4, "any", form)
    assert os.path.getsize(path) > 100


BAD = {
    "samples": (False, 0, 10**9, "any"), "seed": (False, -1, 4, "any"),
    "a seed that is none": (False, float("nan"), 4, "any"),
    "an infinite seed": (False, float("inf"), 4, "any"), "text": (False, "x", 4, "any"),
    "a class of a run without": (False, 0, 4, "cat"), "no best": (True, 0, 4, "any"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_numbers_are_a_message(case, studio):
    handler = state.in_a_line(explore.drawn)
    with pytest.raises(gr.Error) as caught:
        handler(studio, "run", *BAD[case])
    assert "\n" not in str(caught.value)


# ---- compare, characters -------------------------------------------------------------------------


def test_runs_side_by_side(studio):
    table, losses, quality, grids = compare.compared(studio, ["run", "coded"])
    assert [row[:2] for row in table.value["data"]] == [["run", "gan"], ["coded", "infogan"]]
    assert len(losses.data) == 4
    assert quality is None
    assert [name for _, name in grids] == ["run", "coded"]
    for names in ([], None, ["run"] * 9):
        with pytest.raises(UserError, match="choose 1 to 8 runs"):
            compare.compared(studio, names)


def test_a_study_has_tables_and_figures(studio):
    written(studio.shelf.root / "study")
    assert studio.shelf.studies() == ["study"]
    assert studies.tables_of(studio, "study", "summary").startswith("# ")
    assert "## Stability" in studies.tables_of(studio, "study", "summary")
    figures, file = studies.figures_of(studio, "study", "svg")
    assert {"quality-images", "stability"} <= {name for _, name in figures}
    with zipfile.ZipFile(file) as kept:
        assert {"stability.svg", "stability.csv", "README.md"} <= set(kept.namelist())
    for name in HOSTILE:
        for asked in (lambda: studies.tables_of(studio, name, "summary"),  # noqa: B023
                      lambda: studies.figures_of(studio, name, "pdf")):  # noqa: B023  # fmt: skip
            with pytest.raises(UserError, match="choose a study of the list"):
                asked()
    with pytest.raises(UserError, match="choose a format"):
        studies.figures_of(studio, "study", "../x")


def test_text_is_written_by_a_run_of_characters(studio):
    line = compare.written(studio, "classed", "永1永", 0)
    assert line.shape == (256, 3 * 256 + 2 * 8, 3)
    assert np.array_equal(line[:, :256], line[:, -256:])
    for text, says in (
        ("", "no character"),
        ("永x", "no class for x"),
        ("永" * 41, "41 characters"),
    ):
        with pytest.raises(UserError, match=says):
            compare.written(studio, "classed", text, 0)
    with pytest.raises(UserError, match="takes no class"):
        compare.written(studio, "run", "永", 0)


# ---- watch ---------------------------------------------------------------------------------------


def test_a_run_is_shown_with_its_curves_and_verdict(studio):
    said, losses, quality, picture, verdict, *buttons = watch.watched(studio, "run", 100)
    assert "**finished** · gan · step 4" in said
    assert [line.name for line in losses.data] == ["discriminator", "generator"]
    assert quality is None
    assert picture.shape[2] == 3
    assert verdict.startswith("### ")
    assert len(buttons) == watch.MOST_ADVICE
    first = watch.picture_at(studio, "run", 0)
    assert not np.array_equal(first, picture)


def test_a_piece_of_advice_becomes_a_run_beside_it(studio, monkeypatch):
    asked = []
    monkeypatch.setattr(Jobs, "submit", lambda jobs, words, run: asked.append((words, run)) or
                        Job(1, words, run))  # fmt: skip
    monkeypatch.setattr(watch, "_advice", lambda found: [_Advice("lr=5e-4 --add instance-noise")])
    said = watch.advised(studio, "run", 0)
    assert asked == [(["train", "gan", "lr=5e-4", "--add", "instance-noise", "--out",
                       "run-advised"], "run-advised")]  # fmt: skip
    assert "job 1" in said
    with pytest.raises(UserError, match="no such advice"):
        watch.advised(studio, "run", 1)


@pytest.mark.parametrize("command", [
    "steadygan train gan generator=os:system", "steadygan train gan --add evil:Part",
    "steadygan train objective=evil:Loss", "steadygan train gan --trust-code",
    "steadygan data build folder a b", "rm -rf x", "", "steadygan train gan --out=/elsewhere",
])  # fmt: skip
def test_a_runs_command_is_repeated_only_where_it_names_no_code(command):
    data = {"data": {"spec": "folder:/home/pictures"}}
    with pytest.raises(UserError, match=r"not started from here|not trained by a command"):
        watch.repeated({"command": command, **data})
    plain = "steadygan train gan lr=1 --out x --add r1:weight=1 --data folder:pictures --seed 3"
    wanted = plain.replace(" --out x", "").replace(":pictures", ":/home/pictures").split()[1:]
    assert watch.repeated({"command": plain, **data}) == wanted


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_more_training_lets_rates_that_have_ended_go_on(studio, monkeypatch, end):
    """After 60 s and 1,000 images, the whole horizon, five minutes more are 6,000 images."""
    asked = []
    monkeypatch.setattr(
        studio.jobs, "submit", lambda words, run: asked.append(words) or Job(1, words, run)
    )
    file = studio.shelf.path("run") / "run.json"
    facts = json.loads(file.read_text())
    facts["status"] |= {"seconds": 60.0, "images": 1000}
    facts["recipe"]["horizon_images"] = 1000
    facts["recipe"]["g_optimizer"]["lr_end"] = end
    file.write_text(json.dumps(facts))
    watch.trained_on(studio, "run", "5m")
    wanted = ["resume", "run", "--more", "5m", *(["horizon_images=6000"] if end == 0 else [])]
    assert asked == [wanted]


def test_the_distance_that_most_runs_have_is_drawn():
    of_fid = [("a", [{"images": 1, "fid": 3.0}]), ("b", [{"images": 1, "fid": 4.0}])]
    one = [("ring", [{"images": 1, "energy_distance": 0.1}])]
    assert [line.name for line in shelf.quality_curves([*one, *of_fid]).data] == ["a", "b"]
    assert [line.name for line in shelf.quality_curves(one).data] == ["ring"]


def test_the_end_of_a_run_is_shown_once(studio, monkeypatch):
    states = ["running", "running", "finished", "finished"]
    monkeypatch.setattr(watch, "state_of", lambda studio, name: states.pop(0))
    monkeypatch.setattr(watch, "watched", lambda studio, name, at: ["shown"])
    last, seen = None, []
    for _ in range(4):
        last, shown = watch.news(studio, "run", 100, last, 1)
        seen.append(shown == "shown")
    assert seen == [True, True, True, False]


class _Advice:
    why = "so that it works"

    def __init__(self, settings):
        self.settings = settings


# ---- train ---------------------------------------------------------------------------------------


def test_what_will_run_is_a_command_that_can_be_pasted(studio, tmp_path):
    place = tmp_path / "pictures"
    place.mkdir()
    studio.images["pictures"] = place
    line, words, run = train.command_of(studio, "pictures", "32", "gan", "light: minutes of two "
                                        "cores", "5m", 3)  # fmt: skip
    wanted = f"train gan preset=light size=32 --data folder:{place} --budget 5m --seed 3"
    assert words == [*wanted.split(" "), "--out", "gan-pictures-s3"]
    assert line.startswith("steadygan train gan")
    assert run == "gan-pictures-s3"
    asked = ("MNIST digits (shipped)", "auto", train.RECOMMENDED, "default", "1m", 0)
    assert train.command_of(studio, *asked)[1][:3] == ["train", "--data", "mnist"]
    light = train.command_of(studio, *asked[:2], "dcgan", next(iter(train.PRESETS)), "1m", 0)[1]
    assert light[:3] == ["train", "dcgan", "preset=light"]


def test_what_the_time_is_worth_is_measured(studio, monkeypatch):
    taken = []
    monkeypatch.setattr(train, "images_a_second", lambda recipe, *_: taken.append(recipe) or 100.0)
    light = next(iter(train.PRESETS))
    asked = ("MNIST digits (shipped)", "auto", "wgan-gp", light, "5m", 0)
    said = train.planned(studio, *asked)
    images = len(train.opened(studio, *asked[:2]).train)
    batch = taken[0].images_in(10_001)
    assert taken[0].networks.width == 16
    assert (f"**5m is 30,000 images here: {30_000 / batch:,.0f} steps at 100 images/s, "
            f"{30_000 / images:,.0f} passes") in said  # fmt: skip
    assert "| d_steps | 5 |" in said
    train.planned(studio, *asked[:2], train.RECOMMENDED, *asked[3:])
    assert taken[1].method == "cgan"


@pytest.mark.parametrize("place", range(6))
def test_what_is_not_in_a_list_is_refused(place, studio):
    asked = ["MNIST digits (shipped)", "auto", "gan", "default", "1m", 0]
    asked[place] = "../../etc"
    with pytest.raises((UserError, gr.Error)):
        train.command_of(studio, *asked)


def test_dropped_pictures_are_kept_and_looked_at(studio, tmp_path):
    from PIL import Image

    for i in range(60):
        noise = np.random.default_rng(i).integers(0, 255, (20, 20, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"图 {i}.png")
    train.uploaded(studio, [str(path) for path in sorted(tmp_path.glob("*.png"))])
    (name,) = studio.images
    said, images = train.looked_at(studio, name, "auto", "1m")
    assert "54 images" in said
    assert "recommended" in said
    assert all(image.shape[2] == 3 for image in images)
    again = app.studio_of(studio.shelf.root)
    assert list(again.images) == [name]


# ---- the queue -----------------------------------------------------------------------------------


def until(holds, seconds=60.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)


def test_trainings_run_one_after_the_other_and_outlive_the_app(tmp_path):
    jobs = Jobs(tmp_path)
    for number in (1, 2):
        jobs.submit(["train", "gan", "--data", "ring", "--budget", "1h", "width=4", "batch=8",
                     "--device", "cpu", "--out", f"r{number}"], f"r{number}")  # fmt: skip
    assert [job.state for job in jobs.all()] == ["running", "waiting"]
    pid = jobs.all()[0].pid
    jobs._children.clear()  # as an app that starts again: nothing but the file is left
    again = Jobs(tmp_path)
    until(lambda: (tmp_path / "r1" / "run.json").exists())
    assert [job.state for job in again.advance()] == ["running", "waiting"]
    assert os.getsid(pid) == pid
    again.stop(2)
    again.stop(1)
    os.waitpid(pid, 0)
    assert [job.state for job in again.advance()] == ["ended", "ended"]
    assert json.loads((tmp_path / "r1" / "run.json").read_text())["status"]["state"] == "stopped"
    assert again.log(again.all()[0])
    assert not (tmp_path / "r2").exists()


def test_the_queue_goes_on_without_an_open_page(tmp_path):
    jobs = Jobs(tmp_path)
    for number in (1, 2):
        jobs.submit(["--version"], f"r{number}")
    threading.Thread(target=jobs.go_on, args=(0.1,), daemon=True).start()
    until(lambda: [job.state for job in jobs.all()] == ["ended", "ended"])


def test_a_number_that_another_process_has_is_no_job(tmp_path):
    jobs = Jobs(tmp_path)
    jobs._keep([Job(1, ["train", "gan"], "r", "running", os.getpid())])
    assert jobs.advance()[0].state == "ended"
    jobs._keep([Job(i, ["x"], "r") for i in range(50)])
    with pytest.raises(UserError, match="wait already"):
        jobs.submit(["x"], "r")


def test_what_runs_is_remembered_however_many_have_ended(tmp_path, monkeypatch):
    jobs = Jobs(tmp_path)
    monkeypatch.setattr(jobs, "_alive", lambda job: True)
    jobs._keep([Job(1, ["a"], "r", "running", 5), *(Job(i, ["x"], "r", "ended")
                                                   for i in range(2, 200))])  # fmt: skip
    jobs.submit(["b"], "s")
    left = jobs.all()
    assert [job.state for job in (left[0], left[-1])] == ["running", "waiting"]
    assert len(left) == 52


def test_a_queue_file_that_is_damaged_is_an_empty_queue(tmp_path):
    (tmp_path / ".studio").mkdir()
    (tmp_path / ".studio" / "jobs.json").write_text('[{"number": "x"')
    assert Jobs(tmp_path).advance() == []


# ---- how it is served ----------------------------------------------------------------------------


@pytest.fixture
def served(studio):
    with web.serving(studio.shelf.root) as found:
        yield found


def test_nothing_but_the_app_leaves(served):
    """The full counts, of inputs and of clients too, are in `make reliability` (R20)."""
    assert b"steadygan studio" in web.asked(served, "/")
    for name in ("secret.txt", "runs/.env", "runs/run/run.json"):  # what leaks would be seen
        assert any(leak in (served.root.parent / name).read_bytes() for leak in web.LEAKS)
    for path in list(web.paths_of(served.root))[::20]:
        for route in web.ROUTES:
            text = web.asked(served, f"/{route}{path}")
            assert not any(leak in text for leak in web.LEAKS), (route, path)
    if sys.platform == "linux":
        assert addresses_of(served.process) == {"0100007F"}  # 127.0.0.1


def addresses_of(process):
    """The addresses that a process listens at, from /proc."""
    inodes = {os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in
              os.listdir(f"/proc/{process.pid}/fd")}  # fmt: skip
    found = set()
    for table in ("tcp", "tcp6"):
        for line in open(f"/proc/net/{table}").read().splitlines()[1:]:  # noqa: SIM115
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
                found.add(words[1].partition(":")[0])
    return found


def test_others_reach_it_with_a_password_only(tmp_path, monkeypatch, capsys):
    for host in ("0.0.0.0", "192.168.0.7", "example.org", "::"):
        with pytest.raises(UserError, match=r"others can reach it; give --password"):
            app.serve(tmp_path, host=host)
    assert app.is_local("127.0.0.1")
    assert app.is_local("::1")
    assert app.is_local("localhost")


def test_a_port_that_is_taken_is_a_line(tmp_path, monkeypatch, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        monkeypatch.setattr(sys, "argv", ["steadygan", "studio", str(tmp_path), "--port", port])
        with pytest.raises(SystemExit) as left:
            cli.main()
    assert left.value.code == 2
    assert f"--port {port}: is taken" in capsys.readouterr().err.splitlines()[-1]


def test_a_missing_library_is_named_with_the_command_that_installs_it(
    tmp_path, monkeypatch, capsys
):
    for name in [name for name in sys.modules if name.startswith("steadygan.studio")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.setattr(sys, "argv", ["steadygan", "studio", str(tmp_path)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert "pip install -c constraints.txt 'steadygan[studio]'" in capsys.readouterr().err
