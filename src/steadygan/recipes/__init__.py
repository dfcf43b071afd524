"""Recipes: overrides of single settings, notes where they break a guideline, and the pre-training
that methods build on."""
