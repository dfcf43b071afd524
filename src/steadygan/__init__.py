"""Train GANs that stay stable, and prove it."""
