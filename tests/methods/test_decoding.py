"""The decoding constraint: who moves in which step, what is decoded from what, and the stages."""

import copy

import numpy as np
import pytest
import torch
from tiny import (
    GREY,
    IMAGE,
    buffers,
    context,
    dataset,
    differing,
    go_on,
    moments,
    parameters,
    shrunk,
    started,
    trainer,
)

from steadygan.errors import NonFiniteError, UserError
from steadygan.game.context import StepContext
from steadygan.losses.decoding import Features, RandomCodes
from steadygan.methods import find
from steadygan.study.compose import compose
from steadygan.training.inputs import as_played
from steadygan.training.state_dict import gather

DECODING = find("decoding")


def tiny(**keys):
    return shrunk(DECODING.recipe, **keys)


def after_stages(recipe, shape=GREY, seed=0):
    game = trainer(recipe, shape, seed)
    for stage in recipe.stages:
        while game.stage_steps[stage] < recipe.stage_length(stage):
            game.take_stage_step(stage)
    return game


def decode_step(game):
    update = StepContext(game.recipe, game.state, "decode", game.inputs("decode", 0), 0)
    return game.recipe.step(update, game.guard.check)


def tensors_of(player):
    return {**parameters(player), **{f"moment {k}": v for k, v in moments(player).items()}}


# ---- who moves -----------------------------------------------------------------------------


def test_the_decoder_is_the_generator_itself():
    state = started(tiny(), GREY)
    decoder, generator = state.players["decode"]["generator"], state.generator
    assert decoder is generator
    for one, other in zip(
        state.players["decode"].parameters, state.players["g"].parameters, strict=True
    ):
        assert one is other
    assert state.players["decode"].optimizer is not state.players["g"].optimizer


def test_a_decode_step_moves_the_generators_weights_alone():
    game = after_stages(tiny())
    players = game.state.players
    before = {name: tensors_of(player) for name, player in players.items()}
    kept = {name: buffers(module) for name, module in game.state.networks().items()}
    g_ema = {k: v.clone() for k, v in game.state.g_ema.state_dict().items()}
    decode_step(game)
    assert differing(tensors_of(players["autoencoder"]), before["autoencoder"]) == []
    assert differing(tensors_of(players["d"]), before["d"]) == []
    assert differing(moments_of(players["g"]), moments_in(before["g"])) == []
    moved = differing(parameters(players["g"]), before["g"])
    assert set(moved) >= {n for n, p in players["g"].named_parameters().items() if p.dim() > 1}
    assert differing(dict(game.state.g_ema.state_dict()), g_ema) == []
    for name, module in game.state.networks().items():
        assert differing(buffers(module), kept[name]) == [], name


def moments_of(player):
    return {f"moment {k}": v for k, v in moments(player).items()}


def moments_in(tensors):
    return {k: v for k, v in tensors.items() if k.startswith("moment ")}


def test_turns_leave_the_auto_encoder_as_its_stage_left_it():
    game = after_stages(tiny())
    player = game.state.players["autoencoder"]
    weights, state = parameters(player), buffers(game.state.part_states)
    for _ in range(3):
        game.iterate()
    assert differing(parameters(player), weights) == []
    assert differing(buffers(game.state.part_states), state) == []


def test_the_step_comes_before_d_and_g_with_an_order_of_its_own_through_the_data():
    game, seen = after_stages(tiny()), []
    game.guard.check = lambda update: seen.append((update.player.name, list(update.losses)))
    game.iterate()
    assert seen == [("decode", ["decode"]), ("d", ["adversarial"]), ("g", ["adversarial"])]
    assert set(game.source.draws) == {"autoencoder", "features", "decode", "d"}
    assert set(game.last) == {"decode", "d", "g"}


@pytest.mark.parametrize("features", ["encoder", "normal"])
def test_without_weight_the_run_is_dcgan_with_a_normal_prior_bit_for_bit(features):
    plain = shrunk(compose(find("dcgan"), GREY, {"prior": "normal"}))
    bare = tiny(decode_weight=0, features=features)
    assert bare.networks == plain.networks
    ends = []
    for recipe in (plain, bare):
        game = after_stages(recipe) if recipe is bare else trainer(recipe, GREY)
        for _ in range(3):
            game.iterate()
        ends.append(gather(game.state, {}))
    assert differing(*ends) == []


def test_with_weight_it_is_another_run_from_the_same_start():
    tables = [started(tiny(decode_weight=weight), GREY) for weight in (0, 1)]
    for name in ("d", "g"):
        one, other = (parameters(state.players[name]) for state in tables)
        assert differing(one, other) == []


def test_the_weight_is_the_ratio_of_the_learning_rates():
    recipe = tiny(decode_weight=0.3, lr=2e-3)
    state = started(recipe, GREY)
    assert state.players["decode"].spec.lr == pytest.approx(0.3 * 2e-3)
    assert state.players["g"].spec.lr == 2e-3


