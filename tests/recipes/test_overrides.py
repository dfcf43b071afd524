"""Overrides: each rule of the docstring, unknown keys, wrong values."""

import pytest

from steadygan.errors import UserError
from steadygan.game.optimizers import SGD, Adam, RMSProp
from steadygan.losses.information import MutualInformation
from steadygan.losses.objectives import Minimax
from steadygan.methods import find, methods
from steadygan.networks import DCGANNetworks, MLPNetworks, OwnNetworks
from steadygan.parts.constraints import WeightClip
from steadygan.parts.tricks import CriticWarmup
from steadygan.priors import Normal
from steadygan.recipes.overrides import keys_of, override, override_all, suggest

DCGAN, WGAN_GP, WGAN = (find(name).recipe for name in ("dcgan", "wgan-gp", "wgan"))


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("batch", "32", DCGAN.changed(batch=32)),
        ("d-steps", "3", DCGAN.changed(d_steps=3)),
        ("shared_latents", "false", DCGAN.changed(shared_latents=False)),
        ("objective", "minimax", DCGAN.changed(objective=Minimax())),
        ("prior", "normal:dim=64", DCGAN.changed(prior=Normal(dim=64))),
        ("networks", "mlp:width=8,d_width=4", DCGAN.changed(
            networks=MLPNetworks(width=8, d_width=4))),
        ("optimizer", "rmsprop:lr=1e-3", DCGAN.changed(optimizer=RMSProp(lr=1e-3))),
        ("d_optimizer", "sgd", DCGAN.changed(d_optimizer=SGD())),
        ("d_optimizer.lr", "1e-4", DCGAN.changed(d_optimizer=Adam(lr=1e-4))),
        ("optimizer.lr", "1e-4", DCGAN.changed(optimizer=Adam(lr=1e-4))),
        ("g_optimizer.betas", "0,0.9", DCGAN.changed(g_optimizer=Adam(betas=(0, 0.9)))),
        ("prior.dim", "7", DCGAN.changed(prior=DCGAN.prior.model_copy(update={"dim": 7}))),
        ("ema.ramp", "0.5", DCGAN.changed(ema={"ramp": 0.5})),
        ("width", "32", DCGAN.changed(networks=DCGANNetworks(width=32))),
        ("d_norm", "none", DCGAN.changed(networks=DCGANNetworks(d_norm="none"))),
        ("stages", "none", DCGAN.changed(networks=DCGANNetworks(stages=None))),
        ("bias", "no", DCGAN.changed(networks=DCGANNetworks(bias=False))),
        ("lr", "1e-4", DCGAN.changed(optimizer=Adam(lr=1e-4))),
        ("betas", "(0.0, 0.9)", DCGAN.changed(optimizer=Adam(betas=(0.0, 0.9)))),
        ("halflife_images", "1e3", DCGAN.changed(ema={"halflife_images": 1000.0})),
        ("weight_clip", "true", DCGAN.with_(WeightClip())),
        ("weight-clip", "on", DCGAN.with_(WeightClip())),
        ("weight_clip", "off", DCGAN),
    ],
)  # fmt: skip
def test_each_rule(key, value, wanted):
    assert override(DCGAN, key, value) == wanted


@pytest.mark.parametrize("key", ["gradient-penalty.weight", "gradient_penalty.weight"])
def test_a_field_of_a_part_that_is_there(key):
    changed = override(WGAN_GP, key, "5")
    assert [part.weight for part in changed.on_d] == [5.0]
    assert override(DCGAN, key, "5") is None


def test_a_part_on_both_sides_changes_on_both():
    changed = override(find("infogan").recipe, "mutual-information.weight", "0.5")
    assert changed.on_d == changed.on_g == (MutualInformation(weight=0.5),)


def test_a_part_by_its_name_on_and_off():
    warm = override(WGAN, "critic_warmup", True)
    assert warm.shared == (CriticWarmup(),)
    assert override(warm, "critic_warmup", "true") is warm
    assert override(warm, "critic-warmup.turns", "3").shared == (CriticWarmup(turns=3),)
    assert override(warm, "critic_warmup", "false") == WGAN
    assert override(WGAN, "weight_clip", "false").on_d == ()


