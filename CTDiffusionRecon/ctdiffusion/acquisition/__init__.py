"""Where projections come from: simulated from a volume, or measured."""
