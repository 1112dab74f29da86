"""The scan as values: beams, view angles, machines, projections, the grid that a prior samples on."""