def test_a_key_of_two_players_can_be_set_for_one_and_keeps_the_other():
    infogan = find("infogan").recipe
    changed = override_all(infogan, {"g_optimizer.lr": "5e-4", "weight_decay": "1e-5"}, "infogan")
    assert changed.g_optimizer == Adam(lr=5e-4, weight_decay=1e-5)
    assert changed.d_optimizer == Adam(lr=2e-4, weight_decay=1e-5)
    mixed = override_all(infogan, {"d_optimizer": "sgd", "optimizer.betas": "0,0.9"}, "infogan")
    assert mixed.d_optimizer == SGD()
    assert mixed.g_optimizer.betas == (0.0, 0.9)


def test_networks_of_ones_own_keep_the_side_that_is_not_given():
    changed = override(DCGAN, "generator", "torch.nn:Identity")
    assert changed.networks == OwnNetworks(generator="torch.nn:Identity", like=DCGAN.networks)
    both = override(changed, "discriminator", "torch.nn:Flatten")
    assert both.networks.generator == "torch.nn:Identity"
    assert both.networks.discriminator == "torch.nn:Flatten"
    assert both.networks.like == DCGAN.networks


@pytest.mark.parametrize(
    "key", ["wdith", "optimizer.zz", "prior.zz", "zz.dim", "batch.x", "", "method", "on_d",
            "gradient-penalty.weight", "D_steps"],
)  # fmt: skip
def test_an_unknown_key_is_none(key):
    assert override(DCGAN, key, "2") is None


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("wdith", "width"), ("bath", "batch"), ("d_optimizer.lrr", "d_optimizer.lr"),
     ("horizon", "horizon_images"), ("g_step", "g_steps")],
)  # fmt: skip
def test_an_unknown_key_names_the_nearest(key, nearest):
    with pytest.raises(UserError) as raised:
        override_all(DCGAN, {"batch": "8", key: "2"}, "method dcgan")
    wanted = f"{key}=2: method dcgan has no key '{key}'; did you mean '{nearest}'?"
    assert str(raised.value) == wanted
    assert suggest(key, DCGAN) in wanted


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("batch", "abc", "batch: should be a valid integer"),
        ("batch", "1", "batch: 1 is too few: statistics of a batch (batch norm"),
        ("batch", "-3", "batch: -3 is too few"),
        (
            "objective",
            "banana",
            "unknown objective 'banana'; known: began, d2gan, ebgan, heads-hinge, hinge, loss",
        ),
        ("batch", "none", "batch: should be a valid integer"),
        ("d_steps", "0", "d_steps: should be greater than or equal to 1"),
        ("lr", "-1", "lr: should be greater than 0"),
        ("lr", "nan", "lr: should be a finite number"),
        ("optimizer.lr", "fast", "lr: should be a valid number"),
        ("optimizer", "adam:lr=0", "d_optimizer.lr: should be greater than 0"),
        ("optimizer", "adm", "unknown optimizer 'adm'; did you mean 'adam'?"),
        ("betas", "1.5,0.9", "betas.0: should be less than 1"),
        ("width", "0", "width: should be greater than or equal to 1"),
        ("g_norm", "layer", "g_norm: should be 'batch' or 'none' (got 'layer')"),
        ("shared_latents", "maybe", "shared_latents: should be a valid boolean"),
        ("objective", "hnige", "unknown objective 'hnige'; did you mean 'hinge'? Known: began, d2"),
        ("prior", "normal:dim=0", "prior.dim: should be greater than or equal to 1"),
        ("ema", "20", "ema: should be a valid dictionary"),
        ("weight_clip", "maybe", "weight-clip is a part: give true or false"),
        ("critic_warmup", "true", "critic-warmup wants a critic"),
        ("mutual_information", "true", "mutual-information wants codes to read"),
    ],
)
def test_a_wrong_value_is_one_line_that_repeats_the_setting(key, value, message):
    with pytest.raises(UserError) as raised:
        override(DCGAN, key, value)
    assert str(raised.value).startswith(f"{key}={value}: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", methods())
def test_every_listed_key_is_taken(name):
    recipe = find(name).recipe
    for key in keys_of(recipe):
        head, _, field = key.partition(".")
        part = next((p for p in recipe.parts() if p.name == head), None)
        if key == "optimizer":
            value = recipe.d_optimizer
        elif part is not None:
            value = getattr(part, field)
        elif field:
            value = getattr(getattr(recipe, head), field)
        elif key in type(recipe).model_fields:
            value = getattr(recipe, key)
        else:
            specs = [
                recipe.networks,
                recipe.prior,
                recipe.d_optimizer,
                recipe.g_optimizer,
                recipe.ema,
            ]
            value = next(getattr(s, key) for s in specs if key in type(s).model_fields)
        assert override(recipe, key, value) is not None, key
