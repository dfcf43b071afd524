"""The loop around the game: hands, checkpoints, guards, logs."""

from steadygan.training.goals import Cadence, Goal, Hooks, Stopped
from steadygan.training.loop import Trainer
from steadygan.training.replaying import replay
from steadygan.training.runs import resume, train
from steadygan.training.stopping import StopAsked

__all__ = [
    "Cadence", "Goal", "Hooks", "StopAsked", "Stopped", "Trainer", "replay", "resume", "train",
]  # fmt: skip
