"""A probe: what a game in training looks like now, as a few dozen scale-free numbers.

A probe moves nothing: no weight, buffer, gradient or random state. `Subject` says how to run G and
D without moving anything; everything else here is a plain function of tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from steadygan.diagnosis.features import Scale

#: Latents, real and held-out samples that a probe looks at.
COUNT = 128
#: A sample whose nearest neighbour is nearer than this share of the median distance of held-out
#: samples to theirs is a near-duplicate.
NEAR = 0.25

#: Samples at most so far from each other, of about sqrt(2), are the same.
SAME = 1e-3
#: Classes of labelled data are looked at where each has at least so many of a probe's samples.
LEAST_OF_CLASS = 6

#: Below this sum of variances samples are one, whatever rounding leaves.
LEAST_VARIANCE = 1e-6
#: What the effect of codes is cut at: noise that does nothing would make it infinite.
MOST_EFFECT = 1000.0
#: What `way` is cut at: samples that run away say no more than this.
FARTHEST = 10.0

Kind = Literal["real", "fake", "heldout"]


class Reference:
    """Real samples (n, ...) and held-out ones, with what follows from them alone: made once a run.

    Without a held-out part the second half of the real samples stands in for it. `labels` (n,)
    int64 are the classes of the real ones, where they are known.
    """

    def __init__(self, real: Tensor, heldout: Tensor | None, labels: Tensor | None = None) -> None:
        real = real.detach().float().cpu()
        half = len(real) // 2
        self.real = real
        self.heldout = real[half:] if heldout is None else heldout.detach().float().cpu()
        x = real[:half] if heldout is None else real
        self.scale = Scale(torch.cat([x, self.heldout]))
        self.x, self.h = self.scale(x), self.scale(self.heldout)
        among = torch.cdist(self.h, self.h)
        self.spread = _off_diagonal(among).clamp_min(1e-12)
        self.near = NEAR * float(_nearest(among, own=True).median().clamp_min(1e-12))
        self.floor = _distance(self.x, self.h)
        noise = _distance(self.scale(_noise_like(self.heldout)), self.h)
        self.length = (noise - self.floor).clamp_min(0.1 * float(noise) + 1e-12)
        self.rank = max(_rank(self.h), 1e-12)
        self.labels = None if labels is None else labels.cpu()[: len(x)]
        if self.labels is not None and len(x) < LEAST_OF_CLASS * len(self.labels.unique()):
            self.labels = None  # too few samples a class
        if self.labels is not None:
            nearest = torch.cdist(self.h, self.x).argmin(1)
            self.entropy, self.within_class = _by_class(among, self.labels[nearest])


@dataclass(frozen=True)
class Subject:
    """A game as a probe sees it. Samples are (n, ...), images in the range that D is given.

    `generate()` gives G's samples of the fixed latents with batch statistics of their own, as in
    training; `evaluated()` the first of them in eval mode; `averaged()` those of G's moving average
    in eval mode. `score(kind)` gives D's raw scores (n,) of samples of a kind, None where there are
    none. `code_effect` gives samples as they are, with other codes or classes, and with other
    noise; None for a generator without codes. `rebuilt` gives the real samples as an encoder and
    its decoder rebuild them; None where there is none.
    """

    reference: Reference
    generate: Callable[[], Tensor]
    evaluated: Callable[[], Tensor] | None = None
    averaged: Callable[[], Tensor] | None = None
    score: Callable[[Kind], Tensor | None] | None = None
    code_effect: Callable[[], tuple[Tensor, Tensor, Tensor] | None] = lambda: None
    rebuilt: Callable[[], Tensor | None] = lambda: None
    real_is_high: bool = True


@torch.no_grad()
def probe(subject: Subject) -> dict[str, float]:
    """The signals of `subject`, by name; see `signals_of_samples` and the functions below."""
    reference = subject.reference
    fake = subject.generate().detach().float().cpu()
    found = signals_of_samples(fake, reference) | ranges(fake, reference.real)
    if subject.evaluated is not None:
        evaluated = subject.evaluated()
        found["mode_gap"] = gap(fake[: len(evaluated)], evaluated, reference.real)
    if subject.averaged is not None:
        average = signals_of_samples(subject.averaged().detach().float().cpu(), reference)
        found |= {f"ema_{key}": average[key] for key in ("way", "diversity")}
    if (triple := subject.code_effect()) is not None:
        found["code_effect"] = effect(*triple)
    if (rebuilt := subject.rebuilt()) is not None:
        found["reconstruction"] = reconstruction(rebuilt.detach().float().cpu(), reference)
    if subject.score is not None:
        kinds: tuple[Kind, ...] = ("real", "fake", "heldout")
        scores = {kind: s for kind in kinds if (s := subject.score(kind)) is not None}
        found |= signals_of_scores(scores, subject.real_is_high)
    return {name: value for name, value in found.items() if math.isfinite(value)}


# ---- samples -----------------------------------------------------------------------------------


def signals_of_samples(fake: Tensor, reference: Reference) -> dict[str, float]:
    """What samples (n, ...) are beside real ones, by distances of fixed random features.

    way         how far from held-out samples, 0, to uniform noise, 1: of the roots of energy
                distances (Szekely & Rizzo 2013, eq. 6); above 1 it is worse than noise
    diversity   mean distance of two samples, over that of two held-out ones
    duplicates  the share that has a near-duplicate among the samples
    copies      the share that has a near-duplicate among the real ones
    rank        effective rank (participation ratio of the covariance), over that of held-out ones
    """
    g = reference.scale(fake)
    floor = reference.floor
    same = torch.cdist(g, g)
    to_real = torch.cdist(g, reference.x)
    return signals_of_classes(same, to_real, reference) | {
        "way": min(FARTHEST, float((_distance(g, reference.h) - floor) / reference.length)),
        "diversity": float(_off_diagonal(same) / reference.spread),
        "duplicates": float((_nearest(same, own=True) < reference.near).float().mean()),
        "copies": float((to_real.amin(1) < reference.near).float().mean()),
        "rank": _rank(g) / reference.rank,
    }


def twins(fake: Tensor, reference: Reference, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `count` samples (of `fake`, (n, ...)) that are nearest to another one: their rows, those
    of the other ones, and of the nearest real samples, (count,) each. A pair is there once, and
    pairs that are no near-duplicates of an earlier one come first."""
    g = reference.scale(fake)
    apart = torch.cdist(g, g) + torch.diag(torch.full((len(g),), math.inf))
    distance, other = apart.min(1)
    first = torch.arange(len(g))
    once = (other[other] != first) | (first < other)  # of two that are each other's nearest, one
    chosen: list[int] = []
    again: list[int] = []
    for row in torch.where(once, distance, math.inf).argsort().tolist():
        new = not chosen or float(apart[row, chosen].min()) >= reference.near
        (chosen if new else again).append(row)
    order = torch.tensor((chosen + again)[:count])
    return order, other[order], torch.cdist(g[order], reference.x).argmin(1)


