"""Methods are found by file name, and by nearly right names."""

import pkgutil

import pytest

import steadygan.methods
from steadygan.errors import UserError
from steadygan.methods import find, methods


def test_every_file_gives_methods_in_alphabetical_order():
    names = list(methods())
    assert names == sorted(names)
    assert {"gan", "dcgan", "infogan", "wgan", "wgan-gp"} <= set(names)
    for info in pkgutil.iter_modules(steadygan.methods.__path__):
        module = getattr(steadygan.methods, info.name)
        if not getattr(module, "recipes", None):
            assert find(info.name).recipe == module.recipe.changed(method=find(info.name).name)


@pytest.mark.parametrize(
    ("name", "nearest"), [("dcgann", "dcgan"), ("wgangp", "wgan-gp"), ("inforgan", "infogan")]
)
def test_an_unknown_method_names_the_nearest(name, nearest):
    with pytest.raises(UserError) as raised:
        find(name)
    assert str(raised.value) == f"unknown method '{name}'; did you mean '{nearest}'?"


def test_a_file_may_give_several_recipes(monkeypatch):
    from steadygan.methods import gan

    both = {"gan-ns": gan.recipe, "gan-minimax": gan.recipe.changed(objective="minimax")}
    monkeypatch.setattr(gan, "recipes", both, raising=False)
    found = methods.__wrapped__()
    assert "gan" not in found
    assert found["gan-minimax"].recipe.objective.name == "minimax"
    assert found["gan-ns"].recipe.method == "gan-ns"
