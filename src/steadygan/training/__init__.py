"""The training loop: iterations, checkpoints, guards, logs."""

from steadygan.training.goals import Goal, Hooks, LogSchedule, Stopped
from steadygan.training.loop import Trainer
from steadygan.training.replaying import replay
from steadygan.training.runs import resume, train
from steadygan.training.stopping import StopAsked

__all__ = [
    "Goal",
    "Hooks",
    "LogSchedule",
    "StopAsked",
    "Stopped",
    "Trainer",
    "replay",
    "resume",
    "train",
]  # fmt: skip