def signals_of_classes(same: Tensor, to_real: Tensor, reference: Reference) -> dict[str, float]:
    """What samples are by the class of their nearest real sample, beside held-out ones, from their
    distances (n, n) and those to the real ones (n, m); nothing where classes are not known.

    classes       how many classes they show, exp(entropy), over that of held-out samples
    class_spread  mean distance of two samples of one class, over that of two held-out ones
    """
    if reference.labels is None:
        return {}
    entropy, within = _by_class(same, reference.labels[to_real.argmin(1)])
    found = {"classes": math.exp(entropy - reference.entropy)}
    if within is not None and reference.within_class:
        found["class_spread"] = within / reference.within_class
    return found


def _by_class(apart: Tensor, classes: Tensor) -> tuple[float, float | None]:
    """The entropy of `classes` (n,) in nats, and the mean distance (of `apart`, (n, n)) of two
    samples of one class; None where no two are."""
    share = torch.bincount(classes).float() / len(classes)
    entropy = float(-(share[share > 0] * share[share > 0].log()).sum())
    pairs = (classes[:, None] == classes[None, :]) & ~torch.eye(len(classes), dtype=torch.bool)
    return entropy, float(apart[pairs].mean()) if bool(pairs.any()) else None


def signals_of_data(real: Tensor, reference: Reference) -> dict[str, float]:
    """What a draw of real samples (n, ...) is: the share of near-duplicates, how diverse they are
    beside held-out ones, and of images the share of blank ones (no spread of pixels)."""
    diversity = _off_diagonal(torch.cdist(reference.x, reference.x)) / reference.spread
    found = {"real_duplicates": share_repeated(real), "real_diversity": float(diversity)}
    if real.dim() == 4:  # a point with equal coordinates is not blank
        found["real_blank"] = float((real.flatten(1).std(1) < 1e-3).float().mean())
    return found


