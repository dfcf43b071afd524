"""What several symptoms share: advice from the method's sheet, and plain findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding, Kind, Number
from steadygan.records import later_horizon, rates_ended

#: The effects of a game that does not get anywhere.
ON_SAMPLES = ("bad-samples", "total-collapse", "partial-collapse", "still-improving",
              "saturated-output", "plateau", "classes-missing", "within-class-collapse",
              "checkerboard", "noisy-samples", "oscillation")  # fmt: skip
#: Those, and what a bad game does to D.
ON_GAME = (*ON_SAMPLES, "d-overpowers", "d-too-weak", "hardly-moved", "dead-units")


def finding(
    kind: Kind,
    says: str,
    confidence: float,
    numbers: Sequence[Number] = (),
    advice: Sequence[Advice | None] = (),
    explains: Sequence[str] = (),
    source: str = "",
    step: int | None = None,
) -> Finding:
    """A finding without its name, which is that of its file; advice that is None is left out."""
    given = tuple(each for each in advice if each is not None)
    return Finding("", kind, says, confidence, tuple(numbers), given, tuple(explains), source, step)


def back_to_sheet(evidence: Evidence, *keys: str) -> Advice | None:
    """Undo what the run changes in the method's own settings, of those keys; None where it does
    not. The first advice wherever it applies: of what was tried it helped most often."""
    there = {key: evidence.changes[key] for key in keys if key in evidence.changes}
    if not there:
        return None
    settings = " ".join(f"{key}={typed(before)}" for key, (before, _) in there.items()
                        if before is not None)  # fmt: skip
    said = ", ".join(f"{key} is {typed(now)}" for key, (_, now) in there.items())
    return Advice(settings, f"{evidence.method}'s own value: here {said}")


def scaled(evidence: Evidence, player: str, factor: float, why: str) -> Advice | None:
    """A learning rate times `factor`, as it is typed."""
    rate = evidence.spec(f"{player}_optimizer").get("lr")
    if not isinstance(rate, (int, float)):
        return None
    return Advice(f"{player}_optimizer.lr={rate * factor:.3g}", why)


# ---- faults that either network may have ---------------------------------------------------------

NETWORK = {"g": "generator", "d": "discriminator"}
OTHER = {"g": "d", "d": "g"}


def not_updated(evidence: Evidence, player: str) -> Finding | None:
    """A network whose weights are exactly those of the start at two probes or more."""
    moved = evidence.series(f"{player}_travel")
    if len(moved) < 2 or any(travel > 0 for _, travel in moved):
        return None
    says = (
        f"the {NETWORK[player]}'s weights are exactly those of the start: no step of its optimizer "
        "reaches them"
    )
    numbers = [evidence.number(f"{p}_travel", "above .1") for p in (player, OTHER[player])]
    advice = [
        back_to_sheet(evidence, f"{player}_optimizer.lr"),
        Advice("", "check that its optimizer holds its weights, and that its loss reaches them"),
    ]
    return finding("exact", says, 1.0, numbers, advice, ON_GAME, step=moved[0][0])


def rate_too_low(evidence: Evidence, player: str, least: float) -> Finding | None:
    """A network that travelled less than `least` while the other one moved, or whose rate is set
    far below its method's."""
    other = OTHER[player]
    own, theirs = evidence.last(f"{player}_travel"), evidence.last(f"{other}_travel")
    if own is None or theirs is None or own == 0 or evidence.steps < 50:
        return None
    factor, others = evidence.rate_factor(player), evidence.rate_factor(other)
    slow = own <= least and theirs >= 4 * own
    set_low = factor <= 0.03 and others > 0.1 and own < theirs
    if evidence.is_good or not (slow or set_low) or max(factor, others) < 0.1:
        return None
    says = (
        f"the {NETWORK[player]}'s weights hardly moved while the other network's did: "
        "its steps are far too small"
    )
    numbers = [evidence.number(f"{p}_travel", "above .1") for p in (player, other)]
    advice = [back_to_sheet(evidence, f"{player}_optimizer.lr"),
              scaled(evidence, player, 10, "ten times its rate")]  # fmt: skip
    return finding("cause", says, 0.95 if factor < 0.1 else 0.75, numbers, advice, ON_GAME)


def rate_too_high(evidence: Evidence, player: str) -> Finding | None:
    """A rate of one network alone that is many times its method's, beside bad samples."""
    factor = evidence.rate_factor(player)
    if factor < 8 or evidence.rate_factor(OTHER[player]) >= 8 or evidence.is_good:
        return None
    says = f"the {NETWORK[player]}'s learning rate is {factor:.3g} times its method's"
    known = evidence.late(f"{player}_move") is not None
    numbers = [evidence.number(f"{player}_move", ".0005 to .03 a step")] if known else []
    advice = [back_to_sheet(evidence, f"{player}_optimizer.lr")]
    return finding("cause", says, 0.85, numbers, advice, (*ON_GAME, "steps-too-large"))


def steps_too_many(evidence: Evidence, player: str) -> Finding | None:
    """Many more steps of a network an iteration than in its method, beside bad samples."""
    key = f"{player}_steps"
    before, now = evidence.changes.get(key, (None, None))
    if not isinstance(before, int) or not isinstance(now, int):
        return None
    if now < 4 * before or evidence.is_good:
        return None
    says = f"the {NETWORK[player]} takes {now} steps an iteration, {before} in its method"
    return finding("cause", says, 0.8, (), [back_to_sheet(evidence, key)], ON_GAME)


def all_one(evidence: Evidence) -> bool:
    """Whether nearly all samples are one, so that neither codes nor noise can move them: what moves
    them more is then by chance."""
    spread = evidence.late("diversity")
    return spread is not None and spread < 0.05


def other_range(evidence: Evidence) -> bool:
    """Whether batches have another range than the data, which makes all distances smaller: see
    range-mismatch."""
    low, whole = evidence.late("batch_min"), evidence.last("real_min")
    return low is not None and whole is not None and abs(low - whole) > 0.2


# ---- words -------------------------------------------------------------------------------------


def typed(value: Any) -> str:
    """A value as one types it."""
    if isinstance(value, (list, tuple)):
        return ",".join(typed(each) for each in value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def longer(evidence: Evidence) -> Advice:
    if evidence.facts.get("name") == "watched":
        return Advice("", "give it more: train the loop for longer")
    if rates_ended(evidence.facts):
        later = later_horizon(evidence.facts, 2)
        return Advice(
            "", "its rates have ended at 0; give it twice the images: `steadygan resume RUN --more "
            f"10m horizon_images={later}`"
        )  # fmt: skip
    return Advice("", "give it more: `steadygan resume RUN --more 10m`")
