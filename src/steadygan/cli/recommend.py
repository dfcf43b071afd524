"""The command that says which method to take: recommend."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from steadygan.cli.options import (
    ALLOWED,
    KEYS_HELP,
    AllowBad,
    Budget,
    Data,
    Device,
    examples,
    load_torch,
    minutes,
    opened,
    say,
    use_own_code,
    use_threads,
)

app = typer.Typer()


@app.command(
    epilog=examples(
        "steadygan recommend --data folder:my/images --budget 10m",
        "steadygan recommend --data fashion-mnist size=28",
    )
)
def recommend(
    settings: Annotated[list[str] | None, typer.Argument(help=KEYS_HELP)] = None,
    data: Data = "mnist",
    budget: Budget = "10m",
    device: Device = "auto",
    allow_bad: AllowBad = False,
) -> None:
    """Print the command that suits the data and this machine, and why.

    The first line can be pasted. The speed is measured on this machine, in a few seconds.
    """
    load_torch()
    from steadygan.methods import find
    from steadygan.study.bars import bars, phase
    from steadygan.study.compose import compose
    from steadygan.study.recommend import choose_for, facts_of, warnings
    from steadygan.study.request import names_own_code, read_request
    from steadygan.training.horizon import images_a_second
    from steadygan.training.runs import goal_of

    request = read_request([*(settings or []), *ALLOWED[allow_bad]])
    goal = goal_of(None, minutes(budget, "--budget"))
    assert goal.budget_seconds is not None  # no steps were given
    use_threads(request)
    use_own_code(names_own_code(request.recipe.values()))
    dataset = opened(data, request)
    facts = facts_of(dataset)
    with bars() as progress, phase(progress, "measuring the speed"):
        choice = choose_for(dataset, goal, request, device)
        keys = choice.keys(request.recipe)
        recipe = compose(find(choice.method), dataset.shape, keys, choice.parts)
        if (seen := choice.seen) is None:
            speed = images_a_second(recipe, dataset, device, request.run.precision)
            seen = speed * goal.budget_seconds
    own = {**request.recipe, **request.run.model_dump(include=request.run.model_fields_set)}
    words = ["train", *choice.words(own), *(settings or []), "--data", data]
    words += ["--budget", budget or "10m", *(["--device", device] if device != "auto" else [])]
    print(shlex.join(["steadygan", *words, *(["--allow-bad"] if allow_bad else [])]))
    print(f"  data: {facts}")
    for reason in choice.why:
        print(f"  {reason}")
    print(
        f"  speed: {seen / goal.budget_seconds:,.0f} images/s here, so {budget} is {seen:,.0f} "
        f"images, {seen / facts.count:,.0f} passes over the data"
    )
    for warning in warnings(facts):
        say(f"warning: {warning}")
