"""Sorting `key=value` words, composing recipes, and the plan of a study."""

import pytest

from steadygan.errors import UserError
from steadygan.methods import find, methods
from steadygan.study.compose import compose
from steadygan.study.describe import difference, sheet, typed
from steadygan.study.plan import entries_of
from steadygan.study.request import is_setting, read_request

GREY = (1, 28, 28)


def test_words_go_to_their_owners():
    found = read_request(["size=32", "flip=true", "precision=fp32", "width=8", "log_every=5"])
    assert (found.data.size, found.data.flip) == (32, True)
    assert (found.run.precision, found.schedule().log_every) == ("fp32", 5)
    assert found.recipe == {"width": "8"}


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("size=huge", "size=huge"),
        ("size=4", "size=4"),
        ("channels=2", "channels=2"),
        ("threads=0", "threads=0"),
        ("precision=fp16", "precision=fp16"),
        ("batch", "key=value"),
        ("=3", "key=value"),
    ],
)
def test_bad_words_are_one_line(word, text):
    with pytest.raises(UserError, match=text) as caught:
        read_request([word])
    assert "\n" not in str(caught.value)


def test_a_key_given_twice_is_refused():
    with pytest.raises(UserError, match="twice"):
        read_request(["width=8", "width=9"])


def test_methods_and_settings_are_told_apart():
    assert is_setting("d_optimizer.lr=1e-4")
    assert is_setting("gradient-penalty.weight=3")
    assert not is_setting("wgan")
    assert not is_setting("wgan:lr=1e-4")


def test_preset_drop_add_and_keys_apply_in_that_order():
    wgan = find("wgan")
    recipe = compose(
        wgan,
        GREY,
        {"preset": "light", "width": "7"},
        ["gradient-penalty:weight=2"],
        ["weight-clip"],
    )
    assert recipe.networks.width == 7
    assert [(p.name, p.weight) for p in recipe.parts()] == [("gradient-penalty", 2.0)]
    assert wgan.recipe.networks.width == 64, "the method's own recipe must not change"


def test_what_fits_only_after_another_change_is_tried_again():
    keys = {"critic_warmup": "true", "networks": "infogan", "objective": "wasserstein"}
    recipe = compose(find("dcgan"), GREY, {**keys, "prior": "coded"}, ["mutual-information"])
    assert [p.name for p in recipe.parts()] == ["mutual-information", "critic-warmup"]
    with pytest.raises(UserError, match="wants a critic"):
        compose(find("dcgan"), GREY, {"critic_warmup": "true", "batch": "8"})


def test_unknown_preset_part_and_key_name_the_nearest():
    for call, near in [
        (lambda: compose(find("gan"), GREY, {"preset": "ligth"}), "light"),
        (lambda: compose(find("gan"), GREY, {}, ["gradient-penality"]), "gradient-penalty"),
        (lambda: compose(find("gan"), GREY, {"widht": "3"}), "width"),
    ]:
        with pytest.raises(UserError, match=near):
            call()


def test_vectors_get_their_own_networks_and_lose_what_is_for_images():
    recipe = compose(find("wgan-gp"), (2,), {"preset": "light"})
    assert recipe.networks.name == "mlp"
    with pytest.raises(UserError, match="infogan makes images"):
        compose(find("infogan"), (2,), {})


def test_a_shared_key_goes_to_each_method_that_has_it():
    found = entries_of(["gan", "dcgan:width=5", "infogan"], GREY, {"hidden": "9", "width": "6"})
    assert [e.recipe.networks.width for e in found] == [6, 5, 6]
    assert found[2].recipe.networks.hidden == 9
    assert [e.name for e in found] == ["gan", "dcgan-width-5", "infogan"]


def test_a_shared_key_that_no_method_has_is_an_error():
    with pytest.raises(UserError, match="hiden"):
        entries_of(["gan", "infogan"], GREY, {"hiden": "9"})


def test_a_part_by_name_goes_only_where_it_fits():
    found = entries_of(["dcgan", "wgan"], GREY, {"critic_warmup": "true"})
    assert [len(e.recipe.shared) for e in found] == [0, 1]