def share_repeated(real: Tensor) -> float:
    """The share of samples (n, ...) that repeat another one, but for rounding."""
    features = Scale(real)(real)
    exact = "donot_use_mm_for_euclid_dist"  # products would leave more rounding between equals
    apart = torch.cdist(features, features, compute_mode=exact)
    return float((_nearest(apart, own=True) < SAME).float().mean())


def signals_of_batch(batch: Tensor, reference: Reference) -> dict[str, float]:
    """What real samples (B, ...) D was given in its last step, beside a draw from all of them:
    their range; their diversity, about 1 for a shuffled batch of the whole data; and `batch_shift`,
    the squared distance of their mean from that of the draw, over what it is on average for a
    random batch of this size: about 1, and up to B for a batch of one kind."""
    features = reference.scale(batch)
    centre, count = reference.x.mean(0), len(features)
    spread = (reference.x - centre).square().sum(1).mean()
    by_chance = spread * (1 / count + 1 / len(reference.x))
    return {
        "batch_shift": float(
            (features.mean(0) - centre).square().sum() / by_chance.clamp_min(1e-12)
        ),
        "batch_min": float(batch.min()),
        "batch_max": float(batch.max()),
        "batch_diversity": float(_off_diagonal(torch.cdist(features, features)) / reference.spread),
    }


def ranges(fake: Tensor, real: Tensor) -> dict[str, float]:
    """Least and largest values, and the share of G's values at the ends of tanh beyond that of real
    samples. Of images also the spread at their border, in units of the real spread, and log10 of
    the power at the highest frequency and in the upper half of them, over that of real ones."""
    found: dict[str, float] = {}
    for name, samples in (("real", real), ("fake", fake)):
        found |= {f"{name}_min": float(samples.min()), f"{name}_max": float(samples.max())}
    ends = [float((s.abs() > 0.99).float().mean()) for s in (fake, real)]
    found["saturated"] = ends[0] - ends[1]
    if fake.dim() == 4:
        for name, samples in (("real", real), ("fake", fake)):
            found[f"border_{name}"] = float(_border(samples) / real.std().clamp_min(1e-12))
        found["nyquist"] = math.log10(_nyquist(fake) / max(_nyquist(real), 1e-12) + 1e-6)
        found["fine"] = math.log10(_fine(fake) / max(_fine(real), 1e-12) + 1e-6)
    return found


def gap(one: Tensor, other: Tensor, real: Tensor) -> float:
    """Mean absolute difference of two sets of samples (n, ...) in units of the real spread."""
    off = (one.float().cpu() - other.float().cpu()).abs().mean()
    return float(off / real.std().clamp_min(1e-12))


def effect(samples: Tensor, of_codes: Tensor, of_noise: Tensor) -> float:
    """How far other codes (or classes) move samples, over how far other noise does: about 0 where G
    ignores its codes."""
    base = samples.float().cpu()
    codes = (base - of_codes.float().cpu()).flatten(1).norm(dim=1).mean()
    noise = (base - of_noise.float().cpu()).flatten(1).norm(dim=1).mean()
    return min(MOST_EFFECT, float(codes / noise.clamp_min(1e-12)))


def reconstruction(rebuilt: Tensor, reference: Reference) -> float:
    """How far real samples (n, ...) are from what is rebuilt of them, over how far two of them are
    from each other: 1 is no better than another image."""
    x = reference.x[: len(rebuilt)]
    off = (reference.scale(rebuilt)[: len(x)] - x).norm(dim=1).mean()
    return float(off / _off_diagonal(torch.cdist(x, x)).clamp_min(1e-12))


