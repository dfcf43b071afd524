import torch

from steadygan.training.inputs import Streams
from tests.reliability import games


def test_a_stream_is_a_function_of_seed_name_and_place_alone():
    one = Streams(3).generator("latents", 7, "d", 1)
    Streams(3).generator("latents", 7, "d", 0)
    torch.rand(100)  # nothing drawn elsewhere moves it
    again = Streams(3).generator("latents", 7, "d", 1)
    assert torch.equal(torch.rand(50, generator=one), torch.rand(50, generator=again))
    assert torch.rand(1, generator=one) != torch.rand(1, generator=Streams(3).generator("x"))


def test_every_use_has_a_stream_of_its_own():
    keys = [
        Streams(seed).key(name, *place)
        for seed in (0, 1, 2**62)
        for name in ("latents", "penalties", "augmentation")
        for place in ((), (0,), (1,), (0, "d", 0), (0, "d", 1), (0, "g", 0), (1, "d", 0), (10,))
    ]
    assert len(set(keys)) == len(keys)
    assert all(0 <= key < 2**63 for key in keys)
    assert Streams(0).key("a", 1, 23) != Streams(0).key("a", 12, 3)


def test_the_first_latents_of_seed_0_are_those_of_every_release():
    # A changed key would silently change what every seed means.
    assert Streams(0).key("latents", 0, "d", 0) == 4462663595120950120
    assert Streams(0).key("start") == 6250766333548250756


def test_ambient_draws_of_an_update_depend_on_its_place_alone():
    streams = Streams(5)
    with torch.random.fork_rng():
        streams.seed_global_rng(3, "d", 0)
        first = torch.rand(4)
        torch.rand(17)
        streams.seed_global_rng(3, "d", 1)
        other = torch.rand(4)
        streams.seed_global_rng(3, "d", 0)
        assert torch.equal(torch.rand(4), first)
    assert not torch.equal(first, other)


def test_a_run_leaves_the_callers_generator_as_it_was(tmp_path):
    from steadygan.training import resume, train

    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    train(games.small("gan"), games.images(), out=tmp_path / "run", steps=2, device="cpu")
    resume(tmp_path / "run", data=games.images(), steps=3, say=games.quiet)
    assert torch.equal(torch.rand(3), expected)


def test_another_seed_is_another_game_and_the_callers_generator_is_none(tmp_path):
    ends = []
    for n, seed in enumerate((0, 0, 1)):
        torch.manual_seed(n)
        trainer = games.trainer_of(games.small("gan"), tmp_path / str(n), seed=seed)
        trainer.iterate()
        ends.append({k: v.clone() for k, v in trainer.gathered().items()})
    assert games.unlike(ends[0], ends[1]) == []
    assert "players/g/generator.0.weight" in games.unlike(ends[0], ends[2])


def test_flips_are_drawn_by_place_and_hit_half_of_the_images(tmp_path):
    import dataclasses

    data = games.images()
    flipped = dataclasses.replace(data, settings=data.settings.model_copy(update={"flip": True}))
    recipe = games.small("gan", batch=100)
    plain = games.trainer_of(recipe, tmp_path / "a", data).source.next_batch((4, "d", 0))[0]
    mirrored = [
        games.trainer_of(recipe, tmp_path / str(n), flipped).source.next_batch((iteration, "d", 0))[
            0
        ]
        for n, iteration in enumerate((4, 4, 5))
    ]
    assert torch.equal(mirrored[0], mirrored[1])
    assert not torch.equal(mirrored[0], mirrored[2])
    same = (mirrored[0] == plain).flatten(1).all(1)
    back = (mirrored[0] == plain.flip(3)).flatten(1).all(1)
    assert bool((same | back).all())
    assert 35 <= int(back.sum()) <= 65


def test_the_held_out_batch_is_of_the_test_part_and_chosen_by_the_turn(tmp_path):
    from steadygan.training.inputs import as_played

    data = games.images()
    trainer = games.trainer_of(games.small("gan"), tmp_path / "run", data)
    first = trainer.source.held_out(trainer.iteration).samples
    assert torch.equal(first, trainer.source.held_out(trainer.iteration).samples)
    test = as_played(torch.from_numpy(data.test.items))
    assert all(any(torch.equal(image, other) for other in test) for image in first)
    trainer.iteration = 1
    assert not torch.equal(first, trainer.source.held_out(trainer.iteration).samples)
    few = games.trainer_of(games.small("gan"), tmp_path / "few", games.images(held_out=7))
    assert len(few.source.held_out(few.iteration).samples) == 7, (
        "fewer than a batch is still worth a log line"
    )


def test_images_are_played_between_minus_one_and_one():
    from steadygan.training.inputs import as_played

    values = as_played(torch.tensor([0, 255, 51], dtype=torch.uint8))
    assert torch.allclose(values, torch.tensor([-1.0, 1.0, -0.6]))
    assert values[:2].tolist() == [-1.0, 1.0]
    points = torch.tensor([3.5])
    assert as_played(points) is points
