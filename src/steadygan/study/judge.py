"""How the runs of a study are evaluated: during training on few samples, after it on many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from torch import Tensor

from steadygan.data import Dataset
from steadygan.data.mapped import Items
from steadygan.errors import UserError
from steadygan.features.cached import cached_facts
from steadygan.features.classifier import classifier_of
from steadygan.features.extract import Extractor, Progress, extract, find_features, quiet
from steadygan.metrics import legibility, nearest, recognisable, sharpness
from steadygan.metrics.energy_distance import energy_distance, mean_distance
from steadygan.metrics.evaluate import Bar, distance_of, evaluate, evaluate_points, ordered, quality
from steadygan.metrics.inception_score import inception_score
from steadygan.metrics.kernel import kernel_distance
from steadygan.metrics.modes import MIXTURES
from steadygan.metrics.names import NEAREST_PICTURE
from steadygan.metrics.prdc import BOUND
from steadygan.metrics.reference import Reference, evenly, reference_of
from steadygan.metrics.samples import as_bytes, classes_drawn, drawn
from steadygan.stability.curve import distance_in
from steadygan.stability.trajectory import Evaluator, Measure, Schedule
from steadygan.study.plan import Evaluation
from steadygan.training import Goal, Trainer, checkpoint
from steadygan.training.pictures import save_png
from steadygan.training.precision import find_device
from steadygan.training.runfolder import RunFolder, read_facts
from steadygan.training.sampling import draw_best

#: Pairs of subsets that KID during training is the mean over: a twentieth of the usual.
DRAFT_SUBSETS = 5
#: What the bar of the classifier of `recognisable` is called while it is trained.
CLASSIFIER = "training the classifier of samples"
#: Draws of real samples that the level of real data and its spread are taken over.
DRAWS = 10
POINT_KEYS = ("modes", "high_quality", "mode_js")


class Judge:
    """Evaluates the runs on one data set as `evaluation` specifies.

    Images by distances between features, and by how many a classifier recognises; points of `ring`
    and `grid` by their modes. Where there are no features (no classes and no effnet), or
    `features=none`, distances are left out. `trust_code`: see `load_generator`.
    """

    def __init__(
        self,
        data: Dataset,
        evaluation: Evaluation,
        say: Callable[[str], None],
        bar: Bar = lambda name: quiet,
        device: str = "cpu",
        trust_code: bool = False,
    ) -> None:
        self.data, self.evaluation = data, evaluation
        self.say, self.bar = say, bar
        self.trust_code = trust_code
        self.device = find_device(device)
        self.images = len(data.shape) == 3
        self._held_out: dict[int, tuple[Tensor, float]] = {}

    def prepare(self) -> None:
        """Make and cache what every run needs."""
        if self.images:
            classifier_of(self.data, self.say, self.bar(CLASSIFIER))
            if self.reference is not None and self.evaluation.every is not None:
                _ = self.references

    # ---- the real side -----------------------------------------------------------------------

    @cached_property
    def extractor(self) -> Extractor | None:
        """The feature network; None where there is none for this data."""
        name = self.evaluation.features
        if not self.images or name == "none":
            return None
        file = self.evaluation.weights
        progress = self.bar("training the classifier of features")
        try:
            return find_features(
                name, self.data, weights_file=None if file is None else Path(file),
                device=self.device, say=self.say, progress=progress,
            )  # fmt: skip
        except UserError as error:
            if name != "auto":
                raise
            self.say(f"no distance is measured: {error}")
            return None

    @cached_property
    def reference(self) -> Reference | None:
        if self.extractor is None:
            return None
        progress = self.bar("features of real images")
        return reference_of(self.data, self.extractor, say=self.say, progress=progress)

    def _real_side(self) -> tuple[Extractor, Reference]:
        """Both; to be called only where there are features."""
        assert self.extractor is not None
        assert self.reference is not None
        return self.extractor, self.reference

    @cached_property
    def real_sharpness(self) -> float:
        _, reference = self._real_side()
        return reference.sharpness(sharpness.DEFAULT)

    @cached_property
    def references(self) -> dict[str, float | int | None]:
        """The distance of an evaluation during training for as many real samples (`real`, with the
        standard deviation `real_sd` over `real_draws` draws) and for noise (`noise`)."""
        count = self.evaluation.draft
        if not self.images:
            reach = 1.25 * float(np.abs(self.data.test.items).max())
            noise = np.random.default_rng(0).uniform(-reach, reach, (count, *self.data.shape))
            return {**levels(self.distances_of_draws(count)), "noise": self.from_real(noise)}
        extractor = self.extractor
        assert extractor is not None
        key = {"version": 2, "data": self.data.fingerprint, "features": extractor.hash,
               "count": count}  # fmt: skip

        _, reference = self._real_side()
        if few := reference.no_level(count):
            self.say(f"note: evaluations during training compare by energy distance: {few}")
            key |= {"version": 3, "distance": "energy_distance"}

        def make() -> dict[str, Any]:
            noise = np.random.default_rng(0).integers(0, 256, (count, *self.data.shape), np.uint8)
            progress = self.bar("distances of real images")
            draws = reference.energy_of_draws if few else reference.fid_of_draws
            found = draws(count, DRAWS, progress)
            far = distance_in(self.draft(noise, self.bar("features of noise")))
            return {**levels(found), "noise": far}

        return cached_facts("distance-references", key, self.say, make)

    def distances_of_draws(self, count: int) -> list[float]:
        """The energy distances of draws of `count` training points to the held-out ones."""
        items, random = self.data.train.items, np.random.default_rng(0)
        chosen = [random.choice(len(items), min(count, len(items)), False) for _ in range(DRAWS)]
        return [self.from_real(items[rows]) for rows in chosen]

    @cached_property
    def distance(self) -> str:
        """The key of the distance of an evaluation during training, as `distance_of` takes it."""
        if not self.images:
            return "energy_distance"
        _, reference = self._real_side()
        return "energy_distance" if reference.no_level(self.evaluation.draft) else "fid"

    # ---- during training ---------------------------------------------------------------------

    def evaluator(self, goal: Goal) -> Callable[[Trainer], dict[str, Any] | None]:
        """The `evaluate` hook of a run to `goal`."""
        every, measure = self.evaluation.every, self.measure()
        if every is None or measure is None:
            return lambda trainer: None
        facts: dict[str, Any] = {"every": every, "distance": self.distance, **self.references}
        if self.extractor is not None:
            facts |= {**self.extractor.facts(), "weights": self.evaluation.weights}
        schedule, count = Schedule.read(every), self.evaluation.draft
        option = count == self.evaluation.count  # a study's is that of finished runs
        return Evaluator(
            schedule, goal, measure, count, facts, say=self.say, count_is_option=option
        )

    def measure(self) -> Measure | None:
        """The measure of samples during training, if there is one."""
        if self.reference is not None:
            return lambda samples: self.draft(as_bytes(samples.numpy()))
        if self.data.name in MIXTURES:
            return self.draft_of_points
        return None

    def draft(self, images: np.ndarray, progress: Progress = quiet) -> dict[str, float | None]:
        """The cheap measures of uint8 images (N, C, H, W): against the whole reference, precision,
        recall, density and coverage against as many of its images. The distance is as
        `distance_of` has it."""
        extractor, reference = self._real_side()
        found = extract(extractor, images, progress)
        sharp = float(sharpness.sharpness(images).mean())
        kid, _ = kernel_distance(reference.features.values, found.values, DRAFT_SUBSETS)
        return {
            **distance_of(found, reference),
            "kid": kid,
            "inception_score": inception_score(found.probabilities)[0],
            **reference.prdc(found.values, self.say, (BOUND,))[0],
            "sharpness": sharp,
            "sharpness_difference": abs(sharp - self.real_sharpness),
        }

    def draft_of_points(self, points: Tensor) -> dict[str, float | None]:
        found = evaluate_points(points.numpy(), self.data)
        return {"energy_distance": self.from_real(points), **{k: found[k] for k in POINT_KEYS}}

    def from_real(self, points: Tensor | np.ndarray) -> float:
        """The energy distance of points to as many held-out ones."""
        real, within = self.held_out(len(points))
        return energy_distance(torch.as_tensor(points), real, within)

    def held_out(self, count: int) -> tuple[Tensor, float]:
        """`count` held-out points and the mean distance between two of them, which is taken once
        for all evaluations."""
        if count not in self._held_out:
            points = torch.from_numpy(some_of(self.data.test.items, count))
            self._held_out[count] = points, mean_distance(points, points)
        return self._held_out[count]

    # ---- when it is done ---------------------------------------------------------------------

    def finished(self, run: Path) -> None:
        """Write the quality of a finished run's samples into its run.json, and draw samples of its
        best evaluation."""
        classifying = self.bar(CLASSIFIER)
        recognisable.judge_run(run, self.data, self.say, classifying, self.trust_code)
        self.measured(run)

    def measured(self, run: Path) -> None:
        """`finished` without the classifier of `recognisable`."""
        found = self.quality(run)
        with RunFolder.open(run) as folder:
            facts = read_facts(run)
            measures = dict(facts.get("measures") or {})
            if found is not None:
                measures["quality"] = found
            best = draw_best(run, self.data, self.say, self.trust_code)
            at = facts["status"]["step"]
            folder.update_facts(measures=measures, best=best, judged_step=at)

    def quality(self, run: Path) -> dict[str, Any] | None:
        """Every measure at the last step, and the distances at the best evaluation, with their
        features and counts."""
        if self.reference is None:
            return self.quality_of_points(run) if self.data.name in MIXTURES else None
        samples = self.samples(run)
        last = evaluate(samples, self.reference, bar=self.bar, say=self.say)
        beside = nearest.picture(samples, self.data.train.items, last["nearest"])
        save_png(beside, run / NEAREST_PICTURE)
        last |= self.legibility(run, samples)
        if "classes" in last:
            last["class_kl"] = last["classes"]["kl"]
        extractor, _ = self._real_side()
        found = {
            **extractor.facts(),
            "count": self.evaluation.count,
            "real": {"inception_score": last["inception_score_real"],
                     "sharpness": last["sharpness_real"],
                     "legible": last.get("legibility", {}).get("accuracy_real")},
            "last": {"step": read_facts(run)["status"]["step"], **last},
        }  # fmt: skip
        if kept_best := checkpoint.listed(run / "best"):
            step = checkpoint.step_of(kept_best[0])
            same = step == found["last"]["step"]
            found["best"] = {"step": step, **(numbers_of(last) if same else self.at_best(run))}
        return found

    def legibility(self, run: Path, samples: np.ndarray) -> dict[str, Any]:
        """`legibility` and its share read correctly, `legible`, where samples can be read."""
        asked = None
        if legibility.can_read(self.data):
            asked = classes_drawn(run, self.data, len(samples), 0)
        if asked is None:
            return {}
        progress = self.bar("reading characters")
        found = legibility.legibility(samples, asked, self.data, say=self.say, progress=progress)
        return {"legibility": found, "legible": found["accuracy"]}

    def at_best(self, run: Path) -> dict[str, float | None]:
        """The distances of the run's saved best generator."""
        images = self.samples(run, best=True)
        images = images[ordered(images)]  # as `evaluate` orders them
        extractor, reference = self._real_side()
        found = extract(extractor, images, self.bar("features of the best samples"))
        return quality(images, found, reference, say=self.say)

    def quality_of_points(self, run: Path) -> dict[str, Any]:
        points = self.samples(run)
        last = {"energy_distance": self.from_real(points), **evaluate_points(points, self.data)}
        step = read_facts(run)["status"]["step"]
        found = {"count": self.evaluation.count, "last": {"step": step, **last}}
        if kept_best := checkpoint.listed(run / "best"):
            best = torch.from_numpy(self.samples(run, best=True))
            step = checkpoint.step_of(kept_best[0])
            found["best"] = {"step": step, **self.draft_of_points(best)}
        return found

    def samples(self, run: Path, best: bool = False) -> np.ndarray:
        """Samples of a run in the stored form of the data's items, from the same latents for every
        run."""
        given = (self.evaluation.count, 0, best, self.device, self.say)
        return drawn(run, self.data, *given, self.bar("drawing samples"), self.trust_code)


def numbers_of(found: dict[str, Any]) -> dict[str, float | None]:
    """The measures of a result that `at_best` returns too."""
    near = ("precision", "recall", "density", "coverage")
    wanted = ("fid", "energy_distance", "kid", "kid_std", "inception_score",
              "inception_score_std", *near, *(f"{key}_published" for key in near),
              "sharpness", "sharpness_real", "sharpness_difference")  # fmt: skip
    return {key: found[key] for key in wanted if key in found}


def levels(found: Sequence[float] | None) -> dict[str, float | int | None]:
    """The mean and the standard deviation of the distances of draws of real samples."""
    if found is None:
        return {"real": None, "real_sd": None, "real_draws": 0}
    return {"real": mean(found), "real_sd": stdev(found), "real_draws": len(found)}


def some_of(items: Items, count: int) -> np.ndarray:
    """`count` rows, evenly spread; all where there are no more."""
    return np.array(items[evenly(len(items), count)])
