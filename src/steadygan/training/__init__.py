"""The loop around the game: hands, checkpoints, guards, logs."""

from steadygan.training.loop import Cadence, Goal, Hooks, Stopped, Trainer
from steadygan.training.runs import replay, resume, train
from steadygan.training.stopping import StopAsked

__all__ = [
    "Cadence", "Goal", "Hooks", "StopAsked", "Stopped", "Trainer", "replay", "resume", "train",
]  # fmt: skip
