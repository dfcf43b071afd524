"""Batches of real samples are far less diverse than the data they come from: no shuffling.

How it shows: grids go from class to class together, and the losses rise and fall with each class.
The mean of D's last batch is far from that of all real samples: three times what chance gives a
batch of its size, or more (`batch_shift`; ten times for points, whose two numbers leave more to
chance); or its samples differ at most .75 times as much as held-out ones (`batch_diversity`). The
training data as a whole are as diverse as these (`real_diversity` of .85 or more).

Why: D then learns the batch of the moment, and G follows it from class to class. A shuffle buffer
that is smaller than a class does the same to sorted data. A batch in another range makes distances
small too, so this is ruled out first.

What helps: shuffle the data anew each epoch, and sorted data once as a whole. Batches of one class
by design are the exception.

Source: google/compare_gan#40 (asks about a shuffle buffer on data that are sorted by class). The
limits: ours (benchmarks/diagnosis).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding, other_range

#: Below this diversity of a batch beside held-out samples it is no random draw of them, nor where
#: its mean is so many times as far from that of all as chance puts it.
NARROW, FAR = 0.75, 3.0
#: The same for points: over so many times the mean shift lie exp(-10) of all shuffled batches, and
#: 5 % over three times.
FAR_OF_POINTS = 10.0
#: The means of smaller batches say nothing.
LEAST = 8
#: From this diversity on the training data as a whole are like held-out ones.
WIDE = 0.85


def look(evidence: Evidence) -> Finding | None:
    batch, whole = evidence.late("batch_diversity"), evidence.of_data("real_diversity")
    shift = evidence.late("batch_shift")
    if batch is None or whole is None or whole < WIDE or other_range(evidence):
        return None
    size, processes = evidence.recipe.get("batch"), evidence.facts.get("processes", 1)
    if isinstance(size, int) and size // processes < LEAST:  # a process looks at its share
        return None
    points = len((evidence.facts.get("data") or {}).get("shape") or ()) == 1
    if batch > NARROW and (shift is None or shift < (FAR_OF_POINTS if points else FAR)):
        return None
    says = (
        "batches of real samples differ far less than the training data do: they are not shuffled"
    )
    numbers = [evidence.number("batch_diversity", ".85 to 1.1"),
               evidence.number("batch_shift", ".5 to 2"),
               evidence.number("real_diversity", ".9 to 1.1", whole)]  # fmt: skip
    return finding("exact", says, 0.9, numbers, [Advice("", "shuffle the data")], ON_GAME)
