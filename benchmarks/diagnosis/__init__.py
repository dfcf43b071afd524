"""How often the diagnosis is right: sabotaged and healthy runs, their signals, and the score."""
