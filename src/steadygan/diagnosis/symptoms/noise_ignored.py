"""G's samples follow its class (or codes) and nothing else: one sample a class.

How it shows: in the table of classes every row holds the same picture over and over, and rows
differ. Other classes or codes move samples eight times as far as other noise does, or more
(`code_effect`).

Why: a conditional generator whose noise has no effect: it is not passed on or too small, or the
game has collapsed within classes. In Mirza & Osindero's conditional game labels alone can satisfy
D.

What helps: check that the noise reaches G's first layer, and its scale beside the class's
embedding. For a task with one right answer for each condition, as in image translation, it is
common and may be left alone.

Source: Mirza & Osindero 2014, arXiv:1411.1784; Isola et al. 2017 (pix2pix), arXiv:1611.07004, as
quoted in eriklindernoren/PyTorch-GAN#14; junyanz/pytorch-CycleGAN-and-pix2pix#152 (z was ignored),
NVlabs/stylegan3#627 (classes work, every seed gives the same image).
"""

from __future__ import annotations

from steadygan.diagnosis.evidence import LEAST, Evidence
from steadygan.diagnosis.finding import Advice, Finding
from steadygan.diagnosis.rules import ON_SAMPLES, all_one, finding

#: Other classes move samples so many times as far as other noise does.
MOST = 8.0


def look(evidence: Evidence) -> Finding | None:
    effect = evidence.late("code_effect")
    if effect is None or effect < MOST or len(evidence.series("code_effect")) < LEAST:
        return None
    if all_one(evidence):
        return None
    says = "the generator's samples change with its class or codes alone: it ignores its noise"
    numbers = [evidence.number("code_effect", ".4 to 4")]
    advice = [Advice("", "check that the noise reaches the generator's first layer, and its scale")]
    return finding("cause", says, 0.85, numbers, advice, (*ON_SAMPLES, "within-class-collapse"))
