"""Measures of samples: each a file."""
