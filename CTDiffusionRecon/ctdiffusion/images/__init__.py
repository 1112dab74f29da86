"""Image files: what is checked before a voxel is trusted."""
