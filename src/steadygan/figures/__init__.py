"""Figures of a run or study for a paper, each with its data as CSV."""

from steadygan.figures.write import FORMATS as FORMATS
from steadygan.figures.write import draw_figures as draw_figures
