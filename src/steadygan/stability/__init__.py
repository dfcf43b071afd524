"""Measures of a training run: its curve of distances, the stability score, live evaluation."""
