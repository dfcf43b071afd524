"""Recipes from words: overrides of single settings, and notes where they break a guideline."""
