"""Files that may come from anyone: run.json, study.json, history.jsonl, checkpoint metadata.

One reader and one schema for each, used everywhere. Readers return what the file holds, including
unknown keys. Needs no torch.
"""

from steadygan.records.looking import FLATTERED, looked_through
from steadygan.records.rates import later_horizon, rates_ended
from steadygan.records.reading import (
    history_lines,
    named_in,
    open_regular,
    parsed,
    read_facts,
    read_history,
    read_object,
    read_study,
)
from steadygan.records.schemas import CheckpointRecord, misshapen

__all__ = [
    "FLATTERED",
    "CheckpointRecord",
    "history_lines",
    "later_horizon",
    "looked_through",
    "misshapen",
    "named_in",
    "open_regular",
    "parsed",
    "rates_ended",
    "read_facts",
    "read_history",
    "read_object",
    "read_study",
]
