"""What every method must do: a new file in methods/ is tested with no change here."""

import re

import pytest
import torch
from tiny import GREY, IMAGE, POINT, differing, moments, parameters, shrunk, started, trainer

from steadygan.errors import UserError
from steadygan.game.context import Iteration
from steadygan.game.part import Part
from steadygan.methods import find, methods
from steadygan.study.compose import compose
from steadygan.training.state_dict import gather, restore


def learns_vectors(method):
    try:
        method.fitted(POINT)
    except UserError:
        return False
    return True


def shapes_of(method):
    """Every image shape that the method's networks promise, and vectors where it learns them."""
    images = [(c, s, s) for s in method.recipe.networks.sizes for c in (1, 3)]
    return images + ([POINT] if learns_vectors(method) else [])


ALL = list(methods().values())
EACH = pytest.mark.parametrize("method", ALL, ids=lambda m: m.name)
EACH_SHAPE = pytest.mark.parametrize(
    ("method", "shape"),
    [pytest.param(m, s, id=f"{m.name}-{'x'.join(map(str, s))}") for m in ALL for s in shapes_of(m)],
)
EACH_SHORT = pytest.mark.parametrize(
    ("method", "shape"),
    [pytest.param(m, s, id=f"{m.name}-{len(s)}d")
     for m in ALL for s in (GREY, *([POINT] if learns_vectors(m) else []))],
)  # fmt: skip


def everything(game):
    return gather(game.state, game.counters())


def copied(tensors):
    return {name: value.clone() for name, value in tensors.items()}


def play_stages(game):
    """The pre-training stages of a game's recipe, whole; most have none."""
    for stage in game.recipe.stages:
        while game.stage_steps[stage] < game.recipe.stage_length(stage):
            game.take_stage_step(stage)


def played(recipe, shape, iterations=2, seed=0):
    game = trainer(recipe, shape, seed)
    play_stages(game)
    for _ in range(iterations):
        game.iterate()
    return game


# ---- the file ------------------------------------------------------------------------------


@EACH
def test_the_docstring_names_paper_year_identifier_and_equations(method):
    paper, *rest = method.doc.split("\n\n")
    assert re.search(r"\b(19|20)\d\d\b", paper), "no year"
    assert re.search(r"arXiv:\d{4}\.\d{4,5}|doi:10\.\d+|10\.\d{4,}/", paper, re.IGNORECASE)
    assert re.search(r'"[^"]{10,}"', paper), "no title in quotes"
    assert re.search(r"\b(eq\.|Algorithm|section|appendix) *\w", "\n".join(rest)), "no equation"
    assert method.title == " ".join(paper.split())
    assert "\n" not in method.title


@EACH
def test_the_recipe_knows_its_method_and_warns_of_nothing(method):
    assert method.recipe.method == method.name
    assert list(method.recipe.advice()) == []
    assert find(method.name.upper().replace("-", "_")) is method


@EACH
def test_presets_resolve_to_what_they_say(method):
    for preset, keys in method.presets.items():
        recipe = compose(method, IMAGE, {"preset": preset})
        for key, value in keys.items():
            once_more = compose(method, IMAGE, {"preset": preset, key: str(value)})
            assert once_more == recipe, (preset, key)
        if keys:
            assert recipe != method.recipe, preset
        if learns_vectors(method):
            started(compose(method, POINT, {"preset": preset}), POINT)
    with pytest.raises(UserError, match="preset=nosuch"):
        compose(method, IMAGE, {"preset": "nosuch"})


@EACH
def test_every_run_has_a_light_preset_that_is_lighter(method):
    def size(recipe):
        return sum(p.numel() for pl in started(recipe).players.values() for p in pl.parameters)

    assert size(compose(method, IMAGE, {"preset": "light"})) < size(method.recipe)


# ---- the game ------------------------------------------------------------------------------


@EACH_SHORT
def test_what_samples_come_from_is_built_without_the_game(method, shape, monkeypatch):
    """Bit for bit that of a fresh game, and no player: a process's first optimizer is slow."""
    recipe = shrunk(method.fitted(shape))
    torch.manual_seed(0)
    whole = recipe.start(shape, 3).g_ema.state_dict()
    monkeypatch.setattr("steadygan.game.recipe.Player", None)
    torch.manual_seed(0)
    alone = recipe.averaged(shape, 3).state_dict()
    assert list(alone) == list(whole)
    assert all(torch.equal(alone[name], whole[name]) for name in whole)


@EACH_SHAPE
def test_it_builds_and_a_turn_is_finite_and_moves_every_module(method, shape):
    game = trainer(shrunk(method.fitted(shape)), shape)
    before = {name: parameters(player) for name, player in game.state.players.items()}
    g_ema = copied(game.state.g_ema.state_dict())
    play_stages(game)
    assert differing(dict(game.state.g_ema.state_dict()), g_ema) == []
    game.iterate()
    for name, value in everything(game).items():
        assert value.isfinite().all(), name
    for name, update in game.last.items():
        assert update.gradient_norm > 0, name
        assert all(loss.isfinite() for loss in update.losses.values())
    for name, player in game.state.players.items():
        moved = differing(parameters(player), before[name])
        for module in player.modules:
            assert any(key.startswith(f"{module}.") for key in moved), f"{name}/{module}"
    assert differing(dict(game.state.g_ema.state_dict()), g_ema)
    with torch.no_grad():
        prior = game.recipe.sampling_prior(game.data.classes)
        made = game.state.g_ema(prior.sample(3, torch.Generator()))
    assert made.shape == (3, *shape)
    assert len(shape) == 1 or made.abs().max() <= 1


