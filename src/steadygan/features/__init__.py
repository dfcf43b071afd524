"""What distances are taken on: networks that turn images into features, and their caches."""
