"""Samples get better and worse in turn and stay bad.

How it shows: grids jump between kinds of samples, and evaluations go up and down. In the second
half of the probes (five or more) the distance `way` changes direction at every other probe or more
often, over a range of .2 or more, and the samples are bad at the end.

Why: each player's step answers what the other one did before, so that both turn around a solution.
Rotation by itself is no fault: games that end well turn around their solution too.

What helps: smaller rates, a lower beta1, a zero-centred penalty (R1), and the moving average of G,
which takes the mean over the turns. Where the average is good, leave it alone.

Source: Berard et al. 2020, arXiv:1906.04848; Mescheder et al. 2018, arXiv:1801.04406, abstract.
"""

from __future__ import annotations

from itertools import pairwise

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding, scaled

#: Probes in the second half, the change of the distance that counts, and the share of turns.
LEAST, LARGE, TURNS = 5, 0.2, 0.5


def look(evidence: Evidence) -> Finding | None:
    series = [value for _, value in evidence.series("way")]
    late = series[len(series) // 2 :]
    if not evidence.is_bad or len(late) < LEAST or max(late) - min(late) < LARGE:
        return None
    steps = [b - a for a, b in pairwise(late)]
    turns = sum(a * b < 0 for a, b in pairwise(steps)) / (len(steps) - 1)
    if turns < TURNS:
        return None
    says = "samples get better and worse in turn, and stay bad"
    numbers = [evidence.number("way", "falling, to .2 and less"),
               evidence.number("ema_way", "0 to .15")]  # fmt: skip
    advice = [*(scaled(evidence, player, 0.3, "smaller rates") for player in ("d", "g")),
              Advice("--add r1:weight=1", "a zero-centred penalty")]  # fmt: skip
    return finding("effect", says, 0.5, numbers, advice, ("bad-samples", "plateau"))
