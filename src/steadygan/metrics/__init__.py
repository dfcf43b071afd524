"""Measures of samples, one a file: quality against real images, modes, memorisation."""
