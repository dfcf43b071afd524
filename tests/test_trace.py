"""An iteration is short to read: how many calls it is, by `benchmarks.trace`."""

from tiny import shrunk, trainer

from benchmarks.trace import trace
from steadygan.methods import find


def test_an_iteration_of_dcgan_is_at_most_250_calls_in_11_modules_with_50_changes_of_module():
    game = trainer(shrunk(find("dcgan").recipe))
    game.iterate()
    found = trace(game.iterate)
    assert 50 < found.calls <= 250
    assert found.modules <= 11
    assert found.switches <= 50


def test_calls_and_changes_of_module_are_counted():
    recipe = find("dcgan").recipe
    assert trace(lambda: None) == (0, 0, 0, 0)
    found = trace(lambda: recipe.steps("d", 0))
    assert found == (1, 1, 1, 0)
    found = trace(lambda: recipe.ema.decay(10, 1) + recipe.batch)
    assert (found.calls, found.modules, found.switches) == (1, 1, 0)
