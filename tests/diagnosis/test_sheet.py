"""What a run changes in its method: nothing, where settings are the method's or a preset's."""

import pytest

from steadygan.diagnosis.sheet import changes_of
from steadygan.errors import UserError
from steadygan.methods import methods
from steadygan.study.compose import compose

IMAGES, POINTS = (3, 32, 32), (2,)


def recorded(name, shape, **keys):
    return compose(methods()[name], shape, keys).model_dump(mode="json")


@pytest.mark.parametrize("name", methods())
def test_a_preset_is_no_change_on_images_nor_on_points(name):
    for shape in (IMAGES, POINTS) if methods()[name].vector_networks else (IMAGES,):
        for keys in ({}, *({"preset": preset} for preset in methods()[name].presets)):
            assert changes_of(name, recorded(name, shape, **keys)) == {}


def test_a_change_is_told_from_the_nearest_preset():
    """sngan has one step of D, its light preset five: nine are a change of the latter."""
    for shape in (IMAGES, POINTS):
        changed = recorded("sngan", shape, preset="light", d_steps="9")
        assert changes_of("sngan", changed) == {"d_steps": (5, 9)}


def test_a_preset_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(UserError, match=r"preset=lihgt: method sngan has no such preset.*light"):
        methods()["sngan"].keys_of("lihgt", IMAGES)