@EACH_SHORT
def test_the_gradient_reaches_every_weight_of_g(method, shape):
    game = trainer(shrunk(method.fitted(shape)), shape)
    reached = {}

    def watch(update):
        if update.player is game.state.players["g"]:
            for name, slope in zip(update.player.parameter_names, update.gradients, strict=True):
                reached[name] = max(reached.get(name, 0.0), slope.abs().max().item())

    for iteration in range(2):
        game.recipe.iterate(game.state, Iteration(iteration, 0, game.inputs, watch))
    generator = game.state.generator
    matrices = [f"generator.{n}" for n, p in generator.named_parameters() if p.dim() > 1]
    assert matrices
    assert all(reached[name] > 0 for name in matrices)


@EACH_SHORT
def test_an_update_leaves_every_other_players_weights_and_moments(method, shape):
    game = trainer(shrunk(method.fitted(shape)), shape)
    players = game.state.players
    since, checks = {}, []

    def of(player, moved):
        """Weights and moments of `player`; moments alone where `moved` shares its weights."""
        shared = player.weights_of == moved.name or moved.weights_of == player.name
        own_moments = {f"moment/{k}": v for k, v in moments(player).items()}
        return own_moments if shared else {**parameters(player), **own_moments}

    def check():
        for name, (moved, before) in since.items():
            assert differing(of(players[name], moved), before) == [], name
            checks.append(name)

    def watch(update):
        check()  # between the update before this one and now, only its own player moved
        since.clear()
        moved = update.player
        since.update({n: (moved, of(p, moved)) for n, p in players.items() if p is not moved})

    game.guard.check = watch
    play_stages(game)
    for iteration in range(2):
        game.recipe.iterate(game.state, Iteration(iteration, 0, game.inputs, watch))
    check()
    assert set(checks) == set(players)


@EACH_SHORT
def test_the_same_seed_is_the_same_run_bit_for_bit_and_another_is_not(method, shape):
    recipe = shrunk(method.fitted(shape))
    one, again, other = (everything(played(recipe, shape, seed=s)) for s in (3, 3, 4))
    assert differing(one, again) == []
    weights = [name for name in one if name.startswith("players/") and one[name].dim() > 1]
    assert set(weights) <= set(differing(one, other))


@EACH_SHORT
def test_a_run_goes_on_from_its_gathered_state_as_if_never_stopped(method, shape):
    recipe = shrunk(method.fitted(shape))
    straight = played(recipe, shape, iterations=2)
    saved = copied(everything(straight))
    resumed = trainer(recipe, shape)
    counters = restore(resumed.state, copied(saved))
    assert differing({**gather(resumed.state, counters)}, saved) == []
    resumed.take_counters(counters)
    for game in (straight, resumed):
        game.iterate()
    assert differing(everything(straight), everything(resumed)) == []
    assert differing(everything(straight), saved)


def weightless(part):
    """`part` with every weight at 0, or None where it has no weight."""
    weights = [field for field in type(part).model_fields if field.endswith("weight")]
    return part.model_copy(update=dict.fromkeys(weights, 0.0)) if weights else None


def bare_recipe(method, part, shape):
    """The method's tiny recipe without the part; None where the two are never seen together."""
    recipe = shrunk(method.fitted(shape))
    if part.name in [p.name for p in recipe.parts()]:
        if len(recipe.parts()) == 1 and not recipe.g_adversarial:
            return None
        recipe = recipe.without(part.name)
    return recipe if part.incompatibility(recipe) is None else None


#: Games in which each weighted part is tried: shared fakes, several critic steps, codes, classes.
HOSTS = ("dcgan", "wgan-gp", "infogan", "multiclass-lsgan")


@pytest.mark.parametrize("name", [n for n, m in Part.members().items() if weightless(m())])
def test_a_part_of_weight_0_leaves_the_run_bit_for_bit(name):
    """Parts draw from streams of their own, and their forwards leave no trace in a player."""
    part = weightless(Part.members()[name]())
    hosts = [m for m in ALL if m.name in HOSTS and bare_recipe(m, part, GREY)]
    hosts = hosts or [m for m in ALL if bare_recipe(m, part, GREY)][:1]
    assert hosts, f"no method can have {name}"
    tells = [compare_weightless(bare_recipe(method, part, GREY), part, GREY) for method in hosts]
    assert any(tells)  # one at least: a power of a fresh critic's slope may be below float32


def compare_weightless(bare, part, shape):
    """Whether the part at its default weight makes another run."""
    runs = [played(r, shape) for r in (bare, bare.with_(part))]
    for player in runs[0].state.players:
        one, other = (parameters(run.state.players[player]) for run in runs)
        assert differing(one, other) == [], player
    one, other = (dict(run.state.g_ema.state_dict()) for run in runs)
    assert differing(one, other) == []
    heavy = bare.with_(type(part)())
    return bool(differing(everything(played(heavy, shape)), everything(runs[0])))


@EACH
def test_it_says_how_it_dislikes_data_that_it_cannot_make(method):
    problem = method.recipe.networks.incompatibility((3, 32, 48))
    if problem is not None:
        with pytest.raises(UserError, match="32x48"):
            method.recipe.start((3, 32, 48))
    if not learns_vectors(method):
        with pytest.raises(UserError, match=f"{method.name} makes images"):
            method.fitted(POINT)
