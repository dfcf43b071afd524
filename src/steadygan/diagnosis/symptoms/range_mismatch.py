"""Real samples that D is given have another range than the generator's last layer can make.

How it shows: D's loss falls to 0 at once, and saved pictures are washed out or have bright dots.
The least or largest value of D's last real batches is over a fifth of the data's range off that of
the data, or the data lie in [0, 1] while G gives values below -.5, or reach beyond 1 while G never
does, as under a tanh.

Why: a transform is missing or done twice: data in [0, 1] under a tanh that ends in [-1, 1], for
example. D can then tell the two apart by the range alone.

What helps: bring the data to [-1, 1], or end G in the range of the data. Data in [0, 1] under tanh
often do no harm at all: so it is a headline only where samples are not good.

Source: khalooei/ALOCC-CVPR2018#3, yxgeee/FD-GAN#5 (no harm to its main task),
fchollet/deep-learning-with-python-notebooks#7 (noise under tanh, fine with a sigmoid) and #112,
neuralchen/SimSwap#50.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding


def look(evidence: Evidence) -> Finding | None:
    low, high = evidence.late("batch_min"), evidence.late("batch_max")
    whole_low, whole_high = evidence.last("real_min"), evidence.last("real_max")
    if low is None or high is None or whole_low is None or whole_high is None:
        return None
    made = [value for _, value in evidence.series("fake_min")]
    spread = whole_high - whole_low
    moved = abs(low - whole_low) > 0.2 * spread or abs(high - whole_high) > 0.2 * spread
    unit = whole_low > -0.1 and 0.5 < whole_high <= 1.1 and min(made, default=0.0) < -0.5
    highest = max((value for _, value in evidence.series("fake_max")), default=0.0)
    beyond = highest <= 1.0 < 1.15 < whole_high and highest > 0.9  # G ends in tanh, data beyond it
    if spread <= 0 or not (moved or unit or beyond):
        return None
    says = f"real samples reach the discriminator in [{low:.2g}, {high:.2g}], and the "
    if moved:
        says += f"data have [{whole_low:.2g}, {whole_high:.2g}]"
    elif unit:
        says += f"generator gives values down to {min(made):.2g}"
    else:
        says += f"generator gives none above {highest:.2g}"
    numbers = [evidence.number("batch_min", f"{whole_low:.2g}"),
               evidence.number("batch_max", f"{whole_high:.2g}")]  # fmt: skip
    advice = [
        Advice("", "bring the data to [-1, 1], or end the generator in the range of the data")
    ]
    return finding("exact", says, 0.9, numbers, advice, ON_GAME)