def _noise_like(samples: Tensor) -> Tensor:
    """Uniform noise in the range of `samples`, the same at every call."""
    random = torch.Generator().manual_seed(1)
    low, high = samples.min(), samples.max()
    return low + (high - low) * torch.rand(samples.shape, generator=random)


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """The root of the energy distance of features (n, d) and (m, d)."""
    between = 2 * torch.cdist(a, b).mean()
    within = _off_diagonal(torch.cdist(a, a)) + _off_diagonal(torch.cdist(b, b))
    return (between - within).clamp_min(0).sqrt()


def _off_diagonal(apart: Tensor) -> Tensor:
    """The mean of a matrix of distances (n, n) without its diagonal."""
    count = len(apart)
    return apart.sum() / max(1, count * (count - 1))


def _nearest(apart: Tensor, own: bool) -> Tensor:
    """The distance of each row to its nearest column; `own` leaves the diagonal out."""
    if own:
        apart = apart + torch.diag(torch.full((len(apart),), math.inf))
    return apart.amin(1)


def _rank(features: Tensor) -> float:
    """(sum of variances)^2 over the sum of their squares, along principal axes."""
    centred = features - features.mean(0)
    products = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    total = products.trace()
    if total < LEAST_VARIANCE:
        return 0.0
    return float(total.square() / products.square().sum())


def _border(images: Tensor) -> Tensor:
    """How much the outermost pixels differ from image to image: their mean standard deviation."""
    spread = images.std(0)
    frame = (spread[:, 0], spread[:, -1], spread[:, 1:-1, 0], spread[:, 1:-1, -1])
    return torch.cat([each.flatten() for each in frame]).mean()


def _spectrum(images: Tensor) -> Tensor:
    """Mean power of each frequency of centred images, (H, W)."""
    grey = images.mean(1)
    grey = grey - grey.mean((1, 2), keepdim=True)
    return torch.fft.fft2(grey).abs().square().mean(0)


def _nyquist(images: Tensor) -> float:
    """The share of power at the highest frequency of rows and columns: what checkerboards have."""
    power = _spectrum(images)
    rows, columns = power.shape
    top = power[rows // 2].sum() + power[:, columns // 2].sum()
    return float(top / power.sum().clamp_min(1e-12))


def _fine(images: Tensor) -> float:
    """The share of power in the upper half of frequencies: noise has much, blur little."""
    power = _spectrum(images)
    rows, columns = (torch.fft.fftfreq(n).abs() for n in power.shape)
    high = torch.maximum(rows[:, None], columns[None, :]) > 0.25
    return float(power[high].sum() / power.sum().clamp_min(1e-12))


# ---- scores ------------------------------------------------------------------------------------


def auc(high: Tensor, low: Tensor) -> float:
    """P(a > b) + P(a = b) / 2 for scores a of `high` (n,) and b of `low` (m,): .5 where D cannot
    tell the two apart, 1 where it always can, whatever its objective."""
    above = (high[:, None] > low[None, :]).float().mean()
    equal = (high[:, None] == low[None, :]).float().mean()
    return float(above + equal / 2)


def signals_of_scores(scores: Mapping[Kind, Tensor], real_is_high: bool) -> dict[str, float]:
    """`auc` (real above fake), `auc_heldout` (held out above fake), `auc_memory` (real above held
    out), and range and spread of the scores."""
    sign = 1.0 if real_is_high else -1.0
    s: dict[str, Tensor] = {
        kind: sign * values.detach().float().cpu() for kind, values in scores.items()
    }
    both = torch.cat([s["real"], s["fake"]])
    found = {"auc": auc(s["real"], s["fake"])}
    if "heldout" in s:
        found["auc_heldout"] = auc(s["heldout"], s["fake"])
        found["auc_memory"] = auc(s["real"], s["heldout"])
    raw = torch.cat([scores["real"], scores["fake"]]).detach().float().cpu()
    found |= {"score_min": float(raw.min()), "score_max": float(raw.max()),
              "score_std": float(both.std())}  # fmt: skip
    return found
