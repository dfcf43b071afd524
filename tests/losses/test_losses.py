"""The one place that a loop of one's own takes losses from."""

import importlib
import inspect
import pkgutil
import re

from steadygan import losses

KINDS = re.compile(r".*(_loss|_loss_to|_penalty|_l2|_information|_divergence|_potential)$")


def functions_of_game():
    for found in pkgutil.iter_modules(losses.__path__, "steadygan.losses."):
        module = importlib.import_module(found.name)
        for name, each in inspect.getmembers(module, inspect.isfunction):
            own = each.__module__ == found.name and not name.startswith("_")
            if own and inspect.signature(each).return_annotation == "Tensor":
                yield name, each


def test_every_loss_of_the_game_is_there():
    wanted = {name: each for name, each in functions_of_game() if KINDS.match(name)}
    assert len(wanted) > 25
    for name, each in wanted.items():
        assert getattr(losses, name, None) is each, name
    assert set(wanted) <= set(losses.__all__)


def test_each_is_a_documented_function():
    assert losses.__all__ == sorted(losses.__all__)
    for name in losses.__all__:
        assert inspect.isfunction(getattr(losses, name))
        assert len(inspect.getdoc(getattr(losses, name))) > 20
