"""Pictures, tables and a page about finished reconstructions. Needs matplotlib for the picture, nothing else."""