@pytest.mark.parametrize(("size", "extra"), [(32, 226_039), (64, 843_511)])
def test_the_extra_parameters_are_those_of_the_auto_encoder(size, extra):
    shape = (3, size, size)
    counts = []
    for method in ("dcgan", "decoding"):
        with torch.random.fork_rng():
            networks = find(method).recipe.networks.model_copy(update={"width": 4})
            state = find(method).recipe.changed(networks=networks).start(shape)
        players = [p for p in state.players.values() if not p.weights_of]
        counts.append(sum(p.numel() for player in players for p in player.parameters))
    assert counts[1] - counts[0] == extra


# ---- what is decoded -----------------------------------------------------------------------


@pytest.mark.parametrize("decode", ["l2", "l1"])
def test_the_loss_is_the_mean_distance_of_what_g_makes_of_the_feature(decode):
    game = after_stages(tiny(decode=decode))
    state = game.state.part_states["features"]
    generator = copy.deepcopy(game.state.generator)
    update = StepContext(game.recipe, game.state, "decode", game.inputs("decode", 0), 0)
    loss = game.recipe.losses(update)["decode"].item()
    with torch.no_grad():
        network = game.state.players["autoencoder"]["autoencoder"]
        feature = network.encode(update.real)[0].double()
        spread = (state.squares / state.count).sqrt()
        made = generator(((feature - state.mean) / spread).float()).double().numpy()
    off = made - update.real.double().numpy()
    expected = np.abs(off).mean() if decode == "l1" else (off**2).mean()
    assert loss == pytest.approx(expected, rel=1e-5)


def test_joint_is_one_step_of_g_on_both_losses():
    recipe = tiny(decode="joint", decode_weight=2.5)
    game = after_stages(recipe)
    assert set(game.state.players) == {"d", "g", "autoencoder"}
    update = StepContext(recipe, game.state, "g", game.inputs("g", 0), 0)
    losses = recipe.losses(update)
    assert set(losses) == {"adversarial", "decode"}
    with torch.no_grad():
        made = copy.deepcopy(game.state.generator)(recipe.decoded_from(update))
    expected = 2.5 * (made - update.real).double().square().mean()
    assert losses["decode"].item() == pytest.approx(expected.item(), rel=1e-5)
    game.iterate()
    assert set(game.last) == {"d", "g"}
    assert set(game.last["d"].losses) == {"adversarial"}


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_features_are_matched_to_the_prior(prior):
    recipe = tiny(prior=f"{prior}:dim=8", feature_batches=4)
    game = after_stages(recipe)
    images = as_played(torch.from_numpy(game.data.train.items.copy()))
    latents = recipe.code(game.state, images)
    assert latents.shape == (32, recipe.prior.dim)  # dim h == dim z
    # 4 batches of 8 are the whole part once: the spread is that of the images themselves.
    torch.testing.assert_close(latents.mean(0), torch.zeros(8), rtol=0, atol=1e-5)
    torch.testing.assert_close(latents.std(0, correction=0), torch.ones(8), rtol=1e-4, atol=0)
    update = StepContext(recipe, game.state, "decode", game.inputs("decode", 0), 0)
    drawn = recipe.decoded_from(update)
    standard = recipe.code(game.state, update.real)
    torch.testing.assert_close(drawn, standard.tanh() if prior == "uniform" else standard)


def test_mean_and_spread_are_those_of_all_batches_together():
    random = np.random.RandomState(0)
    batches = [3.0 + random.randn(size, 5) * [0.1, 1, 2, 30, 0] for size in (8, 3, 20)]
    state = Features(5)
    for batch in batches:
        state.add(torch.from_numpy(batch))
    whole = np.concatenate(batches)
    np.testing.assert_allclose(state.mean.numpy(), whole.mean(0), rtol=1e-12)
    np.testing.assert_allclose((state.squares / state.count).numpy(), whole.var(0), rtol=1e-9,
                               atol=1e-12)  # fmt: skip
    standard = state.standardised(torch.from_numpy(whole)).numpy()
    np.testing.assert_allclose(standard.std(0)[:4], 1, rtol=1e-5)
    assert np.abs(standard[:, 4]).max() < 1e-3  # a number that never changes stays 0


@pytest.mark.parametrize(("features", "spread"), [("normal", 1.0), ("uniform", 3**-0.5)])
def test_random_codes_are_fixed_for_an_image_and_of_their_distribution(features, spread):
    recipe = tiny(features=features)
    game = trainer(recipe, GREY)
    assert set(game.state.players) == {"d", "g", "decode"}  # no auto-encoder
    assert [recipe.stage_length(stage) for stage in recipe.stages] == [0, 0]
    codes = {}
    for k in range(12):  # three times through the 32 images
        update = StepContext(recipe, game.state, "decode", game.inputs("decode", k), 0)
        for row, code in zip(update.batch.rows, recipe.decoded_from(update), strict=True):
            known = codes.setdefault(int(row), code)
            assert torch.equal(code, known)
    every = torch.stack([codes[row] for row in range(32)])
    assert every.unique(dim=0).shape[0] == 32
    assert every.mean().abs() < 0.2
    assert every.std() == pytest.approx(spread, rel=0.15)
    assert (every.abs().max() <= 1) == (features == "uniform")


