"""Samples are bad: far from real ones by features that no network was trained for.

How it shows: the pictures do not look like the data, whatever the losses say. Over the last third
of the probes the distance `ema_way` (`way` where there is no average of G) is above .2; 0 is the
distance of held-out samples, 1 that of uniform noise, and up to .15 counts as good.

Why: every fault ends in this, so it is never the headline. The distance is taken in the features of
a fixed random convolutional network, since distances of pixels do not compare across data sets and
D's scores do not compare across runs.

What helps: go by the cause that is named beside it. Where none is found, compare the settings with
the method's own, and train on as long as the distance falls.

Source: Szekely & Rizzo 2013, eq. 6 (energy distance). The features and limits: ours
(benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Finding
from steadygan.diagnosis.rules import finding


def look(evidence: Evidence) -> Finding | None:
    if not evidence.is_bad:
        return None
    key = "ema_way" if evidence.series("ema_way") else "way"
    return finding(
        "effect", "the samples are far from real ones", 0.5, [evidence.number(key, "0 to .15")]
    )
