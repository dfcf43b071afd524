"""Where batches are drawn from: a file, or the device, which is the CPU here."""

import dataclasses

import pytest
import torch
from tiny import dataset, shrunk, trainer

from steadygan.methods import find
from steadygan.training import inputs
from steadygan.training.inputs import fits, held_on

CPU, GPU = torch.device("cpu"), torch.device("cuda")
ITEMS = dataset((1, 8, 8)).train.items


def test_items_on_the_device_are_those_of_the_file(monkeypatch):
    monkeypatch.setattr(inputs, "CHUNK", 5)  # the last one is smaller
    held = held_on(CPU, ITEMS)
    assert held.dtype == torch.uint8
    assert torch.equal(held, torch.from_numpy(ITEMS))


def test_a_game_is_the_same_from_either():
    games = [trainer(shrunk(find("gan").recipe), (1, 8, 8)) for _ in range(2)]
    for game in games:
        settings = game.data.settings.model_copy(update={"flip": True})
        game.source.data = dataclasses.replace(game.data, settings=settings)
    games[1].source._held = held_on(CPU, games[1].data.train.items)
    games[1].source.data.train.items[:] = 0  # it is not read again
    for game in games:
        game.iterate()
    first, second = (game.gathered() for game in games)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("free", "held"), [(4 * ITEMS.nbytes, True), (4 * ITEMS.nbytes - 1, False)]
)
def test_a_gpu_holds_images_that_take_a_quarter_of_its_free_memory(monkeypatch, free, held):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10 * free))
    assert fits(ITEMS, GPU) is held


def test_a_cpu_reads_the_file_that_is_in_its_memory_anyway():
    assert not fits(ITEMS, CPU)
