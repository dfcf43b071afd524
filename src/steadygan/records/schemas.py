"""What the readers of run.json, study.json, history lines and checkpoint metadata rely on.

Exact types (`true` is no number, `"3"` no integer) and finite numbers; keys that no schema knows
are allowed, so that a folder written by a later version can still be read.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from steadygan.spec import problem_of

Count = Annotated[int, Field(ge=0, lt=2**53)]
Positive = Annotated[int, Field(ge=1, lt=2**53)]
Seconds = Annotated[float, Field(ge=0)]
Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d{1,4})?)$")]
Side = Annotated[int, Field(ge=1, le=1 << 16)]


class Record(BaseModel):
    """Base of the schemas: exact types, finite numbers, unknown keys allowed."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class GoalRecord(Record):
    """When a run ends: `steps` in all, or `budget_seconds` of training."""

    steps: Positive | None = None
    budget_seconds: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one(self) -> GoalRecord:
        if (self.steps is None) == (self.budget_seconds is None):
            raise ValueError("wants either steps or budget_seconds")
        return self


class NamedRecord(Record):
    """A part of a recipe, or its objective; `coding` is least squares' (a, b, c)."""

    name: str
    coding: Annotated[list[float], Field(min_length=3, max_length=3)] | None = None


class RecipeRecord(Record):
    """What tables show of a recipe. To train or sample, `Recipe` itself checks every field."""

    method: str | None = None
    objective: NamedRecord | None = None
    on_d: list[NamedRecord] = []
    on_g: list[NamedRecord] = []
    features: str = ""
    decode: str = ""
    ae: str = ""


class DataRecord(Record):
    """What a run was trained on; see `data.Dataset.describe`."""

    name: str = ""
    spec: str
    fingerprint: str = ""
    shape: Annotated[list[Side], Field(min_length=1, max_length=3)]
    class_names: list[str] | None = None
    settings: dict[str, Any]


class StatusRecord(Record):
    """The status of a run; `exit_code` where it failed."""

    state: str
    reason: str = ""
    step: Count
    seconds: Seconds = 0.0
    wall_seconds: Seconds = 0.0
    exit_code: int = 3


class EvaluationRecord(Record):
    """The settings of the evaluations during training."""

    every: str = "auto"
    count: Positive
    features: str | None = None
    feature_hash: str | None = None
    weights: str | None = None
    distance: str | None = None
    real: float | None = None
    noise: float | None = None


class SegmentRecord(Record):
    """Settings that were changed when a run was resumed: old and new value of each key."""

    step: Count
    images: Count
    changed: dict[str, Annotated[list[Any], Field(min_length=2, max_length=2)]]


class RunRecord(Record):
    """run.json."""

    name: str = ""
    method: str
    title: str = ""
    command: str = ""
    recipe: RecipeRecord
    data: DataRecord
    quarantine: list[Any] = []
    seed: int
    device: Device
    arithmetic: str = ""
    precision: Literal["auto", "fp32", "bf16"]
    memory_format: Literal["", "channels_last", "contiguous"] = ""
    exact: bool = False
    graphs: bool = True
    threads: Annotated[int, Field(ge=1, le=4096)]
    processes: Annotated[int, Field(ge=1, le=4096)] = 1
    versions: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    signal_titles: dict[str, str] = {}
    cadence: dict[str, Any] = {}
    segments: list[SegmentRecord] = []
    goal: GoalRecord
    status: StatusRecord | None = None
    inexact: list[str] = []
    evaluation: EvaluationRecord | None = None
    measures: dict[str, Any] | None = None
    best: dict[str, Any] | None = None
    judged_step: Count | None = None
    findings: list[dict[str, Any]] = []
    diagnosis: dict[str, Any] | None = None


class DataUsedRecord(Record):
    """The data of a study when it began."""

    name: str = ""
    fingerprint: str


class StudyRecord(GoalRecord):
    """study.json; its goal is that of each run."""

    command: str = ""
    data: str
    data_settings: dict[str, Any]
    data_used: DataUsedRecord
    runs: list[str]
    methods: Annotated[dict[str, RecipeRecord], Field(min_length=1)]
    steps_of: dict[str, Positive] = {}
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    run_settings: dict[str, Any]
    threads: Annotated[int, Field(ge=1, le=4096)]
    processes: Annotated[int, Field(ge=1, le=4096)] = 1
    device: Device
    evaluation: dict[str, Any]

    @model_validator(mode="after")
    def _methods_are_names(self) -> StudyRecord:
        """Runs lie in folders of these names: none may lead out of the study."""
        for name in self.methods:
            if not name or name.startswith(".") or set(name) & set("/\\\0"):
                raise ValueError(f"methods: {name!r} is no name of a folder")
        return self


class LineRecord(Record):
    """A line of history.jsonl."""

    step: Count
    images: Count
    seconds: Seconds
    evaluate_seconds: Seconds | None = None
    probe: dict[str, float] | None = None
    probe_seconds: Seconds | None = None


class IdentityRecord(Record):
    """What determines a run's bits; see `training.facts.identity`."""

    recipe: dict[str, Any]


class CheckpointRecord(Record):
    """A checkpoint's metadata, each value read from its JSON text. `place`, of a saved failed step:
    iteration, player or stage, step."""

    identity: IdentityRecord
    seconds: Seconds
    place: Annotated[tuple[Count, str, Count], Field(strict=False)]


def misshapen(schema: type[Record], value: Any, complete: bool = True) -> str:
    """What is wrong with `value` by `schema`, with the field, or ""."""
    try:
        schema.model_validate(value)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            if problem["type"] != "missing":
                return problem_of(problem)
            if complete:
                return f"has no {'.'.join(map(str, problem['loc']))!r}"
    return ""