@pytest.mark.parametrize(
    ("words", "shape", "shared"),
    [
        (["dcgan"], GREY, {"optimizer.lr": "1e-4"}),
        (["wgan"], (2,), {"d_width": "64"}),
        (["dcgan"], GREY, {"gradient-penalty.weight": "5", "gradient-penalty": "true"}),
        (["wgan:optimizer=adam"], GREY, {"betas": "0,0.9"}),
    ],
)
def test_a_study_takes_every_key_that_a_single_run_takes(words, shape, shared):
    assert len(entries_of(words, shape, shared)) == 1


def test_vectors_get_the_methods_settings_for_them():
    assert compose(find("wgan-gp"), (2,), {}).parts()[0].weight == 0.1
    assert compose(find("wgan-gp"), GREY, {}).parts()[0].weight == 10.0
    assert compose(find("gan"), (2,), {}).networks.width == 128
    assert compose(find("gan"), (2,), {"preset": "light"}).networks.width == 128


@pytest.mark.parametrize(("word", "channels"), [("channels=1", 1), ("channels=3", 3)])
def test_channels_are_read_from_text(word, channels):
    assert read_request([word]).data.channels == channels


def test_the_same_entry_twice_and_an_unknown_method_are_refused():
    with pytest.raises(UserError, match="twice"):
        entries_of(["gan", "gan"], GREY, {})
    with pytest.raises(UserError, match="did you mean 'wgan'"):
        entries_of(["wgna"], GREY, {})


def test_sheet_and_difference_name_what_matters():
    text = sheet(find("wgan"))
    assert "Algorithm 1" in text
    assert "weight-clip.bound = 0.01" in text
    assert "a half-life of 62 steps: ema.halflife_images counts real images that D sees" in text
    rows = difference(find("wgan"), find("wgan-gp")).splitlines()
    assert any(row.split() == ["networks.d_norm", "batch", "none"] for row in rows)
    assert not any(row.startswith("batch") for row in rows), "equal keys are left out"
    assert typed(find("gan").recipe)["d_optimizer.lr"] == "0.0002"


@pytest.mark.parametrize("name", methods())
def test_a_sheet_is_made_of_what_the_command_line_takes(name):
    method = find(name)
    assert compose(method, (1, 32, 32), typed(method.recipe)) == method.recipe


@pytest.mark.parametrize(
    ("keys", "add", "drop"),
    [
        ({"g_adversarial": "0"}, ["feature-matching"], ["feature-matching"]),
        ({"g_adversarial": "0", "feature_matching": "false"}, ["feature-matching"], []),
    ],
)
def test_what_does_not_fit_without_a_part_is_one_line(keys, add, drop):
    with pytest.raises(UserError, match="leaves G nothing to learn from: add a part on G"):
        compose(find("dcgan"), GREY, keys, add, drop)


def test_a_method_of_a_study_may_have_steps_of_its_own():
    own, other = entries_of(["gan:steps=3,width=8", "dcgan"], (1, 28, 28), {})
    assert (own.name, own.steps) == ("gan-width-8", 3)
    assert (other.name, other.steps) == ("dcgan", None)
    for wrong in ("0", "-3", "2.5", "many", "²"):
        with pytest.raises(UserError, match=f"gan:steps={wrong}: steps={wrong}: wants a whole"):
            entries_of([f"gan:steps={wrong}"], (1, 28, 28), {})


def test_a_long_first_step_is_said_again_and_again_until_it_is_over(monkeypatch):
    import time

    from steadygan.study import bars

    said = []
    monkeypatch.setattr(bars, "QUIET_EVERY", 0.02)
    monkeypatch.setattr(bars, "line", said.append)
    over = bars.repeating("gan: in its first step", 0.01)
    end = time.monotonic() + 20
    while len(said) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    over()
    assert said[:2] == ["gan: in its first step"] * 2
    time.sleep(0.05)
    told = len(said)
    time.sleep(0.1)
    assert len(said) == told
