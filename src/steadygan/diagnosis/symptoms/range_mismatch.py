"""Real samples that D is given have another range than the generator's last layer can make.

khalooei/ALOCC-CVPR2018#3, yxgeee/FD-GAN#5. Data in [0, 1] under tanh often does no harm at all: so
it is a headline only where samples are bad.
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding, Kind
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
    if spread <= 0 or not (moved or unit):
        return None
    says = f"real samples reach the discriminator in [{low:.2g}, {high:.2g}], and the "
    if moved:
        says += f"data have [{whole_low:.2g}, {whole_high:.2g}]"
    else:
        says += f"generator gives values down to {min(made):.2g}"
    numbers = [evidence.number("batch_min", f"{whole_low:.2g}"),
               evidence.number("batch_max", f"{whole_high:.2g}")]  # fmt: skip
    advice = [
        Advice("", "bring the data to [-1, 1], or end the generator in the range of the data")
    ]
    kind: Kind = "note" if evidence.is_good else "exact"
    return finding(kind, says, 0.9, numbers, advice, ON_GAME)
