"""Images come in: sources by name, decoded once into a memory-mapped uint8 cache."""

from steadygan.data.batches import batch_indices
from steadygan.data.dataset import Dataset, DataSettings, Split
from steadygan.data.sources.registry import SOURCES, Source, open_data

__all__ = [
    "SOURCES",
    "DataSettings",
    "Dataset",
    "Source",
    "Split",
    "batch_indices",
    "open_data",
]
