"""Networks that turn images into the features of distances, and their caches."""
