"""Samples against real images: every measure of quality in one result."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from steadygan.data import Dataset
from steadygan.errors import UserError
from steadygan.features import stacked
from steadygan.features.extract import Features, Progress, extract, find_features, quiet
from steadygan.metrics import classes, memorisation, modes, nearest, sharpness
from steadygan.metrics.birthday import support
from steadygan.metrics.frechet import frechet_distance, moments, too_few
from steadygan.metrics.inception_score import SPLITS, inception_score
from steadygan.metrics.kernel import SUBSETS, kernel_distance
from steadygan.metrics.names import precision_doubt
from steadygan.metrics.prdc import BOUND, COVERAGE_K, PRECISION_K
from steadygan.metrics.reference import NEIGHBOURS, Reference, evenly

COUNT = 10_000
#: Fewer images, or points of a mixture, are too few to evaluate.
LEAST = 50
ORDER_SEED = 1606

Bar = Callable[[str], Progress]


def distance_of(found: Features, reference: Reference) -> dict[str, float]:
    """How far the features of samples are from the real ones: `fid`, or `energy_distance` where
    there are too few samples for that, or too few real images to know what real ones have."""
    if reference.no_level(len(found)):
        return {"energy_distance": reference.energy_distance(found.values)}
    return {"fid": frechet_distance(reference.moments, moments(found.values))}


def quality(
    images: np.ndarray,
    found: Features,
    reference: Reference,
    *,
    sharpness_kind: str = sharpness.DEFAULT,
    subsets: int = SUBSETS,
    say: Callable[[str], None] = print,
) -> dict[str, float | None]:
    """The numbers of uint8 images (N, C, H, W) with their features, flat: `fid`, `kid`,
    `inception_score`, `precision`, `recall`, `density`, `coverage`, `sharpness` and what belongs
    to them. `fid` is None where there are too few samples for the dimension of the features;
    `energy_distance` is there where `distance_of` takes it.

    FID and KID are against the whole reference. Precision, recall, density and coverage compare as
    many real images as samples, at most 10,000 a side, evenly spread; `precision_published` and so
    on are those without a bound on the balls.
    """
    kid, kid_std = kernel_distance(reference.features.values, found.values, subsets)
    score, score_std = inception_score(found.probabilities)
    own = evenly(len(found), NEIGHBOURS)
    bounded, published = reference.prdc(found.rows(own).values, say)
    sharp = float(sharpness.sharpness(images, sharpness_kind).mean())
    real_sharp = reference.sharpness(sharpness_kind)
    distance: dict[str, float | None] = {**distance_of(found, reference)}
    if "fid" not in distance:
        few = reference.too_few(len(found))
        fid = None if few else frechet_distance(reference.moments, moments(found.values))
        distance = {"fid": fid, **distance}
    return {
        **distance,
        "kid": kid,
        "kid_std": kid_std,
        "inception_score": score,
        "inception_score_std": score_std,
        **bounded,
        **{f"{key}_published": value for key, value in published.items()},
        "sharpness": sharp,
        "sharpness_real": real_sharp,
        "sharpness_difference": abs(sharp - real_sharp),
    }


def evaluate(
    images: np.ndarray,
    reference: Reference,
    *,
    sharpness_kind: str = sharpness.DEFAULT,
    bar: Bar = lambda name: quiet,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """All that is measured of uint8 samples (N, C, H, W), as plain JSON values.

    The samples are put into an order that depends on their pixels alone (`ordered`), so no result
    depends on the order they came in. Raises `UserError` for fewer than 50 samples and for another
    shape than the data's.
    """
    data, extractor = reference.data, reference.extractor
    if images.dtype != np.uint8 or images.shape[1:] != data.shape:
        raise UserError(
            f"the samples are {images.dtype} {list(images.shape[1:])}, the images of {data.spec} "
            f"uint8 {list(data.shape)} (channels, height, width)"
        )
    if len(images) < LEAST:
        raise UserError(f"{len(images)} samples: wants {LEAST} or more, and 10,000 to compare with")
    sharpness.find_kind(sharpness_kind)
    order = ordered(images)
    images = images[order]
    found = extract(extractor, images, bar("features of samples"))
    tick = _steps(bar("measures"), 4)
    numbers = quality(images, found, reference, sharpness_kind=sharpness_kind, say=say)
    tick()
    itself = reference.known("real-against-real", len(images), reference.against_itself, say)
    if "energy_distance" in numbers:
        itself = {**itself, "energy_distance": reference.energy_of_draws(len(images), 1)[0]}
    tick()
    apart = reference.known("nearest-real-images", len(images), reference.nearest_two, say)
    born = support(found.values[: apart["count"]], apart["distance"])
    born["pairs"] = [[int(order[a]), int(order[b]), far] for a, b, far in born["pairs"]]
    tick()
    place = np.argsort(order)  # of each sample, as drawn, in the order that is measured
    near = nearest.beside_real(found.values, reference.features.values, place[: nearest.SHOWN])
    for kind in ("first", "closest"):
        near[kind] = [[int(order[a]), int(reference.rows[b]), far] for a, b, far in near[kind]]
    near |= reference.known("nearest-other", len(reference), reference.nearest_other, say)
    copied = memorisation.memorisation(images, data.train.items, data.test.items)
    real_score, real_score_std = reference.inception_score(len(images))
    result = {
        **numbers,
        **extractor.facts(),
        "count": len(images),
        "data": data.name,
        "data_fingerprint": data.fingerprint,
        "reference": {"split": reference.split, "count": len(reference)},
        "inception_score_real": real_score,
        "inception_score_real_std": real_score_std,
        "settings": {
            "sharpness": sharpness_kind,
            "precision_k": PRECISION_K,
            "coverage_k": COVERAGE_K,
            "ball_bound": BOUND,
            "neighbours": min(len(images), len(reference), NEIGHBOURS),
            "kid_subsets": SUBSETS,
            "inception_score_splits": SPLITS,
        },
        "real_against_real": itself,
        "memorisation": copied,
        "birthday": born,
        "nearest": near,
        "notes": _notes(found, reference, numbers),
    }
    if extractor.knows_classes and (labels := reference.labels()) is not None:
        predicted = found.probabilities.argmax(1).numpy()
        result["classes"] = classes.class_histogram(predicted, labels, data.class_names or ())
    if stacked.is_stacked(data):
        result |= stacked_result(images, found, reference, bar, say)
    tick()
    return as_json(result)


def _notes(found: Features, reference: Reference, numbers: Mapping[str, Any]) -> list[str]:
    """What a reader of the numbers has to know."""
    reasons = [
        too_few(len(found), reference.extractor.dimension),
        too_few(len(reference), reference.extractor.dimension).replace("samples", "real images"),
    ]
    notes = [f"no FID: {reason}" for reason in reasons if reason]
    if not notes and (reason := reference.no_level(len(found))):
        notes.append(f"the energy distance is the one to read: {reason}")
    if doubt := precision_doubt(numbers):
        notes.append(doubt)
    return notes


def _steps(progress: Progress, total: int) -> Callable[[], None]:
    """Progress in steps of one."""
    done = iter(range(1, total + 1))
    progress(0, total)
    return lambda: progress(next(done), total)


def ordered(images: np.ndarray) -> np.ndarray:
    """Rows of images in an order that depends on their pixels alone: by digest, then by a
    permutation with a fixed seed.

    The digests make the order independent of the one the images came in. The permutation separates
    equal images, which have one digest and would otherwise be adjacent: the first rows, or one of
    ten splits, would then hold few of the images that repeat.
    """
    digests = [
        hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
        for image in images
    ]
    by_digest = np.array(sorted(range(len(digests)), key=digests.__getitem__), dtype=np.int64)
    return by_digest[np.random.default_rng(ORDER_SEED).permutation(len(by_digest))]


def stacked_result(
    images: np.ndarray, found: Features, reference: Reference, bar: Bar, say: Callable[[str], None]
) -> dict[str, Any]:
    """`modes` and `reverse_kl` of stacked digits, by the feature network where it classifies
    digits."""
    reader = reference.extractor
    if not reader.knows_classes:
        reader = find_features(
            "classifier",
            reference.data,
            say=say,
            progress=bar("training the classifier of features"),
        )
        found = extract(reader, images, bar("reading the digits"))
    triples = found.probabilities.argmax(1).numpy()
    return {**stacked.stacked_modes(triples), "digit_accuracy": reader.accuracy}


def evaluate_points(points: np.ndarray, data: Dataset) -> dict[str, Any]:
    """Modes and high-quality share of points (N, 2), with those of as many real ones."""
    if data.name not in modes.MIXTURES:
        raise UserError(f"{data.spec}: vectors are judged on ring and grid, whose modes are known")
    if points.ndim != 2 or points.shape[1:] != data.shape:
        raise UserError(f"the samples are {list(points.shape)}, those of {data.spec} (N, 2) points")
    if len(points) < LEAST:
        raise UserError(f"{len(points)} samples: wants {LEAST} or more, and 2,500 to compare with")
    make_centres, std = modes.MIXTURES[data.name]
    real = data.test.items[evenly(len(data.test), len(points))]
    result = {
        **modes.mode_coverage(points, make_centres(), std),
        "count": len(points),
        "data": data.name,
        "data_fingerprint": data.fingerprint,
        "real": modes.mode_coverage(real, make_centres(), std),
    }
    return as_json(result)


def as_json(value: Any) -> Any:
    """A result with every number that is not finite as None: JSON cannot represent them."""
    if isinstance(value, dict):
        return {key: as_json(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
