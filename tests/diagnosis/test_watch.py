"""`watch` in loops that know nothing of it: it moves nothing, and names what is wrong."""

import json

import pytest
import torch

import steadygan
from steadygan.errors import UserError
from steadygan.report import write_report
from tests.diagnosis import loops

STEPS = {"wgan_gp": 12}
#: The loop in which D never steps has few steps of G.
NEVER = ("wgan_gp", "d-frozen")


def trained(name, fault="", steps=None):
    """The watcher of a loop that has ended, and what it said."""
    g, d = loops.networks(norm=name != "wgan_gp")
    said = []
    torch.manual_seed(1)
    watcher = steadygan.watch(g, d, every=5, say=said.append)
    loops.LOOPS[name](g, d, loops.images(), steps or STEPS.get(name, 45), fault)
    watcher.close()
    return watcher, said


def spectral(networks):
    """G and D with torch's own spectral norm in D, which moves buffers in each forward."""
    for layer in networks[1]:
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
            torch.nn.utils.parametrizations.spectral_norm(layer)
    return networks


@pytest.mark.parametrize("name", [*loops.LOOPS, "spectral"])
def test_a_watched_loop_is_the_same_bit_for_bit(name):
    made = spectral if name == "spectral" else lambda networks: networks
    g, d = made(loops.networks(norm=name != "wgan_gp"))
    other_g, other_d = made(loops.networks(norm=name != "wgan_gp"))
    name = "dcgan" if name == "spectral" else name
    data, states = loops.images(), []
    for nets, watched in (((g, d), False), ((other_g, other_d), True)):
        torch.manual_seed(1)
        watcher = steadygan.watch(*nets, every=3, say=lambda text: None) if watched else None
        loops.LOOPS[name](*nets, data, 12)
        states.append(torch.rand(4))  # the random state went the same way
        if watcher is not None:
            assert len(watcher.history) >= 3, "it was watched"
            watcher.close()
    assert torch.equal(*states)
    for one, other in ((g, other_g), (d, other_d)):
        for key, tensor in one.state_dict().items():
            assert torch.equal(tensor, other.state_dict()[key]), key
        for weight, twin in zip(one.parameters(), other.parameters(), strict=True):
            assert (weight.grad is None) == (twin.grad is None)
            assert weight.grad is None or torch.equal(weight.grad, twin.grad)
        assert [m.training for m in one.modules()] == [m.training for m in other.modules()]


@pytest.mark.parametrize(
    ("name", "fault", "headline"),
    [
        ("dcgan", "rate", "g-not-updated"),
        ("dcgan", "wrong-tensors", "g-not-updated"),
        ("dcgan", "label", "g-trained-backwards"),
        ("dcgan", "no-zero-grad", "gradients-accumulate"),
        ("wgan_gp", "d-frozen", "d-not-updated"),
        ("dcgan", "detach", "g-not-updated"),
        ("wgan_gp", "g-sign", "g-trained-backwards"),
        ("wgan_gp", "d-sign", "d-trained-backwards"),
        ("lightning", "huge-rates", "steps-too-large"),
        ("lightning", "tiny-rates", "hardly-moved"),
        ("lightning", "g-sign", "g-trained-backwards"),
        ("lightning", "constant-latent", "latent-ignored"),
        ("lightning", "d-frozen", "d-not-updated"),
    ],
)
def test_a_fault_of_the_loop_is_named(name, fault, headline):
    # Only after a while is a network known for one that is never stepped.
    watcher, said = trained(name, fault, steps=40 if (name, fault) == NEVER else None)
    found = watcher.diagnosis()
    assert found.verdict == "fault"
    assert found.headline.name == headline
    if found.headline.kind == "exact":
        assert any(found.says in text for text in said)


@pytest.mark.parametrize("name", ["dcgan", "wgan_gp", "lightning"])
def test_a_loop_without_a_fault_has_none_of_its_wiring(name):
    watcher, _ = trained(name)
    found = watcher.diagnosis()
    assert found.headline is None or found.headline.kind != "exact", found.says
    assert found.headline is None or "backwards" not in found.headline.name


def test_what_it_cannot_tell_it_says_and_takes_from_the_loop():
    watcher, said = trained("augmented")
    assert any("watcher.real(x), watcher.fake(x)" in text for text in said)
    assert not any(key.startswith(("auc", "d_gain")) for key in watcher.history[-1]["probe"])
    g, d = loops.networks()
    said.clear()
    torch.manual_seed(1)
    with steadygan.watch(g, d, every=5, say=said.append) as watcher:
        loops.augmented(g, d, loops.images(), 60, watcher=watcher)
    assert "auc" in watcher.history[-1]["probe"]
    assert not any("cannot tell" in text for text in said)


def test_held_out_samples_show_memorising():
    g, d = loops.networks()
    torch.manual_seed(1)
    held = loops.images(64, seed=5)
    with steadygan.watch(g, d, heldout=held, every=10, say=print) as watcher:
        loops.dcgan(g, d, loops.images(16), 60)
    assert watcher.history[-1]["probe"]["auc_memory"] > 0.6
    assert watcher.history[0]["probe"]["real_duplicates"] > 0.5


def test_its_folder_is_read_by_report_and_diagnose(tmp_path, capsys):
    watcher, _ = trained("dcgan", "rate")
    folder = tmp_path / "mine"
    found = watcher.report(folder)
    assert sorted(p.name for p in folder.iterdir()) == [
        "history.jsonl", "report.html", "run.json", "samples",
    ]  # fmt: skip
    assert list((folder / "samples").glob("step-*.png"))
    again = steadygan.diagnose(folder)
    assert (again.verdict, again.headline.name) == (found.verdict, "g-not-updated")
    assert "exactly those of the start" in write_report(folder).read_text()
    assert json.loads((folder / "run.json").read_text())["diagnosis"]["verdict"] == "fault"
    watcher.report(folder)  # again, over its own
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.txt").write_text("keep")
    with pytest.raises(UserError, match="not empty"):
        watcher.report(tmp_path / "other")
    assert (tmp_path / "other/thesis.txt").read_text() == "keep"


def test_networks_inside_a_parallel_wrapper_are_found():
    g, d = loops.networks()
    watcher = steadygan.watch(torch.nn.DataParallel(g), d, every=5)
    assert watcher.players["g"].module is g
    watcher.close()
    assert not g._forward_hooks
