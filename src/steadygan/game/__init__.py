"""A game: the recipe, its state, and one step. No files, devices or loggers."""