def test_random_codes_depend_on_the_run_and_not_on_the_batch():
    with torch.random.fork_rng():
        one, other = (torch.manual_seed(seed) and RandomCodes(64) for seed in (1, 2))
    rows = torch.arange(500)
    codes = one.normal(rows)
    assert torch.equal(one.normal(rows[[7, 3]]), codes[[7, 3]])
    assert not torch.equal(other.normal(rows), codes)
    assert codes.std() == pytest.approx(1.0, rel=0.02)
    correlations = torch.corrcoef(codes) - torch.eye(500)
    assert correlations.std() == pytest.approx(64**-0.5, rel=0.1)  # as of independent ones


def test_other_priors_are_refused():
    with pytest.raises(UserError, match="prior=normal or prior=uniform"):
        compose(DECODING, GREY, {"prior": "sphere"})


# ---- the stages ----------------------------------------------------------------------------


def test_the_auto_encoder_learns_to_rebuild_images_and_nobody_else_moves():
    """Above 30 dB on toy images after 300 steps; G, D and the average stay as they began."""
    recipe = tiny(autoencoder_steps=300, **{"prior.dim": 16})
    game = trainer(recipe, GREY)
    before = {name: parameters(game.state.players[name]) for name in ("d", "g")}
    g_ema = {k: v.clone() for k, v in game.state.g_ema.state_dict().items()}
    while game.stage_steps["autoencoder"] < 300:
        game.take_stage_step("autoencoder")
    for name in ("d", "g"):
        assert differing(parameters(game.state.players[name]), before[name]) == []
    assert differing(dict(game.state.g_ema.state_dict()), g_ema) == []
    images = as_played(torch.from_numpy(dataset(GREY).test.items.copy()))
    with torch.no_grad():
        rebuilt = game.state.players["autoencoder"]["autoencoder"](images)
    error = (rebuilt - images).double().square().flatten(1).mean(1)
    assert (10 * torch.log10(4 / error)).mean() > 30


def test_the_stage_step_minimises_the_mean_squared_error():
    recipe = tiny()
    update = context(recipe, "autoencoder", GREY)
    losses = recipe.losses(update)
    with torch.no_grad():
        off = update.state.players["autoencoder"]["autoencoder"](update.real) - update.real
    assert losses["reconstruction"].item() == pytest.approx(off.double().square().mean().item())


def test_the_stage_remembers_its_loss_in_hundredths():
    recipe = tiny(autoencoder_steps=250)
    game, losses = trainer(recipe, GREY), []
    for _ in range(250):
        game.take_stage_step("autoencoder")
        losses.append(game.last["autoencoder"].losses["reconstruction"].item())
    curve = game.state.part_states["features"].losses
    places = np.arange(250) * 100 // 250
    expected = [np.mean(np.array(losses)[places == place]) for place in range(100)]
    np.testing.assert_allclose(curve.numpy(), expected, rtol=1e-5)


def test_a_stage_shorter_than_the_curve_leaves_the_rest_of_it_empty():
    game = after_stages(tiny(autoencoder_steps=4))
    curve = game.state.part_states["features"].losses
    assert curve.count_nonzero() == 4


def test_the_moments_go_when_nobody_moves_the_auto_encoder_again():
    game = trainer(tiny(autoencoder_steps=3), GREY)
    player = game.state.players["autoencoder"]
    for done in (1, 2):
        game.take_stage_step("autoencoder")
        assert len(moments(player)) > 0, done
    game.take_stage_step("autoencoder")
    assert moments(player) == {}


def test_a_non_finite_image_in_the_features_stage_stops_it_before_it_counts(tmp_path):
    game = trainer(tiny(), GREY)
    game.folder.path = tmp_path
    for _ in range(4):
        game.take_stage_step("autoencoder")
    deal = game.source.next_batch

    def poisoned(place):
        batch = deal(place)
        batch.samples.view(-1)[5] = float("nan")
        return batch

    game.source.next_batch = poisoned
    with pytest.raises(NonFiniteError, match="stage features, step 0: NaN or Inf in the real"):
        game.take_stage_step("features")
    assert game.state.part_states["features"].count == 0
    assert game.state.part_states["features"].mean.isfinite().all()


def test_g_decodes_its_data_better_after_decode_steps():
    """The step does what it is for: on one batch again and again the distance falls by half."""
    game = after_stages(tiny(lr=5e-3, width=8, **{"prior.dim": 16}))
    dealt = game.inputs("decode", 0)
    batch = dealt.real()
    losses = []
    for _ in range(30):
        update = StepContext(game.recipe, game.state, "decode", dealt, 0)
        update.batch = batch
        losses.append(game.recipe.step(update, go_on).losses["decode"].item())
    assert losses[-1] < 0.5 * losses[0]


def test_plain_has_no_skips():
    for ae, skips in (("unet", True), ("plain", False)):
        network = started(tiny(ae=ae), IMAGE).players["autoencoder"]["autoencoder"]
        assert network.skips == skips
