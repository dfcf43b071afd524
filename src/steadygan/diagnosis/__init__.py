"""What goes wrong in a run: probes, symptoms, and the cause that explains them."""
