"""Data sources by name; images are decoded once into a memory-mapped uint8 cache."""

from steadygan.data.dataset import Dataset, DataSettings, Split
from steadygan.data.sources.registry import SOURCES, Source, open_data

__all__ = [
    "SOURCES",
    "DataSettings",
    "Dataset",
    "Source",
    "Split",
    "open_data",
]
