"""Nothing bounds the critic's slope: no clip, no penalty, no normalisation; scores grow.

How it shows: scores and the critic's loss grow without end, to 10^4 and 10^6, and `slope` with
them. The objective is Wasserstein's, no part of the recipe bounds D (or its weight is 0), and the
samples are not good.

Why: without a bound the objective has no optimum: a critic that is twice as steep has twice the
estimate. Its growth tells nothing of the samples, and G's gradient grows alike.

What helps: a gradient penalty, a clip or spectral norm; the part of the method that was left out
comes first. A drift term .001 E C(x)^2 alone does not bound a slope.

Source: caogang/wgan-gp#54 (10^4 to 10^6) and mlangguth89/downscaling_benchmark#11 (10^6 after 100
iterations) for how far scores grow, there in spite of a penalty; Karras et al. 2018 (ProGAN),
section A.1 as quoted in akanimax/pro_gan_pytorch#18 (the drift term).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_GAME, finding

BOUNDS = {"weight-clip", "gradient-penalty", "lipschitz-penalty", "local-gradient-penalty", "r1",
          "r2", "wasserstein-divergence", "spectral-norm", "quadratic-potential"}  # fmt: skip


def look(evidence: Evidence) -> Finding | None:
    if evidence.objective not in ("wasserstein", "wasserstein-low") or evidence.is_good:
        return None
    weightless = {name for name, part in evidence.parts().items() if part.get("weight") == 0}
    if BOUNDS & set(evidence.parts()) - weightless:
        return None
    missing = [
        key for key, (before, now) in evidence.changes.items() if before == "true" and now is None
    ]
    says = (
        "nothing bounds the critic's slope: a Wasserstein objective needs a clip, a"
        " penalty or spectral norm"
    )
    numbers = [evidence.number("slope", "about 1"), evidence.number("score_std", "below 100")]
    back = [Advice(f"--add {name}", "the method has it") for name in missing if name in BOUNDS]
    advice = back or [Advice("--add gradient-penalty", "holds the slope at 1")]
    return finding("exact", says, 0.95, numbers, advice, (*ON_GAME, "steps-too-large"))
