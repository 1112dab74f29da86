"""The networks of the published systems, with the names and shapes of the tensors in their checkpoints.

Every class has `channels` (the slices that it takes), `multiple` (rows and columns are multiples of it) and
`forward(x, level, label)`, where `level` is what the network was trained on: sigma, timestep or degradation level.
"""
