"""Studies: several methods under one budget, side by side."""
