"""G repeats training samples: many of its samples are near-duplicates of real ones.

How it shows: samples look perfect, and the nearest training image (the last row of
samples/twins.png) is the same picture. Of a probe's samples 30 % or more are near-duplicates of one
of its real ones (`copies`). That is at most 128 images, so copies from a large data set are not
seen here.

Why: with few distinct images the data are these images, and D's scores lead G to each of them.

What helps: compare with more training images by `steadygan evaluate`, and use more data or
augmentation. A note, no fault by itself: for simple data (points, digits) samples may well come
that near.

Source: ours (benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import finding


def look(evidence: Evidence) -> Finding | None:
    share = evidence.late("copies")
    if share is None or share < 0.3:
        return None
    says = f"{share:.0%} of the generator's samples are near-duplicates of training ones"
    numbers = [evidence.number("copies", "below .05")]
    return finding(
        "note",
        says,
        0.6,
        numbers,
        [Advice("", "compare with `steadygan evaluate`: nearest training images")],
    )
